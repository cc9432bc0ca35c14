"""Map: the collection as a scatter; what is alike lies together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from searchkit.atlas import METHODS, MOST, Point, project, typical
from searchkit.collection import Collection
from searchkit.ingest.thumbs import name_of
from searchkit.search.trace import Trace
from searchkit.types import Item, Kind
from searchkit.ui import asking, components, export, results
from searchkit.ui.asking import KINDS, Answer
from searchkit.ui.components import name, printable

LIKED = 12
"""Items at most that are asked with together."""
COLOURS = 10
"""Groups that have a colour of their own; the others are "other"."""


def page() -> None:
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
    chosen = st.vega_lite_chart(
        spec=_chart(_rows(library, points, by or "kind"), by or "kind"),
        on_select="rerun",
        key="map chart",
        width="stretch",
        alt="Items as points: those that are alike lie near each other",
    )
    picked = _picked(points, chosen)
    if not picked:
        st.html('<span class="sk-dim">Draw a box over points to see what they are.</span>')
        return
    _hits(library, [point.item for point in picked])


@st.cache_data(max_entries=8, show_spinner="Drawing the map")
def _points(root: str, version: int, kind: str | None, method: str) -> list[Point]:
    """As long as the collection's store stays what it is."""
    return project(components.collection(), kind=kind, method=method)


def _rows(library: Collection, points: Sequence[Point], by: str) -> list[dict[str, Any]]:
    groups = Counter(_group(point.item, by) for point in points)
    named = {group for group, _ in groups.most_common(COLOURS)}
    rows = []
    for point in points:
        group = _group(point.item, by)
        row = {"x": point.x, "y": point.y, "name": name(point.item)}
        row[by] = group if group in named else "other"
        if point.item.kind is Kind.IMAGE:
            row["image"] = f"{results.THUMBS}/{name_of(point.item, library.manifest.space)}"
        else:
            row["text"] = printable(" ".join((point.item.text or "").split()))[:120]
        rows.append(row)
    return rows


def _group(item: Item, by: str) -> str:
    if by == "kind":
        return "picture" if item.kind is Kind.IMAGE else "passage"
    if by == "label":
        return item.label or "none"
    return printable(os.path.dirname(item.path).removeprefix(os.path.dirname(item.source) + os.sep))


def _chart(rows: list[dict[str, Any]], by: str) -> dict[str, Any]:
    axis = {"axis": None, "scale": {"domain": [-1.05, 1.05]}}
    return {
        "data": {"values": rows},
        "height": 520,
        "mark": {"type": "circle", "size": 45, "opacity": 0.75},
        "params": [{"name": "box", "select": {"type": "interval", "encodings": ["x", "y"]}}],
        "encoding": {
            "x": {"field": "x", "type": "quantitative", **axis},
            "y": {"field": "y", "type": "quantitative", **axis},
            "color": {
                "field": by,
                "type": "nominal",
                "scale": {"scheme": "tableau10"},
                "legend": {"orient": "bottom"},
            },
            "tooltip": [{"field": field, "type": "nominal"} for field in ("image", "name", by, "text")],
        },
    }


def _picked(points: Sequence[Point], chosen: Mapping[str, Any]) -> list[Point]:
    """What lies in the box."""
    box = (chosen or {}).get("selection", {}).get("box") or {}
    if not box.get("x") or not box.get("y"):
        return []
    (left, right), (low, high) = sorted(box["x"]), sorted(box["y"])
    return [one for one in points if left <= one.x <= right and low <= one.y <= high]


def _hits(library: Collection, items: Sequence[Item]) -> None:
    """What was picked, the most typical first: to be opened, saved, or asked with."""
    hits = typical(library, items)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.html(f'<span class="sk-dim" role="status">{len(hits)} items</span>')
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
