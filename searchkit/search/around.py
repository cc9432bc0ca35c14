"""The text around a passage: its neighbours, or its whole page."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchkit.errors import BadInput
from searchkit.types import Item, Kind, Passage

STEP = 8
"""Neighbours that are looked up at a time when a page is filled."""

Get = Callable[[Sequence[str]], list[Item]]
"""The items with these ids; ids that are not there are left out."""
Name = Callable[[int], str]
"""The id of the same document's item at a place."""


def around(item: Item, get: Get, name: Name, *, passages: int = 1, page: bool = False) -> Passage:
    """The passage with so many before and after it, or with its whole page, as one stretch of text.

    White space between passages is not kept in the index: it comes back as a line end or a space, of the
    same length, so that `end - start == len(text)` and every word is at its place. Raises `BadInput` for
    an item that is no passage.
    """
    if item.kind is not Kind.PASSAGE or item.start is None or item.end is None:
        raise BadInput(f"{item.path} is a picture: nothing stands around it", hint="give a passage")
    if passages < 0:
        raise BadInput(f"passages is {passages}", hint="how many before and after: 0 or more")
    if page and item.page is not None:
        near = [*_same_page(item, get, name, -1), item, *_same_page(item, get, name, 1)]
    else:
        places = range(max(0, item.ordinal - passages), item.ordinal + passages + 1)
        near = [neighbour for neighbour in get([name(n) for n in places]) if neighbour.kind is Kind.PASSAGE]
    return joined(near, item.page)


def joined(items: Sequence[Item], page: int | None = None) -> Passage:
    """One passage out of neighbouring ones of a document, in any order; what they share is there once."""
    parts = sorted(((i.start, i.end, i.text) for i in items if i.start is not None), key=lambda p: p[:2])
    start, text = parts[0][0], ""
    end = start
    for first, last, words in parts:
        assert last is not None and words is not None
        if first > end:
            text += "\n" * (first - end) if first - end > 1 else " "
            end = first
        text += words[end - first :]
        end = max(end, last)
    return Passage(start, end, text, page)


def _same_page(item: Item, get: Get, name: Name, way: int) -> list[Item]:
    """The passages of the item's page before (-1) or after (1) it."""
    passages: list[Item] = []
    place = item.ordinal
    while True:
        places = [n for n in range(place + way, place + way * (STEP + 1), way) if n >= 0]
        next_items = get([name(n) for n in places])
        here = [
            passage for passage in next_items if passage.kind is Kind.PASSAGE and passage.page == item.page
        ]
        passages += here
        if len(here) < STEP:
            return passages
        place += way * STEP
