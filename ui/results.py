"""Hits as cards: pictures in a grid, passages below each other, each with what can be done with it.

All of a list is one element of Streamlit's, which `hits.js` draws: an element for each part and button of a
hit is what made the page slow.
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
from searchkit.ui import asking, look, opened
from searchkit.ui.asking import Answer
from searchkit.ui.components import name, on_one_line, printable, word
from searchkit.ui.words import parted

THUMBS = "/thumb"
"""Where the server gives out thumbnails."""
SNIPPET = 420
NARROWEST = {"small": 110, "medium": 150, "large": 230}
"""Pixels of a column: two of "medium" fit on a screen of 400."""
VALUES = {"right": RIGHT, "wrong": WRONG, "": NOTHING}
SAID = {value: said for said, value in VALUES.items()}

_cards = look.component("hits")


def show(library: Collection, answer: Answer, hits: Sequence[Hit], words: str, *, key: str) -> None:
    """These hits with their buttons; `key` tells lists of one page apart, and stays when another is asked."""
    can, ratings = ["open", "more"], {}
    if not answer.is_picked:
        can.append("less")
    if answer.asked is not None:
        can += ["right", "wrong"]
        values = rated(library, answer.asked, [hit.item for hit in hits])
        ratings = {hit.item.id: SAID[value] for hit, value in zip(hits, values, strict=True) if value}
    shown = {hit.item.id: hit for hit in hits}
    done = _cards(
        key=key,
        data=cards(library, hits, words, sure=not answer.is_picked) | {"can": can, "rated": ratings},
        on_did_change=partial(_do, key, library, answer.asked, shown),
    )
    what, hit = _asked(done.did, shown)
    if what == "open" and hit is not None:
        opened.open_hit(library, answer, hit, words)


def show_only(library: Collection, hits: Sequence[Hit], words: str, *, key: str) -> None:
    """The same without buttons."""
    _cards(key=key, data=cards(library, hits, words))


def _asked(did: Any, shown: Mapping[str, Hit]) -> tuple[str, Hit | None]:
    """What was clicked, of which hit: a browser may say anything."""
    if not isinstance(did, Mapping):
        return "", None
    return str(did.get("what", "")), shown.get(str(did.get("item", "")))


def _do(key: str, library: Collection, asked: str | Item | None, shown: Mapping[str, Hit]) -> None:
    """Before the page is drawn again."""
    did = st.session_state[key].get("did")
    what, hit = _asked(did, shown)
    if hit is None:
        return
    if what == "more":
        asking.more_like(hit.item.id)
    elif what == "less":
        asking.less_like(hit.item.id)
    elif what == "rate" and asked is not None and did.get("value") in VALUES:
        rate(library, asked, hit.item, VALUES[did["value"]])


def cards(library: Collection, hits: Sequence[Hit], words: str, *, sure: bool = True) -> dict[str, Any]:
    """What `hits.js` draws, as JSON. It sets all of it as text: nothing of a collection is read as HTML."""
    width = NARROWEST[st.session_state.get("size") or "medium"]
    return {"width": width, "cards": [_card(library, hit, words, sure) for hit in hits]}


def _card(library: Collection, hit: Hit, words: str, sure: bool) -> dict[str, Any]:
    made: dict[str, Any] = {"id": hit.item.id, "name": name(hit.item), "also": _also(hit)}
    if sure:
        made["sure"] = [word(hit.confidence), f"{hit.confidence:.2f}"]
    if hit.kind is Kind.IMAGE:
        return made | _thumb(library, hit.item)
    text = on_one_line(hit.text)
    cut = text if len(text) <= SNIPPET else text[:SNIPPET].rstrip() + " …"
    return made | {"heading": printable(hit.item.heading or ""), "text": parted(cut, words)}


def _also(hit: Hit) -> list[str]:
    said = {"copies": len(hit.copies), "more passages": len(hit.passages)}
    return [f"and {number} {what}" for what, number in said.items() if number]


def _thumb(library: Collection, item: Item) -> dict[str, str]:
    """The address of its thumbnail; of one that cannot be made, the reason."""
    label = f": {item.label}" if item.label else ""
    try:
        return {"thumb": f"{THUMBS}/{thumbnail_name(library, item)}", "alt": printable(name(item) + label)}
    except Unreadable as error:  # gone or changed since it was indexed
        return {"none": printable(str(error))}
