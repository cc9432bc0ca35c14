"""What all pages share: the collection, the text for missing things and errors, and names.

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
from searchkit.settings import UI_SHARED
from searchkit.types import Hit, Item
from searchkit.views import facets as facets_of
from searchkit.views.facets import Facets

logger = logging.getLogger(__name__)

MATCH = 0.5
"""The least confidence of a hit that is shown as found; unrelated queries reach what is below."""
WORDS = ((0.9, "strong"), (MATCH, "likely"), (0.0, "weak"))
"""Least confidence, and the word for it."""
HITS_PER_PAGE = 24
FRESH = 5
"""Seconds for which the collection's status is kept."""
STALE = 30
"""Seconds for which facets are kept although the collection changes: every question needs them."""

_facets: dict[Path, tuple[tuple[str, int], float, Facets]] = {}
"""Root of a collection → its version when the facets were counted, the time, and the facets."""
_counting = threading.Lock()


def is_local() -> bool:
    """Tell whether the page is for this machine alone; visitors over the network search, and change nothing
    but their own ratings."""
    return not os.environ.get(UI_SHARED)


def collection() -> Collection:
    """Return the collection that the server was started for. Raises `CollectionMissing`."""
    return _opened(os.environ.get("SEARCHKIT_COLLECTION") or None)


def filled() -> Collection:
    """Return the collection where something is in it. Raises `CollectionMissing`, `NothingIndexed`."""
    library = collection()
    if not sum(facets().kinds.values()):
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    return library


@st.cache_resource(show_spinner="Opening the collection", on_release=Collection.close)
def _opened(where: str | None) -> Collection:
    """Open the collection once for all visitors; its encoder is loaded while the first of them types."""
    library = Collection.open(where, create=False)
    threading.Thread(target=_warm, args=(library,), name="warm", daemon=True).start()
    return library


def _warm(library: Collection) -> None:
    try:
        library.current.search("a word", k=1)
    except Exception as error:  # whoever searches is told, and nobody waits for this thread
        logger.info("not warm: %s", error)


def status() -> Status:
    """Return the collection's status, kept for FRESH seconds."""
    return _status(str(collection().root))


def facets() -> Facets:
    """Return what a search can be limited to, counted anew after a change, but at most each STALE seconds."""
    library = collection().current
    version, now = (library.manifest.space, library.store.version), time.monotonic()
    with _counting:
        known = _facets.get(library.root)
        if known is None or (known[0] != version and (now - known[1] > STALE or not known[2].folders)):
            known = _facets[library.root] = version, now, facets_of.facets(library)
    return known[2]


@st.cache_data(ttl=FRESH, show_spinner=False)
def _status(root: str) -> Status:
    return collection().status()


def forget() -> None:
    """Drop the kept status and facets, so that they are counted again."""
    _status.clear()
    _facets.clear()


# in place of results


def invitation() -> None:
    """Say that nothing is indexed yet, and how to index a folder."""
    st.info("There is nothing to search yet. Add a folder on the page *Library*, or with this command:")
    collection = os.environ.get("SEARCHKIT_COLLECTION")
    option = ["-c", collection] if collection else []
    st.code(shlex.join(["searchkit", "index", "FOLDER", *option]), language=None)


def problem(error: SearchkitError) -> None:
    """Show an error and its hint."""
    st.error("That did not work.")
    st.text(homely(str(error)))
    if error.hint:
        st.text(homely(error.hint))


# lists


def in_pages(hits: Sequence[Hit], show: Callable[[Sequence[Hit]], object], *, key: str) -> None:
    """Show the hits of the page that the visitor has turned to and, where there are more, the pages."""
    pages = -(-len(hits) // HITS_PER_PAGE)
    number = min(st.session_state.get(key, 1), pages)
    show(hits[(number - 1) * HITS_PER_PAGE : number * HITS_PER_PAGE])
    if pages > 1:
        st.pagination(pages, key=key)


# names


def printable(text: str) -> str:
    """Replace surrogates, which stand for bytes that are not UTF-8 and cannot be sent to a browser."""
    return text.encode("utf-8", "replace").decode()


def on_one_line(text: str | None) -> str:
    """Return a passage as one printable line.

    >>> on_one_line(" two\\n words "), on_one_line(None)
    ('two words', '')
    """
    return printable(" ".join((text or "").split()))


def homely(text: str) -> str:
    """Shorten the home folder to "~" in a path or in a text with paths.

    >>> home = os.path.expanduser("~")
    >>> homely(f"{home}/a"), homely(f"cannot read '{home}/a'"), homely(home)
    ('~/a', "cannot read '~/a'", '~')
    >>> homely(f"/srv{home}/a") == f"/srv{home}/a", homely(f"{home}2/a") == f"{home}2/a"
    (True, True)
    """
    home = re.escape(os.path.expanduser("~"))
    return re.sub(rf"(?<![^\s'\"(]){home}(?=[/\\]|$)", "~", printable(text))


def escaped(text: str) -> str:
    """Return HTML that shows just this text.

    >>> escaped("<b>&'")
    '&lt;b&gt;&amp;&#x27;'
    """
    return html.escape(printable(text))


def name(item: Item) -> str:
    """Return the path below its source, which tells files of one name apart, and the page."""
    below = item.path.removeprefix(item.source + os.sep)
    path = printable(os.path.basename(item.path) if below == item.path else below)
    return path if item.page is None else f"{path}, page {item.page}"


def word(confidence: float) -> str:
    """Return the word for a confidence.

    >>> word(0.934), word(0.5), word(0.2)
    ('strong', 'likely', 'weak')
    """
    return next(word for least, word in WORDS if confidence >= least)


def badge(confidence: float) -> str:
    """Return HTML that shows a confidence as a word, a colour and a number."""
    level = word(confidence)
    return f'<span class="sk-sure sk-{level}">{level} {confidence:.2f}</span>'
