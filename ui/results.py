"""Hits as cards: pictures in a grid, passages below each other, each with what can be done with it.

A list is one element of Streamlit's, which `hits.js` draws: an element for each part and button of a hit
would make the page slow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import streamlit as st

from searchkit.collection import Collection
from searchkit.collection.previews import thumbnail_name
from searchkit.errors import Unreadable
from searchkit.finetuning.ratings import NOTHING, RIGHT, WRONG, rate, rated
from searchkit.types import Hit, Item, Kind
from searchkit.ui import asking, dialog, style
from searchkit.ui.asking import Answer
from searchkit.ui.components import name, on_one_line, printable, word
from searchkit.ui.highlight import pieces

THUMBS = "/thumb"
"""Path at which the server gives out thumbnails."""
SNIPPET = 420
"""Characters of a passage that its card shows."""
NARROWEST = {"small": 110, "medium": 150, "large": 230}
"""Least pixels of a column by size of the pictures: two of "medium" fit on a screen of 400."""
VALUES = {"right": RIGHT, "wrong": WRONG, "": NOTHING}
"""Name of a rating in `hits.js` → its value."""
NAMES = {value: name for name, value in VALUES.items()}

_cards = style.component("hits")


def show(library: Collection, answer: Answer, hits: Sequence[Hit], words: str, *, key: str) -> None:
    """Draw these hits with their buttons; each list of a page has a `key` that no question changes."""
    actions, ratings = ["open", "more"], {}
    if not answer.is_picked:
        actions.append("less")
    if answer.rated_for is not None:
        actions += ["right", "wrong"]
        values = rated(library, answer.rated_for, [hit.item for hit in hits])
        ratings = {hit.item.id: NAMES[value] for hit, value in zip(hits, values, strict=True) if value}
    shown = {hit.item.id: hit for hit in hits}
    drawn = cards(library, hits, words, with_confidence=not answer.is_picked)
    clicked = _cards(
        key=key,
        data=drawn | {"can": actions, "rated": ratings},
        on_did_change=partial(_on_click, key, library, answer.rated_for, shown),
    )
    action, hit = _clicked(clicked.did, shown)
    if action == "open" and hit is not None:
        dialog.open_hit(library, answer, hit, words)


def show_only(library: Collection, hits: Sequence[Hit], words: str, *, key: str) -> None:
    """Draw these hits without buttons."""
    _cards(key=key, data=cards(library, hits, words))


def _clicked(did: Any, shown: Mapping[str, Hit]) -> tuple[str, Hit | None]:
    """Return which button was clicked, and of which hit; a browser may send anything."""
    if not isinstance(did, Mapping):
        return "", None
    return str(did.get("what", "")), shown.get(str(did.get("item", "")))


def _on_click(key: str, library: Collection, rated_for: str | Item | None, shown: Mapping[str, Hit]) -> None:
    """Do what a button asks for; Streamlit calls this before it draws the page again."""
    did = st.session_state[key].get("did")
    action, hit = _clicked(did, shown)
    if hit is None:
        return
    if action == "more":
        asking.more_like(hit.item.id)
    elif action == "less":
        asking.less_like(hit.item.id)
    elif action == "rate" and rated_for is not None and did.get("value") in VALUES:
        rate(library, rated_for, hit.item, VALUES[did["value"]])


def cards(
    library: Collection, hits: Sequence[Hit], words: str, *, with_confidence: bool = True
) -> dict[str, Any]:
    """Return what `hits.js` draws, as JSON; it sets all of it as text, and reads no name as HTML."""
    width = NARROWEST[st.session_state.get("size") or "medium"]
    return {"width": width, "cards": [_card(library, hit, words, with_confidence) for hit in hits]}


def _card(library: Collection, hit: Hit, words: str, with_confidence: bool) -> dict[str, Any]:
    card: dict[str, Any] = {"id": hit.item.id, "name": name(hit.item), "also": _counts(hit)}
    if with_confidence:
        card["sure"] = [word(hit.confidence), f"{hit.confidence:.2f}"]
    if hit.kind is Kind.IMAGE:
        return card | _thumb(library, hit.item)
    text = on_one_line(hit.text)
    cut = text if len(text) <= SNIPPET else text[:SNIPPET].rstrip() + " …"
    return card | {"heading": printable(hit.item.heading or ""), "text": pieces(cut, words)}


def _counts(hit: Hit) -> list[str]:
    """Say how many copies and further passages a hit stands for."""
    counts = {"copies": len(hit.copies), "more passages": len(hit.passages)}
    return [f"and {count} {what}" for what, count in counts.items() if count]


def _thumb(library: Collection, item: Item) -> dict[str, str]:
    """Return the address of an item's thumbnail, or the reason why there is none."""
    label = f": {item.label}" if item.label else ""
    try:
        return {"thumb": f"{THUMBS}/{thumbnail_name(library, item)}", "alt": printable(name(item) + label)}
    except Unreadable as error:  # gone or changed since it was indexed
        return {"none": printable(str(error))}
