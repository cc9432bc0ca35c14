"""Chunkers that cut a document into passages which fit an encoder's window.

Positions where a passage may begin or end are **marks**: the starts of tokens. Each mark knows how many
tokens lie before it, so a window is found by bisection, and its ends then move to the best border near by.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from searchkit.errors import BadInput
from searchkit.types import Document, Passage

SEGMENT = 200_000
"""Characters that are tokenized at once. A longer text is cut first, and no window crosses the cut."""

SHORT = 8
"""A sentence of fewer tokens is no passage by itself."""

INSIDE, SYMBOL, WORD, LINE, SENTENCE, PARAGRAPH = range(6)
"""How good a place to cut: inside a word, beside punctuation, between words, lines, sentences, paragraphs."""

WIDE_STOP = re.compile(r"[。！？｡][」』）”’]*$")
"""The end of a Chinese or Japanese sentence, which needs no white space."""
STOPS = (".", "!", "?", "…")
CLOSERS = "\"'”’»)]"


@dataclass(frozen=True, kw_only=True)
class TokenWindow:
    """A Chunker: passages of at most `tokens` tokens, each about `overlap` tokens into the one before.

    A passage ends at the best border in the last third of its window (paragraph, then sentence, line,
    word), and loses the white space around it. Tokens are counted in the whole text; where one character
    alone is more than the window (several tokens), it is kept whole. Raises `BadInput` for sizes that
    cannot work.
    """

    offsets: Callable[[str], Sequence[tuple[int, int]]]
    """The encoder's `token_offsets`: (start, end) of every token of a text, special tokens left out."""
    tokens: int
    overlap: int

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.tokens:
            raise BadInput(
                f"a window of {self.tokens} tokens cannot overlap by {self.overlap}",
                hint="the overlap must be at least 0 and smaller than the window",
            )

    def __call__(self, document: Document) -> Iterator[Passage]:
        """Yield the passages of a document in order."""
        for start, end in self.spans(document.text):
            yield Passage(start, end, document.text[start:end], document.page_at(start))

    def spans(self, text: str, first: int = 0, last: int | None = None) -> Iterator[tuple[int, int]]:
        """(start, end) of the passages of `text[first:last]`, found as they are asked for."""
        for base, segment in segments(text, first, last):
            for start, end in self._windows(segment):
                piece = segment[start:end].strip()
                if piece:
                    start += base + segment[start:end].index(piece)
                    yield start, start + len(piece)

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Character ranges that together cover the text; starts and ends both strictly ascend."""
        marks = _Marks(text, self.offsets(text))
        first, end = 0, 0
        while end < marks.last:
            furthest = marks.reach(first, self.tokens)
            if furthest < marks.last:
                early = marks.after(first, self.tokens - self.tokens // 3)
                end = marks.best(min(furthest, max(end + 1, early)), furthest, near=furthest)
            else:
                end = marks.last
            yield marks.positions[first], marks.positions[end]
            first = self._next_start(marks, first, end)

    def _next_start(self, marks: _Marks, first: int, end: int) -> int:
        """A mark after `first` and no later than `end`, from which a window goes beyond `end`."""
        if not self.overlap or end == marks.last:
            return end
        beyond = max(first + 1, marks.before(end + 1, self.tokens))
        near = marks.before(end, self.overlap)
        early = marks.before(end, min(self.overlap * 3 // 2, self.tokens * 2 // 3))
        late = marks.before(end, self.overlap // 2)
        return min(end, marks.best(max(beyond, early), max(beyond, late), near=near))


class SentenceWindow(TokenWindow):
    """A Chunker: every sentence is a passage, together with the shorter ones before it ("Yes.").

    A sentence of more than `tokens` is cut as by `TokenWindow`. The end of a line ends a sentence in lists
    and transcripts, and not where the text was wrapped.
    """

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        marks = _Marks(text, self.offsets(text), ended_lines(text))
        first = 0
        while first < marks.last:
            end = marks.sentence(first, SHORT)
            start, stop = marks.positions[first], marks.positions[end]
            if marks.reach(first, self.tokens) >= end:
                yield start, stop
            else:
                yield from ((start + a, start + b) for a, b in super()._windows(text[start:stop]))
            first = end


class _Marks:
    """The places of a text where a passage may begin or end: each token's first character, and the end."""

    def __init__(
        self, text: str, offsets: Sequence[tuple[int, int]], ended: Container[int] = frozenset()
    ) -> None:
        """Find the marks of a text from its tokens; `ended` are the line breaks that end a sentence."""
        # of each mark its character, and how many tokens begin before it
        self.positions, self._tokens = [0], [0]
        for number, (start, end) in enumerate(offsets):
            if start > self.positions[-1] and end > start:
                self.positions.append(start)
                self._tokens.append(number)
        if len(text) > self.positions[-1]:
            self.positions.append(len(text))
            self._tokens.append(len(offsets))
        self.last = len(self.positions) - 1
        self._quality = [_quality(text, position, ended) for position in self.positions]

    def reach(self, first: int, tokens: int) -> int:
        """The furthest mark with no more than `tokens` between it and `first`; at least the next one."""
        furthest = bisect_right(self._tokens, self._tokens[first] + tokens) - 1
        return min(self.last, max(first + 1, furthest))

    def after(self, first: int, tokens: int) -> int:
        """The first mark with at least `tokens` between `first` and it."""
        return bisect_left(self._tokens, self._tokens[first] + tokens)

    def before(self, end: int, tokens: int) -> int:
        """The first mark with no more than `tokens` between it and `end`."""
        return bisect_left(self._tokens, self._tokens[end] - tokens)

    def sentence(self, first: int, least: int) -> int:
        """The first mark that ends a sentence at least `least` tokens from `first`; else the last one."""
        ends = range(self.after(first, least), self.last)
        return next((mark for mark in ends if self._quality[mark] >= SENTENCE), self.last)

    def best(self, early: int, late: int, *, near: int) -> int:
        """The best place to cut from `early` to `late`; of equals the one nearest to `near`."""
        return max(range(early, max(early, late) + 1), key=lambda m: (self._quality[m], -abs(m - near)))


def _quality(text: str, position: int, ended: Container[int]) -> int:
    """How good a place to cut lies just before a character, from `INSIDE` to `PARAGRAPH`."""
    before = text[max(0, position - 80) : position]
    word = before.rstrip()
    gap = before[len(word) :]
    if gap.count("\n") > 1:
        return PARAGRAPH
    if WIDE_STOP.search(word):
        return SENTENCE
    if gap and word.rstrip(CLOSERS).endswith(STOPS):
        return SENTENCE
    if "\n" in gap:
        return SENTENCE if text.rindex("\n", 0, position) in ended else LINE
    if gap:
        return WORD
    following = text[position : position + 1]
    return INSIDE if before[-1:].isalnum() and following.isalnum() else SYMBOL


def ended_lines(text: str) -> set[int]:
    """The line breaks of a text that end a sentence, by their offsets.

    These are all of them, unless the text was wrapped: where most lines end because the next word does not
    fit, only those count behind which it would have fitted.

    >>> sorted(ended_lines("milk\\neggs\\ntwo loaves of bread\\nsalt"))
    [4, 9, 29]
    >>> sorted(ended_lines("what is wrapped has\\nlines of one width\\nalmost\\nand is read on"))
    [45]
    """
    lines = text.split("\n")
    lengths = sorted(len(line.rstrip()) for line in lines if line.strip())
    width = lengths[len(lengths) * 9 // 10] if lengths else 0
    breaks, at = [], -1
    for line, after in pairwise(lines):
        at += len(line) + 1
        if line.strip() and (word := after.split(None, 1)):
            breaks.append((at, len(line.rstrip()) + 1 + len(word[0]) > width))
    is_wrapped = 2 * sum(full for _, full in breaks) > len(breaks)
    return {at for at, full in breaks if not (is_wrapped and full)}


def segments(text: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, str]]:
    """(offset, segment) of `text[start:stop]`, at most `SEGMENT` characters each, cut at the best white space
    there is."""
    stop = len(text) if stop is None else stop
    while stop - start > SEGMENT:
        middle, end = start + SEGMENT // 2, start + SEGMENT
        borders = (text.rfind(border, middle, end) for border in ("\n\n", "\n", " "))
        cut = next((at for at in borders if at > start), end)
        yield start, text[start:cut]
        start = cut
    yield start, text[start:stop]
