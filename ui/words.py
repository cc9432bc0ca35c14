"""Which words of a passage a question holds: HTML that holds nothing else of the passage's making."""

from __future__ import annotations

import re

from searchkit.ui.components import escaped

WORD = re.compile(r"\w+")
SHORTEST = 3
STEM = 5
"""Letters from which on a common beginning counts: "sailing" and "sailed"."""
COMMON = frozenset(
    "the and for with from that this are was were has have not you how what who why when".split()  # noqa: SIM905
)


def asked_words(question: str) -> set[str]:
    """
    >>> sorted(asked_words("How is the SYRUP mixed?"))
    ['mixed', 'syrup']
    """
    found = {word.casefold() for word in WORD.findall(question)}
    return {word for word in found if len(word) >= SHORTEST and word not in COMMON}


def marked(text: str, question: str) -> str:
    """HTML of the text with the words of the question in it marked.

    >>> marked("Sailing <b>boats</b>", "a boat that sailed")
    'Sailing &lt;b&gt;<mark>boats</mark>&lt;/b&gt;'
    """
    return "".join(
        f"<mark>{escaped(words)}</mark>" if is_asked else escaped(words)
        for words, is_asked in parted(text, question)
    )


def parted(text: str, question: str) -> list[tuple[str, bool]]:
    """The text in pieces, and whether each is a word of the question.

    >>> parted("Sailing boats", "a boat that sailed")
    [('Sailing ', False), ('boats', True)]
    """
    wanted = asked_words(question)
    parts, end = [], 0
    for found in WORD.finditer(text):
        if _is_one(found.group().casefold(), wanted):
            parts += [(text[end : found.start()], False), (found.group(), True)]
            end = found.end()
    return [(words, is_asked) for words, is_asked in [*parts, (text[end:], False)] if words]


def _is_one(word: str, wanted: set[str]) -> bool:
    if word in wanted:
        return True
    return any(_share(word, one) for one in wanted)


def _share(word: str, other: str) -> bool:
    """Whether one is the beginning of the other, or both have the same long beginning."""
    short = min(len(word), len(other))
    if short < SHORTEST + 1:
        return False
    if word.startswith(other) or other.startswith(word):
        return abs(len(word) - len(other)) <= 3
    return short >= STEM and word[:STEM] == other[:STEM]
