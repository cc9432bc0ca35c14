"""What a page would cost the HTML parser, told before it is asked: some pages take it minutes."""

from __future__ import annotations

import re

from searchkit.errors import Unreadable
from searchkit.parsers.limits import too_much

TAG = re.compile(rb"<(/?)([a-zA-Z][^\s/<>]{0,30})([^<>]*)")
FEW = 1000
"""Tags below which a page costs less than any limit below, if not one of them is enormous."""
LONG = 50_000
"""Bytes of a page in which so few tags can still have too many attributes."""
MAX_TAGS = 500_000
"""Each costs ten microseconds and half a kilobyte."""
MAX_STEPS = 100_000_000
"""The parser looks through the open elements at most tags, and through a tag's attributes at each of them."""
MAX_COPIES = 500_000
"""Unclosed <b>, <font>… are opened again in each block: so many elements arise that are not in the file."""

EMPTY = frozenset(b"area base br col embed hr img input link meta param source track wbr".split())
FORMATS = frozenset(b"a b big code em font i nobr s small strike strong tt u".split())
MERGED = frozenset((b"html", b"body"))
"""There is one of each: what others declare is added to it."""
LIKE = {
    **dict.fromkeys(b"thead tbody tfoot tr td th caption colgroup".split(), b"td"),
    **dict.fromkeys(b"dt dd".split(), b"dd"),
    **{name: name for name in b"p li option".split()},
}
"""A start of these closes one like it, so that pages leave out its end."""
DRAWING = frozenset((b"svg", b"math"))
TEXT = frozenset(
    b"div span h1 h2 h3 h4 h5 h6 blockquote center dl listing menu ol pre ruby sub sup table ul var".split()
)
REACH = 30
"""Elements that one end tag may close."""


def refuse_deep(data: bytes, *, name: str) -> None:
    """Raises `Unreadable` for a page that nests so deep, or says so much in one tag, that parsing it would be
    quadratic in it."""
    tags = data.count(b"<")
    if tags < FEW and len(data) < LONG:
        return
    if tags > MAX_TAGS:
        raise too_much(name, f"more than {MAX_TAGS:,} tags")
    cost = _Cost()
    for match in TAG.finditer(data):
        cost.add(closing=bool(match[1]), tag=match[2].lower(), rest=match[3])
        if cost.steps > MAX_STEPS or cost.copies > MAX_COPIES:
            raise Unreadable(f"{name} nests its elements too deep, or leaves too many of them open")


class _Cost:
    """The elements that are open, roughly as the HTML standard would have them, and the work so far."""

    def __init__(self) -> None:
        self.steps = self.copies = 0
        self._open: list[bytes] = []
        self._formats = 0
        self._options = 0
        self._merged = 0
        self._drawing = False

    def add(self, *, closing: bool, tag: bytes, rest: bytes) -> None:
        like = LIKE.get(tag, tag)
        if closing:
            self._close(like)
        elif tag in MERGED:
            self._merged += 1 + rest.count(b"=") + rest.count(b" ")
            self.steps += self._merged
        elif tag not in EMPTY and not (self._drawing and rest.endswith(b"/")):
            self._start(tag, like)
        self.steps += len(self._open)
        self.copies += self._formats
        if len(rest) > 200:
            self.steps += len(rest.split()) ** 2

    def _start(self, tag: bytes, like: bytes) -> None:
        if tag in DRAWING:
            self._drawing = True
        elif tag in LIKE or tag in FORMATS or tag in TEXT:  # these end a drawing
            self._drawing = False
        if tag == b"option":  # each makes the parser look at the whole list
            self._options += 1
            self.steps += self._options
        if not (tag in LIKE and self._open and self._open[-1] == like):
            self._open.append(like)
            self._formats += tag in FORMATS

    def _close(self, like: bytes) -> None:
        if like in DRAWING:
            self._drawing = False
        if like in self._open[-REACH:]:
            while (closed := self._open.pop()) != like:
                self._formats -= closed in FORMATS
            self._formats -= closed in FORMATS
