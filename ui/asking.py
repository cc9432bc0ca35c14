"""A visitor's question: read from the address once, kept in the session, and written back to the address."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import streamlit as st
from PIL import Image
from streamlit.runtime.uploaded_file_manager import UploadedFile

from searchkit.collection import Collection
from searchkit.errors import Unreadable
from searchkit.ingest.ids import ID
from searchkit.ingest.images import FORMATS, SUFFIXES
from searchkit.search.filters import below
from searchkit.search.trace import Trace
from searchkit.types import Hit, Item, Part
from searchkit.ui.components import printable

PICTURES = sorted(suffix.removeprefix(".") for suffix in SUFFIXES)
MOST = 240
"""Hits that one search asks for; the visitor turns pages among them."""
MEGAPIXELS = 50
"""The largest upload that is decoded: a stranger's small file may hold very many pixels."""
KINDS = {"all": None, "pictures": "image", "passages": "passage"}
TEXTS = ("q", "not", "folder", "label", "since", "until")
LISTS = ("like", "unlike")
KEPT = (*TEXTS, "kind", *LISTS, "weight", "exact", "near", "group", "size")


@dataclass(frozen=True, slots=True)
class Question:
    """What a visitor searches for, and among which items."""

    words: str = ""
    avoid: str = ""
    picture: bytes | None = field(default=None, repr=False)
    picture_name: str = ""
    weight: float = 1.0
    """How much the picture and the liked items count; the words count 1."""
    like: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()
    kind: str | None = None
    folder: str | None = None
    label: str | None = None
    since: str | None = None
    until: str | None = None
    exact: bool = False
    near: bool = False
    group: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.words.strip() or self.picture or self.like)

    @property
    def key(self) -> str:
        """A hash of all fields: equal for equal questions."""
        values = [getattr(self, field.name) for field in fields(self)]
        return hashlib.sha256(repr(values).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """The hits of a question, and how they were found."""

    hits: tuple[Hit, ...]
    trace: Trace
    seconds: float
    """Wall time of the search."""
    rated_for: str | Item | None
    """The words or the picture that a rating is about; None where no rating is possible."""

    @property
    def is_picked(self) -> bool:
        """Whether the hits were picked on the map, without a search."""
        return not self.trace.plan


def restore() -> None:
    """Take the question from the address in a new session; keep it while the visitor is on another page."""
    state = st.session_state
    if "started" not in state:
        state["started"] = True
        for name in (*TEXTS, "kind"):
            if name in st.query_params:
                state[name] = st.query_params[name]
        for name in LISTS:
            state[name] = st.query_params.get_all(name)
        for name in ("since", "until"):
            state[name] = _date(state.get(name))
        if state.get("kind") not in KINDS:
            state["kind"] = "all"
        state["weight"], state["size"] = 1.0, "medium"
    for name in KEPT:
        if name in state:
            state[name] = state[name]  # a key whose widget is not drawn would be dropped


def write_back() -> None:
    """Write the question into the address, so that it can be kept as a bookmark and sent."""
    state = st.session_state
    parameters: dict[str, Any] = {name: printable(str(state[name])) for name in TEXTS if state.get(name)}
    parameters |= {name: list(state[name]) for name in LISTS if state.get(name)}
    if state.get("kind", "all") != "all":
        parameters["kind"] = state["kind"]
    if parameters != {name: _parameter(name) for name in st.query_params}:
        st.query_params.from_dict(parameters)


def _parameter(name: str) -> str | list[str]:
    return st.query_params.get_all(name) if name in LISTS else st.query_params[name]


def _date(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def use_picture_of(field: str) -> None:
    """Ask with the picture in this field, the last one that was chosen or pasted."""
    st.session_state["picture from"] = field


def remove_picture() -> None:
    """Ask without any picture that was chosen or pasted."""
    st.session_state["picture from"] = ""


def read_widgets(**pictures: UploadedFile | None) -> Question:
    """Return the question that the widgets hold; `pictures` are named by the fields they were put into."""
    state = st.session_state
    upload = pictures.get(state.get("picture from", ""))
    return Question(
        words=(state.get("q") or "").strip(),
        avoid=(state.get("not") or "").strip(),
        picture=upload.getvalue() if upload is not None else None,
        picture_name=upload.name if upload is not None else "",
        weight=state.get("weight", 1.0),
        like=tuple(state.get("like", ())),
        unlike=tuple(state.get("unlike", ())),
        kind=KINDS[state.get("kind") or "all"],
        folder=state.get("folder") or None,
        label=state.get("label") or None,
        since=state["since"].isoformat() if state.get("since") else None,
        until=state["until"].isoformat() if state.get("until") else None,
        exact=bool(state.get("exact")),
        near=bool(state.get("near")),
        group=bool(state.get("group")),
    )


def answer(library: Collection, question: Question) -> Answer:
    """Return the session's answer to a question; search only where question or collection have changed."""
    adapter = getattr(library.adapter, "name", "")
    stamp = (question.key, library.manifest.space, library.store.version, adapter)
    known = st.session_state.get("answer")
    if known is None or known[0] != stamp:
        known = stamp, ask(library, question)
        st.session_state["answer"] = known
    kept: Answer = known[1]
    return kept


def ask(library: Collection, question: Question) -> Answer:
    """Search. Raises `BadInput`, `Unreadable` with the upload's name, `NothingIndexed`."""
    trace = Trace()
    began = time.perf_counter()
    with _as_file(question) as image:
        wanted = [Part(image=image, weight=question.weight)] if image else []
        wanted += [Part(item=item, weight=question.weight) for item in question.like]
        unwanted = [Part(text=question.avoid)] if question.avoid else []
        unwanted += [Part(item=item) for item in question.unlike]
        hits = library.search(
            question.words or None,
            positives=wanted,
            negatives=unwanted,
            k=MOST,
            kind=question.kind,
            filter=below(question.folder) if question.folder else None,
            label=question.label,
            since=question.since,
            until=question.until,
            collapse="near" if question.near else "exact",
            group="document" if question.group else None,
            hybrid=question.exact and bool(question.words),
            trace=trace,
        )
    return Answer(tuple(hits), trace, time.perf_counter() - began, _rated_for(library, question))


def _rated_for(library: Collection, question: Question) -> str | Item | None:
    """Return what a rating of the hits is about: the words alone, or the one picture; None for a mixture."""
    plain = not (question.avoid or question.unlike or question.picture)
    if plain and question.words and not question.like:
        return question.words
    if plain and len(question.like) == 1 and not question.words:
        items = library.store.get(list(question.like))
        return items[0] if items and items[0].kind.value == "image" else None
    return None


@contextmanager
def _as_file(question: Question) -> Iterator[str | None]:
    """Write the uploaded bytes to a temporary file, and give its path.

    The name has no suffix: even where the folder for temporary files is a source, the file is not indexed.
    """
    if question.picture is None:
        yield None
        return
    check_pixels(question)
    with tempfile.NamedTemporaryFile(prefix="searchkit-query-") as file:
        file.write(question.picture)
        file.flush()
        try:
            yield file.name
        except Unreadable as error:
            reason = str(error).replace(file.name, question.picture_name)
            raise Unreadable(reason, hint=f"pictures are: {', '.join(PICTURES)}") from error


def check_pixels(question: Question) -> None:
    """Raise `Unreadable` for an upload of too many pixels; the file's header tells, nothing is decoded."""
    try:
        with Image.open(io.BytesIO(question.picture or b""), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Exception:  # whatever it is, decoding will say so in words
        return
    if pixels > MEGAPIXELS * 1_000_000:
        raise Unreadable(
            f"{question.picture_name} has {pixels / 1e6:.0f} megapixels",
            hint=f"upload a picture of at most {MEGAPIXELS} megapixels",
        )


def is_item_id(text: str) -> bool:
    """Tell whether a word of the address may be the id of an item."""
    return re.fullmatch(ID, text) is not None


# callbacks of buttons: Streamlit runs them before it draws the page again


def more_like(*items: str) -> None:
    """Ask for what is like these items, and for nothing else, on the page *Search*."""
    _clear()
    remove_picture()
    st.session_state["like"] = list(items)
    st.session_state["to search"] = True


def less_like(item: str) -> None:
    """Add an item to those that are to be avoided."""
    st.session_state["unlike"] = [*st.session_state.get("unlike", ()), item]


def take_out(name: str, *items: str) -> None:
    """Take items out of the list "like" or "unlike"."""
    st.session_state[name] = [item for item in st.session_state[name] if item not in items]


def _clear() -> None:
    st.session_state.update({"q": "", "not": "", "like": [], "unlike": []})
