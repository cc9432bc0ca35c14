"""The words of a question, marked in a passage: as HTML that escapes all else, or as pieces of text."""

from __future__ import annotations

import re

from searchkit.ui.components import escaped

WORD = re.compile(r"\w+")
SHORTEST = 3
"""Letters of a word that is marked, at least."""
STEM = 5
"""Letters of a beginning that two words share, at least, to count as one: "sailing" and "sailed"."""
COMMON = frozenset(
    "the and for with from that this are was were has have not you how what who why when".split()  # noqa: SIM905
)


def asked_words(question: str) -> set[str]:
    """Return the words of a question that are worth marking, in lower case.

    >>> sorted(asked_words("How is the SYRUP mixed?"))
    ['mixed', 'syrup']
    """
    words = {word.casefold() for word in WORD.findall(question)}
    return {word for word in words if len(word) >= SHORTEST and word not in COMMON}


def marked(text: str, question: str) -> str:
    """Return the text as HTML with the words of the question marked.

    >>> marked("Sailing <b>boats</b>", "a boat that sailed")
    'Sailing &lt;b&gt;<mark>boats</mark>&lt;/b&gt;'
    """
    return "".join(
        f"<mark>{escaped(piece)}</mark>" if is_asked else escaped(piece)
        for piece, is_asked in pieces(text, question)
    )


def pieces(text: str, question: str) -> list[tuple[str, bool]]:
    """Cut the text into pieces, and tell whether each is a word of the question.

    >>> pieces("Sailing boats", "a boat that sailed")
    [('Sailing ', False), ('boats', True)]
    """
    asked = asked_words(question)
    cut, end = [], 0
    for match in WORD.finditer(text):
        if _is_asked(match.group().casefold(), asked):
            cut += [(text[end : match.start()], False), (match.group(), True)]
            end = match.end()
    return [(piece, is_asked) for piece, is_asked in [*cut, (text[end:], False)] if piece]


def _is_asked(word: str, asked: set[str]) -> bool:
    return word in asked or any(_are_forms(word, other) for other in asked)


def _are_forms(word: str, other: str) -> bool:
    """Tell whether one word is the beginning of the other, or both have the same long beginning."""
    short = min(len(word), len(other))
    if short < SHORTEST + 1:
        return False
    if word.startswith(other) or other.startswith(word):
        return abs(len(word) - len(other)) <= 3
    return short >= STEM and word[:STEM] == other[:STEM]
