"""The pieces of the page.

Names of files and texts of documents are other people's: they are drawn with `st.text`, which shows
every character as it is, and never with what reads Markdown or HTML (captions and labels do).
"""

from __future__ import annotations

import io
import os
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from searchkit.collection import Collection
from searchkit.doctor import Status
from searchkit.errors import SearchkitError, Unreadable
from searchkit.ingest.images import SUFFIXES, decode_file
from searchkit.registry import DOCUMENT_SUFFIXES
from searchkit.types import Failure, Hit, Item, Kind

PICTURES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
MATCH = 0.5
"""The confidence from which on a hit counts as found; below, unrelated queries do as well."""
WORDS = ((0.9, "strong"), (MATCH, "likely"), (0.0, "weak"))
SIDE = 256
SNIPPET = 400
FAILURES = 50


@st.cache_resource(show_spinner="Opening the collection", on_release=Collection.close)
def library(where: str | None) -> Collection:
    """One for all visitors. Raises `CollectionMissing`."""
    return Collection.open(where, create=False)


@st.cache_data(ttl=5, show_spinner=False)
def status(where: str | None) -> Status:
    """Counting walks the whole catalog: once in five seconds is enough."""
    return library(where).status()


# what is said instead of results


def invitation(where: str | None) -> None:
    st.info("There is nothing to search yet. Index a folder of pictures or documents, then reload:")
    named = ["-c", where] if where else []
    st.code(shlex.join(["searchkit", "index", "FOLDER", *named]), language=None)


def problem(error: SearchkitError) -> None:
    st.error("That did not work.")
    st.text(_printable(str(error)))
    if error.hint:
        st.text(_printable(error.hint))


# the sidebar


def summary(status: Status, failures: Sequence[Failure]) -> None:
    """What the collection holds, where it comes from, and what could not be read."""
    st.subheader("Collection")
    st.text(f"Pictures: {status.images}\nDocuments: {status.documents}\nPassages: {status.passages}")
    st.subheader("Sources")
    for source in status.sources:
        st.text(f"{_printable(source.path)}\n{source.state}, files: {source.files}")
    if failures:
        with st.expander(f"Could not be read: {len(failures)}"):
            for failure in failures[:FAILURES]:
                st.text(f"{_printable(failure.path)}\n{_printable(failure.reason)}")
            if len(failures) > FAILURES:
                st.text(f"and {len(failures) - FAILURES} more: searchkit doctor")


# the query


@contextmanager
def as_file(upload: UploadedFile) -> Iterator[str]:
    """The uploaded bytes in a file that is gone afterwards. Raises `Unreadable` in the visitor's terms.

    Its name has no suffix: even where the folder for temporary files is a source, it is not indexed.
    """
    with tempfile.NamedTemporaryFile(prefix="searchkit-query-") as file:
        file.write(upload.getbuffer())
        file.flush()
        try:
            yield file.name
        except Unreadable as error:
            reason = str(error).replace(file.name, upload.name)
            raise Unreadable(reason, hint=f"pictures are: {', '.join(PICTURES)}") from error


# results


def results(hits: Sequence[Hit]) -> None:
    """Those that count as found; the others only when they are asked for."""
    found = [hit for hit in hits if hit.confidence >= MATCH]
    weak = [hit for hit in hits if hit.confidence < MATCH]
    if not found:
        st.info("Nothing here matches.")
    _gallery([hit for hit in found if hit.kind is Kind.IMAGE])
    _passages([hit for hit in found if hit.kind is Kind.PASSAGE])
    if weak:
        # on_change: without it the thumbnails would be made before anybody opens it
        with st.expander(f"Weak results: {len(weak)}", key="weak", on_change="rerun") as more:
            if more.open:
                _gallery([hit for hit in weak if hit.kind is Kind.IMAGE])
                _passages([hit for hit in weak if hit.kind is Kind.PASSAGE])


def confidence(value: float) -> str:
    """
    >>> confidence(0.934)
    'strong (0.93)'
    """
    word = next(word for least, word in WORDS if value >= least)
    return f"{word} ({value:.2f})"


def _gallery(hits: Sequence[Hit]) -> None:
    if not hits:
        return
    with st.grid(min_column_width=180):
        for hit in hits:
            with st.container():
                name = _name(hit.item)
                try:
                    if _suffix(hit.path) in DOCUMENT_SUFFIXES:
                        name = f"{name}{_page(hit.page)}: a picture inside"
                    else:
                        st.image(thumbnail(os.fsencode(hit.path), hit.item.mtime), alt=name)
                except Unreadable as error:  # gone or changed since it was indexed
                    st.text(_printable(str(error)))
                st.text(f"{name}\n{confidence(hit.confidence)}")


def _passages(hits: Sequence[Hit]) -> None:
    for hit in hits:
        with st.container(border=True):
            st.text(f"{_name(hit.item)}{_page(hit.page)}\n{confidence(hit.confidence)}")
            st.text(_snippet(hit.text or ""))


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


def _page(number: int | None) -> str:
    return "" if number is None else f", page {number}"


@st.cache_data(max_entries=2000, show_spinner=False)
def thumbnail(path: bytes, mtime: float) -> bytes:
    """A JPEG of at most SIDE × SIDE pixels. `path` is bytes since not every name is text; `mtime` is only
    there so that a changed file is decoded anew. Raises `Unreadable`."""
    picture = decode_file(os.fsdecode(path), at_least=SIDE).image
    picture.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=85)
    return data.getvalue()


def _name(item: Item) -> str:
    """The path below its source, which tells apart files of one name in two folders."""
    below = item.path.removeprefix(item.source + os.sep)
    return _printable(os.path.basename(item.path) if below == item.path else below)


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else line[:SNIPPET].rstrip() + " …"


def _printable(text: str) -> str:
    """A name that is not UTF-8 has surrogates, which cannot be sent to a browser."""
    return text.encode("utf-8", "replace").decode()
