"""One hit in a dialog: its picture, or its passage and page, and why it was found."""

from __future__ import annotations

import numpy as np
import streamlit as st

from searchkit.collection import Collection
from searchkit.collection.previews import page, picture
from searchkit.errors import SearchkitError
from searchkit.types import Hit, Item, Kind
from searchkit.ui import components
from searchkit.ui.asking import Answer
from searchkit.ui.components import badge, escaped, name
from searchkit.ui.highlight import marked
from searchkit.views.relevance import FLAT, heat, shown, warmest

AROUND = 1
"""Passages shown before and after the hit: few, so that it is seen without scrolling."""


@st.dialog("Result", width="large")
def open_hit(library: Collection, answer: Answer, hit: Hit, words: str) -> None:
    """Show one hit whole, in a dialog."""
    st.text(name(hit.item))
    confidence = "" if answer.is_picked else badge(hit.confidence)
    st.html(f'<span class="sk-line">{confidence}{_facts(hit.item)}</span>')
    if hit.kind is Kind.IMAGE:
        _picture(library, hit.item, words)
    else:
        _passage(library, hit, words)
    if hit.copies:
        with st.expander(f"The same, or nearly, in {len(hit.copies)} more files"):
            st.text("\n".join(map(components.homely, hit.copies)))
    if not answer.is_picked:
        with st.expander("Why this result"):
            _explain(answer, hit)


def _facts(item: Item) -> str:
    """Return HTML with what is known of an item: its size, its label, its heading."""
    facts = []
    if item.width and item.height:
        facts.append(f"{item.width} × {item.height}")
    if item.label:
        facts.append(f"{item.label} {item.label_confidence or 0:.2f}")
    if item.heading:
        facts.append(item.heading)
    return "".join(f'<span class="sk-dim">{escaped(fact)}</span>' for fact in facts)


def _picture(library: Collection, item: Item, words: str) -> None:
    """Show a picture and, if it is asked for, where it fits the words."""
    with_heat = bool(words) and st.toggle("Show where it fits the words", key=f"where {item.id}")
    try:
        data, alt = picture(library, item), name(item)
        if with_heat:
            with st.spinner("Looking at its parts"):
                grid = heat(library, item, words)
            data = shown(data, grid)
            alt = f"{alt}: fits “{components.printable(words)}” best {place(grid)}, where it is in colour"
        with st.container(key="large"):
            st.image(data, alt=alt)
        if with_heat:
            st.html(
                f'<span class="sk-dim">Bright and in colour where it fits best ({place(grid)}), dark where '
                "least. Each part was compared with the words by itself.</span>"
            )
    except SearchkitError as error:
        components.problem(error)
    st.text(components.homely(item.path))


def place(grid: np.ndarray) -> str:
    """Return the warmest part of a picture in words; `grid` is (rows, columns) of cosines.

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


def _passage(library: Collection, hit: Hit, words: str) -> None:
    """Show a passage between its neighbours and, of a PDF, its page beside it."""
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
        left, right = st.columns(2)
        left.html(text)
        try:
            data = page(item)
            with right.container(key="paper"):
                st.image(data, alt=f"Page {item.page} of {name(item)}", width="stretch")
        except SearchkitError as error:
            with right:
                components.problem(error)
    st.text(components.homely(item.path))


def _explain(answer: Answer, hit: Hit) -> None:
    """Show which legs found a hit, at which rank and score, and how the search went as a whole."""
    legs = answer.trace.of(hit.item.id)
    names = {"meaning": "meaning", "text": "exact words", "name": "words of the file's name"}
    rows = [
        {"found by": names.get(leg, leg), "rank": rank, "score": round(score, 4)}
        for leg, (rank, score) in legs.items()
    ]
    if rows:
        st.dataframe(rows, hide_index=True, width="stretch")
    st.text(
        f"Its cosine to the question is {hit.score:.3f}. Confidence {hit.confidence:.2f}: few questions "
        "about something else reach 0.50 here."
    )
    plans = [f"{kind}: {plan}" for kind, plan in answer.trace.plan.items()]
    times = [f"{step} {took:.0f} ms" for step, took in answer.trace.milliseconds.items()]
    st.text("\n".join([*plans, ", ".join(times)]))
