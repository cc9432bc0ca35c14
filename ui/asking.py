"""A visitor's question: read from the address the first time, kept in the session, written back."""

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
"""Hits that are looked for at once; pages turn among them."""
MEGAPIXELS = 50
"""Of an uploaded picture: it is a stranger's, and a small file may hold very many."""
KINDS = {"all": None, "pictures": "image", "passages": "passage"}
TEXTS = ("q", "not", "folder", "label", "since", "until")
LISTS = ("like", "unlike")
KEPT = (*TEXTS, "kind", *LISTS, "weight", "exact", "near", "group", "size")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for, and among what."""

    words: str = ""
    avoid: str = ""
    picture: bytes | None = field(default=None, repr=False)
    picture_name: str = ""
    weight: float = 1.0
    """Of the picture and of what is to be liked, where the words count 1."""
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
        """Equal for equal questions."""
        said = [getattr(self, one.name) for one in fields(self)]
        return hashlib.sha256(repr(said).encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found, and how; `asked` is what a rating is about."""

    hits: tuple[Hit, ...]
    trace: Trace
    seconds: float
    asked: str | Item | None

    @property
    def is_picked(self) -> bool:
        """By hand, on the map: nothing was searched."""
        return not self.trace.plan


def keep() -> None:
    """Take the question from the address in a new session; keep it when the visitor looks at another page."""
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
    """The address says what is asked, so that it can be kept and sent."""
    state = st.session_state
    said: dict[str, Any] = {name: printable(str(state[name])) for name in TEXTS if state.get(name)}
    said |= {name: list(state[name]) for name in LISTS if state.get(name)}
    if state.get("kind", "all") != "all":
        said["kind"] = state["kind"]
    if said != {name: _plain(name) for name in st.query_params}:
        st.query_params.from_dict(said)


def _plain(name: str) -> str | list[str]:
    return st.query_params.get_all(name) if name in LISTS else st.query_params[name]


def _date(text: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text)
    except (TypeError, ValueError):
        return None


def came(field: str) -> None:
    """The picture in this field is the one that is asked with: chosen, or pasted, after any other."""
    st.session_state["picture from"] = field


def without_picture() -> None:
    st.session_state["picture from"] = ""


def question(**pictures: UploadedFile | None) -> Question:
    """What the widgets say; `pictures` by the fields that they were put into."""
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


def answer(library: Collection, asked: Question) -> Answer:
    """What is found for it; once a session, as long as the collection stays what it is."""
    stamp = (asked.key, library.manifest.space, library.store.version, getattr(library.adapter, "name", ""))
    known = st.session_state.get("answer")
    if known is None or known[0] != stamp:
        known = stamp, ask(library, asked)
        st.session_state["answer"] = known
    found: Answer = known[1]
    return found


def ask(library: Collection, asked: Question) -> Answer:
    """Search. Raises `BadInput`, `Unreadable` in the visitor's terms, `NothingIndexed`."""
    trace = Trace()
    began = time.perf_counter()
    with _as_file(asked) as image:
        wanted = [Part(image=image, weight=asked.weight)] if image else []
        wanted += [Part(item=one, weight=asked.weight) for one in asked.like]
        unwanted = [Part(text=asked.avoid)] if asked.avoid else []
        unwanted += [Part(item=one) for one in asked.unlike]
        hits = library.search(
            asked.words or None,
            positives=wanted,
            negatives=unwanted,
            k=MOST,
            kind=asked.kind,
            filter=below(asked.folder) if asked.folder else None,
            label=asked.label,
            since=asked.since,
            until=asked.until,
            collapse="near" if asked.near else "exact",
            group="document" if asked.group else None,
            hybrid=asked.exact and bool(asked.words),
            trace=trace,
        )
    return Answer(tuple(hits), trace, time.perf_counter() - began, _rated(library, asked))


def _rated(library: Collection, asked: Question) -> str | Item | None:
    """What a rating of these results is about: the words alone, or the one picture; else nothing."""
    plain = not (asked.avoid or asked.unlike or asked.picture)
    if plain and asked.words and not asked.like:
        return asked.words
    if plain and len(asked.like) == 1 and not asked.words:
        items = library.store.get(list(asked.like))
        return items[0] if items and items[0].kind.value == "image" else None
    return None


@contextmanager
def _as_file(asked: Question) -> Iterator[str | None]:
    """The uploaded bytes in a file that is gone afterwards.

    Its name has no suffix: even where the folder for temporary files is a source, it is not indexed.
    """
    if asked.picture is None:
        yield None
        return
    check_pixels(asked)
    with tempfile.NamedTemporaryFile(prefix="searchkit-query-") as file:
        file.write(asked.picture)
        file.flush()
        try:
            yield file.name
        except Unreadable as error:
            reason = str(error).replace(file.name, asked.picture_name)
            raise Unreadable(reason, hint=f"pictures are: {', '.join(PICTURES)}") from error


def check_pixels(asked: Question) -> None:
    """Before anything is decoded: the head of the file says how large the picture is."""
    try:
        with Image.open(io.BytesIO(asked.picture or b""), formats=FORMATS) as image:
            pixels = image.width * image.height
    except Exception:  # whatever it is, decoding will say so in words
        return
    if pixels > MEGAPIXELS * 1_000_000:
        raise Unreadable(
            f"{asked.picture_name} has {pixels / 1e6:.0f} megapixels",
            hint=f"upload a picture of at most {MEGAPIXELS} megapixels",
        )


def is_item(said: str) -> bool:
    """Whether a word of the address may be the id of an item."""
    return re.fullmatch(ID, said) is not None


# what buttons do, before the page is drawn again


def more_like(*items: str) -> None:
    """Ask for what is like these items, and for nothing else, on the page *Search*."""
    _empty()
    without_picture()
    st.session_state["like"] = list(items)
    st.session_state["to search"] = True


def less_like(item: str) -> None:
    st.session_state["unlike"] = [*st.session_state.get("unlike", ()), item]


def no_more(name: str, *items: str) -> None:
    st.session_state[name] = [one for one in st.session_state[name] if one not in items]


def _empty() -> None:
    st.session_state.update({"q": "", "not": "", "like": [], "unlike": []})
