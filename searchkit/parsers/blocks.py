"""A document as it is read: blocks of text one below the other, with the places of headings and pages."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from searchkit.errors import NoText
from searchkit.parsers.limits import MAX_CHARACTERS, MB, too_much
from searchkit.types import Document, Heading, PageSpan

PARAGRAPH = "\n\n"
LINE = "\n"


class Blocks:
    """Text so far; `path` is for messages. Raises `Unreadable` when it grows beyond `MAX_CHARACTERS`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._parts: list[str] = []
        self._length = 0
        self._pages: list[tuple[int, int] | None] = []
        self._headings: list[Heading] = []

    def add(self, text: str, *, gap: str = PARAGRAPH, headings: Iterable[Heading] = ()) -> None:
        """One block, `gap` below the last one; `headings` are places in `text`. A blank block is left out."""
        if not text or text.isspace():
            return
        if self._parts:
            self._parts.append(gap)
            self._length += len(gap)
        start = self._length
        self._parts.append(text)
        self._length += len(text)
        if self._length > MAX_CHARACTERS:
            raise too_much(self._path, f"more than {MAX_CHARACTERS // MB} million characters of text")
        self._headings += [Heading(h.level, start + h.start, start + h.end) for h in headings]
        if self._pages:
            first = self._pages[-1]
            self._pages[-1] = (first[0] if first else start, self._length)

    def heading(self, text: str, level: int) -> None:
        """A block that is a heading, on one line."""
        words = " ".join(text.split())
        self.add(words, headings=[Heading(level, 0, len(words))] if words else ())

    def page(self) -> None:
        """What is added from here on is on the next page."""
        self._pages.append(None)

    def document(self, *, title: str | None = None) -> Document:
        """Raises `NoText` where there is none."""
        if not self._parts:
            raise NoText(f"{self._path} has no text")
        words = " ".join((title or "").split())
        return Document("".join(self._parts), self._spans(), words or None, tuple(self._headings))

    def _spans(self) -> tuple[PageSpan, ...]:
        spans, end = [], 0
        for number, span in enumerate(self._pages, 1):
            start, end = span or (end, end)
            spans.append(PageSpan(number, start, end))
        return tuple(spans)
