"""A chunker whose passages keep to a document's sections, each under the headings above it.

Long documents have few words of their subject in each paragraph: what a passage is about stands in the
headings, so they are encoded in front of its text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from searchkit.ingest.chunk import TokenWindow
from searchkit.types import Document, Heading, Passage

BETWEEN = " › "
WORDS = re.compile(r"[^\W_]")
"""A character to read: text without one is only the line under a heading."""
CONTEXT_SHARE = 3
"""Headings take at most one token in this many of a passage; the highest are left out first."""
SURELY_LONG = 20
"""A section of more characters than this for each token of a passage does not fit one: that is known without
tokenizing it. Should its words be that long, it becomes one window."""


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch `text[start:end]` of a document from one heading to the next.

    `path` has the headings above its text, its own last.
    """

    start: int
    end: int
    path: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class HeadingWindow:
    """A Chunker: sections by `Document.headings`, each passage with the headings as its `context`.

    A section that fits is one passage; neighbours under the same heading that fit together are one, under
    that heading; a long one is cut as by `TokenWindow`. At most `tokens` tokens, those of the context among
    them. Without headings it is a `TokenWindow`.
    """

    offsets: Callable[[str], Sequence[tuple[int, int]]]
    """The encoder's `token_offsets`."""
    tokens: int
    overlap: int

    def __post_init__(self) -> None:
        _ = self._window(0)  # which refuses sizes that cannot work

    def __call__(self, document: Document) -> Iterator[Passage]:
        """Yield the passages of a document in order."""
        for group in self._groups(document):
            path = _common([section.path for section in group])
            context, used = self._context(path)
            for start, end in self._window(used).spans(document.text, group[0].start, group[-1].end):
                yield Passage(start, end, document.text[start:end], document.page_at(start), context)

    def _groups(self, document: Document) -> Iterator[list[Section]]:
        """Sections one by one, or several that fit one passage together."""
        group: list[Section] = []
        for section in sections(document):
            if group and section.path[:-1] == group[-1].path[:-1] and self._fit(document, [*group, section]):
                group.append(section)
                continue
            if group:
                yield group
            group = [section]
        if group:
            yield group

    def _fit(self, document: Document, group: Sequence[Section]) -> bool:
        start, end = group[0].start, group[-1].end
        if end - start > SURELY_LONG * self.tokens:
            return False
        _, used = self._context(_common([section.path for section in group]))
        return used + self._count(document.text[start:end]) <= self.tokens

    def _context(self, path: Sequence[str]) -> tuple[str | None, int]:
        """The lowest of the headings that leave room for the text, and how many tokens they take."""
        for first in range(len(path)):
            context = BETWEEN.join(path[first:])
            used = self._count(f"{context}\n")
            if used <= self.tokens // CONTEXT_SHARE:
                return context, used
        return None, 0

    def _count(self, text: str) -> int:
        return len(self.offsets(text))

    def _window(self, used: int) -> TokenWindow:
        """The windows beside a context of `used` tokens, with the overlap in proportion."""
        tokens = self.tokens - used
        overlap = self.overlap * tokens // self.tokens if used else self.overlap
        return TokenWindow(offsets=self.offsets, tokens=tokens, overlap=overlap)


def sections(document: Document) -> Iterator[Section]:
    """The sections of a document in order; together they are the whole text.

    A heading without words of its own below it belongs to the section that follows it, one level down.
    """
    starts = _starts(document.text, document.headings)
    if not starts or starts[0] > 0:
        yield Section(0, starts[0] if starts else len(document.text), ())
    above: list[tuple[int, str]] = []
    begin: int | None = None
    for heading, (start, end) in zip(document.headings, pairwise([*starts, len(document.text)]), strict=True):
        if begin is not None and heading.level <= above[-1][0]:
            yield Section(begin, start, tuple(name for _, name in above))
            begin = None
        above = [pair for pair in above if pair[0] < heading.level]
        above.append((heading.level, " ".join(document.text[heading.start : heading.end].split())))
        section = Section(start if begin is None else begin, end, tuple(name for _, name in above))
        begin = section.start
        if WORDS.search(document.text, heading.end, end):
            yield section
            begin = None
    if begin is not None:
        yield section


def _starts(text: str, headings: Sequence[Heading]) -> list[int]:
    """Where each section begins: at the start of its heading's line, before marks such as "#"."""
    starts: list[int] = []
    for heading in headings:
        earlier = headings[len(starts) - 1].end if starts else 0
        line_end = text.rfind("\n", earlier, heading.start)
        starts.append(line_end + 1 if line_end >= 0 else heading.start if starts else 0)
    return starts


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings that are above all of them."""
    return paths[0] if len(paths) == 1 else paths[0][:-1]
