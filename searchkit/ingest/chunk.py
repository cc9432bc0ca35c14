"""From a document to passages that fit an encoder's window.

Positions where a passage may begin or end are **marks**: the starts of tokens. Each mark knows how many
tokens lie before it, so a window is found by bisection, and its ends are then moved to the best border near by.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from searchkit.errors import BadInput
from searchkit.types import Document, Passage

SEGMENT = 200_000
"""Characters that are tokenized at once. A longer text is cut first, and no window crosses the cut."""

INSIDE, SYMBOL, WORD, LINE, SENTENCE, PARAGRAPH = range(6)
"""How good a place to cut: inside a word, beside punctuation, between words, lines, sentences, paragraphs."""

GAP = re.compile(r"\s+|[。！？｡]+[」』）”’]*\s*")
"""White space, or the end of a Chinese or Japanese sentence, which needs none."""
STOPS = (".", "!", "?", "…")
CLOSERS = "\"'”’»)]"


@dataclass(frozen=True, kw_only=True)
class TokenWindow:
    """A Chunker: passages of at most `tokens` tokens, each about `overlap` tokens into the one before.

    A passage ends at the best border in the last third of its window (paragraph, then sentence, line, word),
    and loses the white space around it. Tokens are counted in the whole text; where a token alone is more than
    the window (several at one character), it is still kept whole. Raises `BadInput` for sizes that cannot work.
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

    def __call__(self, document: Document) -> list[Passage]:
        passages = []
        for base, segment in segments(document.text):
            for start, end in self._windows(segment):
                text = segment[start:end].strip()
                if text:
                    start += base + segment[start:end].index(text)
                    passages.append(Passage(start, start + len(text), text, document.page_at(start)))
        return passages

    def _windows(self, text: str) -> Iterator[tuple[int, int]]:
        """Character ranges that together cover the text; starts and ends both strictly ascend."""
        marks = _Marks(text, self.offsets(text))
        first = 0
        while True:
            end = marks.reach(first, self.tokens)
            if end < marks.last:
                # Not before the previous end, which `_next_start` keeps within reach of `first`.
                early = max(first + 1, marks.after(first, self.tokens - self.tokens // 3))
                end = marks.best(min(early, end), end, near=end)
            yield marks.positions[first], marks.positions[end]
            if end == marks.last:
                return
            first = self._next_start(marks, first, end)

    def _next_start(self, marks: _Marks, first: int, end: int) -> int:
        """A mark after `first` and no later than `end`, from which a window goes beyond `end`."""
        if not self.overlap:
            return end
        near = marks.before(end, self.overlap)
        early = marks.before(end, min(self.overlap * 3 // 2, self.tokens * 2 // 3))
        late = marks.before(end, self.overlap // 2)
        return marks.best(max(first + 1, early), max(first + 1, late), near=near)


class _Marks:
    pass


def segments(text: str) -> Iterator[tuple[int, str]]:
    """Pieces of at most `SEGMENT` characters with their offsets, cut at the best white space there is."""
    start = 0
    while len(text) - start > SEGMENT:
        middle, end = start + SEGMENT // 2, start + SEGMENT
        found = (text.rfind(border, middle, end) for border in ("\n\n", "\n", " "))
        cut = next((at for at in found if at > 0), end)
        yield start, text[start:cut]
        start = cut
    yield start, text[start:]
