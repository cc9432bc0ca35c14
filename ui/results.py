"""Hits as cards: pictures in a grid, passages below each other, and the whole of one in a dialog."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from searchkit.collection import Collection
from searchkit.errors import SearchkitError, Unreadable
from searchkit.heat import FLAT, heat, shown, warmest
from searchkit.pictures import page, picture, thumbnail_name
from searchkit.ratings import NOTHING, RIGHT, WRONG, rate, rated
from searchkit.types import Hit, Item, Kind
from searchkit.ui import asking, components
from searchkit.ui.asking import Answer
from searchkit.ui.components import badge, escaped, name
from searchkit.ui.words import marked

THUMBS = "/thumb"
"""Where the server gives out thumbnails."""
SNIPPET = 420
AROUND = 1
"""Passages before and after one that is opened: it should be seen without scrolling."""
NARROWEST = {"small": 110, "medium": 150, "large": 230}
"""Pixels of a column: two of "medium" fit on a screen of 400."""


def show(library: Collection, answer: Answer, hits: Sequence[Hit], words: str) -> None:
    """Pictures in a grid, then passages; each with what can be done with it."""
    said = dict.fromkeys([hit.item.id for hit in hits], NOTHING)
    if answer.asked is not None:
        said = dict(zip(said, rated(library, answer.asked, [hit.item for hit in hits]), strict=True))
    pictures = [hit for hit in hits if hit.kind is Kind.IMAGE]
    passages = [hit for hit in hits if hit.kind is Kind.PASSAGE]
    if pictures:
        width = NARROWEST[st.session_state.get("size") or "medium"]
        with st.grid(min_column_width=width, gap="small"):
            for hit in pictures:
                with st.container(gap="xsmall", key=f"hit-{hit.item.id}"):
                    st.html(card(library, hit, _sure(answer, hit)))
                    _buttons(library, answer, hit, words, said[hit.item.id])
    for hit in passages:
        with st.container(border=True, gap="small", key=f"hit-{hit.item.id}"):
            st.html(passage(hit, words, _sure(answer, hit)))
            _buttons(library, answer, hit, words, said[hit.item.id])


def card(library: Collection, hit: Hit, sure: str) -> str:
    """HTML of a picture: its thumbnail, name, and how sure it is."""
    copies = f'<span class="sk-dim">and {len(hit.copies)} copies</span>' if hit.copies else ""
    title = escaped(name(hit.item))
    return (
        f'<figure class="sk-card">{thumb(library, hit.item)}<figcaption>'
        f'<span class="sk-name" title="{title}">{title}</span>'
        f'<span class="sk-line">{sure}{copies}</span></figcaption></figure>'
    )


def thumb(library: Collection, item: Item) -> str:
    """HTML of a thumbnail; of one that cannot be made, the reason."""
    try:
        address = f"{THUMBS}/{thumbnail_name(library, item)}"
    except Unreadable as error:  # gone or changed since it was indexed
        return f'<div class="sk-none">{escaped(str(error))}</div>'
    label = f": {item.label}" if item.label else ""
    return f'<img src="{address}" alt="{escaped(name(item) + label)}" loading="lazy">'


def passage(hit: Hit, words: str, sure: str) -> str:
    text = " ".join((hit.text or "").split())
    cut = text if len(text) <= SNIPPET else text[:SNIPPET].rstrip() + " …"
    also = f'<span class="sk-dim">and {len(hit.copies)} copies</span>' if hit.copies else ""
    more = f'<span class="sk-dim">and {len(hit.passages)} more passages</span>' if hit.passages else ""
    heading = f'<span class="sk-line sk-dim">{escaped(hit.item.heading)}</span>' if hit.item.heading else ""
    return (
        f'<span class="sk-line"><b>{escaped(name(hit.item))}</b>{sure}{also}{more}</span>'
        f'{heading}<p class="sk-text">{marked(cut, words)}</p>'
    )


def _sure(answer: Answer, hit: Hit) -> str:
    return "" if answer.is_picked else badge(hit.confidence)


def _buttons(library: Collection, answer: Answer, hit: Hit, words: str, said: int) -> None:
    item = hit.item
    with st.container(horizontal=True, gap="small", vertical_alignment="center", key=f"row-{item.id}"):
        if st.button("Open", key=f"open {item.id}", type="tertiary", help="Look at it"):
            detail(library, answer, hit, words)
        st.button(
            "More",
            key=f"more {item.id}",
            type="tertiary",
            help="More like this",
            on_click=asking.more_like,
            args=(item.id,),
        )
        if not answer.is_picked:
            st.button(
                "Less",
                key=f"less {item.id}",
                type="tertiary",
                help="Less like this",
                on_click=asking.less_like,
                args=(item.id,),
            )
        if answer.asked is not None:
            _thumbs(library, answer.asked, item, said)


def _thumbs(library: Collection, asked: str | Item, item: Item, said: int) -> None:
    """Right or wrong for this question; the last word is kept, and taken back by a second click."""
    about = asked if isinstance(asked, str) else asked.id
    key = f"rating {about} {item.id}"
    before = {RIGHT: 1, WRONG: 0}.get(said)
    if key not in st.session_state and before is not None:
        st.session_state[key] = before

    def keep() -> None:
        rate(library, asked, item, {1: RIGHT, 0: WRONG, None: NOTHING}[st.session_state[key]])

    st.feedback("thumbs", key=key, on_change=keep)


@st.dialog("Result", width="large")
def detail(library: Collection, answer: Answer, hit: Hit, words: str) -> None:
    """All there is to see of one hit."""
    st.text(name(hit.item))
    st.html(f'<span class="sk-line">{_sure(answer, hit)}{_facts(hit.item)}</span>')
    if hit.kind is Kind.IMAGE:
        _large(library, hit.item, words)
    else:
        _document(library, hit, words)
    if hit.copies:
        with st.expander(f"The same, or nearly, in {len(hit.copies)} more files"):
            st.text("\n".join(map(components.homely, hit.copies)))
    if not answer.is_picked:
        with st.expander("Why this result"):
            why(answer, hit)


def _facts(item: Item) -> str:
    said = []
    if item.width and item.height:
        said.append(f"{item.width} × {item.height}")
    if item.label:
        said.append(f"{item.label} {item.label_confidence or 0:.2f}")
    if item.heading:
        said.append(item.heading)
    return "".join(f'<span class="sk-dim">{escaped(one)}</span>' for one in said)


def _large(library: Collection, item: Item, words: str) -> None:
    where = bool(words) and st.toggle("Show where it fits the words", key=f"where {item.id}")
    try:
        data, alt = picture(library, item), name(item)
        if where:
            with st.spinner("Looking at its parts"):
                grid = heat(library, item, words)
            data = shown(data, grid)
            alt = f"{alt}: fits “{components.printable(words)}” best {place(grid)}, where it is in colour"
        with st.container(key="large"):
            st.image(data, alt=alt)
        if where:
            st.html(
                f'<span class="sk-dim">Bright and in colour where it fits best ({place(grid)}), dark where '
                "least. Each part was compared with the words by itself.</span>"
            )
    except SearchkitError as error:
        components.problem(error)
    st.text(components.homely(item.path))


def place(grid: np.ndarray) -> str:
    """The warmest part of a picture, in words.

    >>> place(np.arange(36).reshape(6, 6)), place(np.ones((6, 6)))
    ('at the lower right', 'everywhere alike')
    """
    if float(np.ptp(grid)) < FLAT:
        return "everywhere alike"
    row, column = warmest(grid)
    down, across = ("upper", "", "lower")[row], ("left", "", "right")[column]
    if not across:
        return ("at the top", "in the middle", "at the bottom")[row]
    return f"at the {down} {across}" if down else f"at the {across}"


def _document(library: Collection, hit: Hit, words: str) -> None:
    item = hit.item
    near = library.around(hit, passages=AROUND)
    assert item.start is not None and item.end is not None
    before, here = item.start - near.start, item.end - near.start
    text = (
        f'<p class="sk-text"><span class="sk-near">{escaped(near.text[:before])}</span>'
        f'<span class="sk-here">{marked(near.text[before:here], words)}</span>'
        f'<span class="sk-near">{escaped(near.text[here:])}</span></p>'
    )
    if item.page is None or not item.path.lower().endswith(".pdf"):
        st.html(text)
    else:
        said, drawn = st.columns(2)
        said.html(text)
        try:
            data = page(item)
            with drawn.container(key="paper"):
                st.image(data, alt=f"Page {item.page} of {name(item)}", width="stretch")
        except SearchkitError as error:
            with drawn:
                components.problem(error)
    st.text(components.homely(item.path))


def why(answer: Answer, hit: Hit) -> None:
    """How it was found: by which legs, at which rank; and how all were."""
    legs = answer.trace.of(hit.item.id)
    said = {"meaning": "meaning", "text": "exact words", "name": "words of the file's name"}
    rows = [
        {"found by": said.get(leg, leg), "rank": rank, "score": round(score, 4)}
        for leg, (rank, score) in legs.items()
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
    st.text(
        f"Its cosine to the question is {hit.score:.3f}. Confidence {hit.confidence:.2f}: one in a hundred "
        "questions about something else reaches 0.50 here."
    )
    plans = [f"{kind}: {plan}" for kind, plan in answer.trace.plan.items()]
    times = [f"{step} {took:.0f} ms" for step, took in answer.trace.milliseconds.items()]
    st.text("\n".join([*plans, ", ".join(times)]))
