"""The page *Map*: the collection as a scatter plot, in which similar items lie together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from searchkit.collection import Collection
from searchkit.ingest.thumbs import name_of
from searchkit.search.trace import Trace
from searchkit.types import Item, Kind
from searchkit.ui import asking, components, export, results, style
from searchkit.ui.asking import KINDS, Answer
from searchkit.ui.components import name, on_one_line, printable
from searchkit.views.projection import METHODS, MOST, Point, project, typical

LIKED = 12
"""Items at most that one question is made of."""
COLOURS = 10
"""Groups that have a colour of their own; the rest is "other"."""
BEGINNING = 120
"""Characters of a passage that are shown at its point."""
DESCRIPTION = (
    "Items as points: those that are alike lie near each other. Arrows go from point to point, Space picks "
    "one, Escape lets go"
)

_scatter = style.component("scatter")


def page() -> None:
    """Draw the page: the map, and the items that are picked on it."""
    library = components.filled().current
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kind = KINDS[
            st.segmented_control("Show", list(KINDS), default="all", required=True, key="map kind") or "all"
        ]
        by = st.segmented_control(
            "Colour", ["kind", "folder", "label"], default="kind", required=True, key="map by"
        )
        method = st.selectbox("By", METHODS, key="map method") if len(METHODS) > 1 else METHODS[0]
    points = _points(str(library.root), library.store.version, kind, method)
    if len(points) == MOST:
        st.html(f'<span class="sk-dim">{MOST:,} items, evenly spread over the collection</span>')
    chosen = _scatter(
        key=f"map {kind} {method} {library.store.version}",  # numbers are of these points only
        data=_drawn(library, points, by or "kind"),
        on_picked_change=lambda: None,
    )
    picked = _picked(points, chosen.get("picked"))
    if not picked:
        st.html(
            '<span class="sk-dim">Draw around points, or click one or a group, to see what they are.</span>'
        )
        return
    _show_picked(library, [point.item for point in picked])


@st.cache_data(max_entries=8, show_spinner="Drawing the map")
def _points(root: str, version: int, kind: str | None, method: str) -> list[Point]:
    """Return the points, computed once for each version of the store."""
    return project(components.collection(), kind=kind, method=method)


def _drawn(library: Collection, points: Sequence[Point], by: str) -> dict[str, Any]:
    """Return what `scatter.js` draws: x, y, group, name, thumbnail and text of each point, and the groups."""
    groups = Counter(_group(point.item, by) for point in points)
    largest = groups.most_common(COLOURS)
    numbers = {group: number for number, (group, _) in enumerate(largest)}
    rest = len(points) - sum(count for _, count in largest)
    drawn = [
        [
            round(point.x, 4),
            round(point.y, 4),
            numbers.get(_group(point.item, by), COLOURS),
            name(point.item),
            *_preview(library, point.item),
        ]
        for point in points
    ]
    shown = [*largest, *([("other", rest)] if rest else [])]
    return {"points": drawn, "groups": shown, "said": DESCRIPTION}


def _preview(library: Collection, item: Item) -> tuple[str, str]:
    """Return the address of an item's thumbnail and the beginning of its text; one of them is empty."""
    if item.kind is Kind.IMAGE:
        return f"{results.THUMBS}/{name_of(item, library.manifest.space)}", ""
    return "", on_one_line(item.text)[:BEGINNING]


def _group(item: Item, by: str) -> str:
    if by == "kind":
        return "picture" if item.kind is Kind.IMAGE else "passage"
    if by == "label":
        return item.label or "none"
    return printable(os.path.dirname(item.path).removeprefix(os.path.dirname(item.source) + os.sep))


def _picked(points: Sequence[Point], numbers: Any) -> list[Point]:
    """Return the points of the numbers that were picked; a browser may send anything."""
    if not isinstance(numbers, list):
        return []
    known = {number for number in numbers if type(number) is int and 0 <= number < len(points)}
    return [points[number] for number in sorted(known)]


def _show_picked(library: Collection, items: Sequence[Item]) -> None:
    """Draw the picked items, the most typical first, to be opened, saved or asked with."""
    hits = typical(library, items)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.html(f'<span class="sk-dim" role="status">{len(hits)} item{"s" if len(hits) > 1 else ""}</span>')
        with st.container(horizontal=True, width="content"):
            st.button(
                "More like these",
                key="more like these",
                help=f"Search with the {LIKED} most typical" if len(hits) > LIKED else None,
                on_click=asking.more_like,
                args=[hit.item.id for hit in hits[:LIKED]],
            )
            export.popover(hits)
    answer = Answer(tuple(hits), Trace(), 0.0, None)
    components.in_pages(
        hits,
        lambda shown: results.show(library, answer, shown, "", key="hits map"),
        key=f"map page {hash(answer.hits)}",
    )
