"""Markdown: the text is the source itself, so that offsets point into the file."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import markdown_it
from markdown_it import MarkdownIt

from searchkit.parsers.text import read_text
from searchkit.protocols import Parser
from searchkit.types import Document, Heading

TITLE_WITHIN = 50_000
"""A heading further down, in characters, is no title."""
LONGEST_TITLE = 1000
"""Characters: markup within a line takes quadratic time."""
HEADINGS_WITHIN = 500_000
"""Characters. What is longer was written by a program; its beginning takes seconds at most."""

FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?=\S).*?^(?:---|\.\.\.)[ \t\r]*$", re.DOTALL | re.MULTILINE)
"""No empty line comes first in it: that would be a rule (---) and the text below."""

LINE_END = re.compile(r"\r\n|\n|\r")

BLOCKS = MarkdownIt("commonmark").disable(["inline", "reference"])
INLINE = MarkdownIt("commonmark")
WORDS = {"softbreak": " ", "hardbreak": " ", "html_inline": ""}
"""What stands for a piece of markup in a title; a piece not named here for its own content."""


class MarkdownParser(Parser):
    """The raw Markdown, titled by its first heading; headings are places in it, without their marks."""

    name = f"markdown-it-py {markdown_it.__version__}"
    suffixes = frozenset({".md", ".markdown"})
    capped = True

    def parse(self, path: Path) -> Document:
        text = read_text(path)
        found = headings(text)
        return Document(text, title=title_of(text, found), headings=found)


def title_of(text: str, headings: tuple[Heading, ...]) -> str | None:
    """The words of the first heading without their markup; None where there is none near the beginning."""
    for heading in headings:
        end = min(heading.end, heading.start + LONGEST_TITLE)
        if heading.start < TITLE_WITHIN and (title := _plain(text[heading.start : end])):
            return title
    return None


def headings(text: str) -> tuple[Heading, ...]:
    """Where they are in the source.

    Front matter is passed over: CommonMark would take its last line for an underlined heading.
    """
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    source = text[start : start + HEADINGS_WITHIN]
    lines = [start, *(start + end.end() for end in LINE_END.finditer(source)), start + len(source)]
    found = []
    for opening, content in pairwise(BLOCKS.parse(source)):
        if opening.type == "heading_open" and opening.map and content.content.strip():
            first, beyond = opening.map
            if opening.markup in ("=", "-"):  # underlined: its last line is the rule
                beyond -= 1
            begin, end = lines[first], lines[min(beyond, len(lines) - 1)]
            line = text[begin:end]
            at = line.find(content.content)  # without marks; not found where a quote's marks stand between
            if at >= 0:
                begin, end = begin + at, begin + at + len(content.content)
            else:
                begin, end = end - len(line.lstrip()), begin + len(line.rstrip())
            found.append(Heading(int(opening.tag[1:]), begin, end))
    return tuple(found)


def _plain(source: str) -> str:
    (inline,) = INLINE.parseInline(source)
    words = "".join(WORDS.get(token.type, token.content) for token in inline.children or ())
    return " ".join(words.split())
