"""What all pages share: the collection, what is said when something is missing or wrong, and names.

Names of files and texts of documents are other people's. They are drawn by `st.text`, which shows every
character as it is, or put into HTML by `escaped`; never by what reads Markdown.
"""

from __future__ import annotations

import html
import logging
import os
import re
import shlex
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from searchkit.collection import Collection
from searchkit.collection.status import Status
from searchkit.errors import NothingIndexed, SearchkitError
from searchkit.types import Hit, Item
from searchkit.views import facets as facets_of
from searchkit.views.facets import Facets

logger = logging.getLogger(__name__)

MATCH = 0.5
"""The confidence from which on a hit counts as found; below, unrelated queries do as well."""
WORDS = ((0.9, "strong"), (MATCH, "likely"), (0.0, "weak"))
A_PAGE = 24
FRESH = 5
"""Seconds for which counts are not counted again."""
STALE = 30
"""The same for those beside the filters, which every question needs."""

_counted: dict[Path, tuple[tuple[str, int], float, Facets]] = {}
_counting = threading.Lock()


def collection() -> Collection:
    """The collection that the server was started for. Raises `CollectionMissing`."""
    return _opened(os.environ.get("SEARCHKIT_COLLECTION") or None)


def filled() -> Collection:
    """The same, where something is in it. Raises `NothingIndexed` too."""
    library = collection()
    if not sum(facets().kinds.values()):
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    return library


@st.cache_resource(show_spinner="Opening the collection", on_release=Collection.close)
def _opened(where: str | None) -> Collection:
    """One for all visitors. Its encoder is loaded while the first of them still types."""
    library = Collection.open(where, create=False)
    threading.Thread(target=_warm, args=(library,), name="warm", daemon=True).start()
    return library


def _warm(library: Collection) -> None:
    try:
        library.current.search("a word", k=1)
    except Exception as error:  # who searches will be told, and nobody waits for this thread
        logger.info("not warm: %s", error)


def status() -> Status:
    return _status(str(collection().root))


def facets() -> Facets:
    """As long as the collection stays what it is, and while it changes for some seconds longer."""
    library = collection().current
    version, now = (library.manifest.space, library.store.version), time.monotonic()
    with _counting:
        known = _counted.get(library.root)
        if known is None or (known[0] != version and (now - known[1] > STALE or not known[2].folders)):
            known = _counted[library.root] = version, now, facets_of.facets(library)
    return known[2]


@st.cache_data(ttl=FRESH, show_spinner=False)
def _status(root: str) -> Status:
    return collection().status()


def forget() -> None:
    """What was counted is counted again."""
    _status.clear()
    _counted.clear()


# what is said instead of results


def invitation() -> None:
    st.info("There is nothing to search yet. Add a folder on the page *Library*, or with this command:")
    where = os.environ.get("SEARCHKIT_COLLECTION")
    st.code(shlex.join(["searchkit", "index", "FOLDER", *(["-c", where] if where else [])]), language=None)


def problem(error: SearchkitError) -> None:
    st.error("That did not work.")
    st.text(homely(str(error)))
    if error.hint:
        st.text(homely(error.hint))


# lists


def in_pages(hits: Sequence[Hit], show: Callable[[Sequence[Hit]], object], *, key: str) -> None:
    """Show those of the page that the visitor has turned to; below them, where there are more, the pages."""
    pages = -(-len(hits) // A_PAGE)
    number = min(st.session_state.get(key, 1), pages)
    show(hits[(number - 1) * A_PAGE : number * A_PAGE])
    if pages > 1:
        st.pagination(pages, key=key)


# names


def printable(text: str) -> str:
    """A name that is not UTF-8 has surrogates, which cannot be sent to a browser."""
    return text.encode("utf-8", "replace").decode()


def on_one_line(text: str | None) -> str:
    """A passage as it is shown among others.

    >>> on_one_line(" two\\n words "), on_one_line(None)
    ('two words', '')
    """
    return printable(" ".join((text or "").split()))


def homely(text: str) -> str:
    """A path, or a text with paths, as it is shown: what lies in the home folder begins with "~".

    >>> home = os.path.expanduser("~")
    >>> homely(f"{home}/a"), homely(f"cannot read '{home}/a'"), homely(home)
    ('~/a', "cannot read '~/a'", '~')
    >>> homely(f"/srv{home}/a") == f"/srv{home}/a", homely(f"{home}2/a") == f"{home}2/a"
    (True, True)
    """
    home = re.escape(os.path.expanduser("~"))
    return re.sub(rf"(?<![^\s'\"(]){home}(?=[/\\]|$)", "~", printable(text))


def escaped(text: str) -> str:
    """As HTML that shows just this text.

    >>> escaped("<b>&'")
    '&lt;b&gt;&amp;&#x27;'
    """
    return html.escape(printable(text))


def name(item: Item) -> str:
    """The path below its source, which tells apart files of one name in two folders; and the page."""
    below = item.path.removeprefix(item.source + os.sep)
    shown = printable(os.path.basename(item.path) if below == item.path else below)
    return shown if item.page is None else f"{shown}, page {item.page}"


def word(confidence: float) -> str:
    """
    >>> word(0.934), word(0.5), word(0.2)
    ('strong', 'likely', 'weak')
    """
    return next(word for least, word in WORDS if confidence >= least)


def badge(confidence: float) -> str:
    """HTML: how sure a hit is, in words and colour."""
    said = word(confidence)
    return f'<span class="sk-sure sk-{said}">{said} {confidence:.2f}</span>'
