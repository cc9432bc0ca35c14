"""Markdown: the text is the source itself, so that offsets point into the file."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import markdown_it
from markdown_it import MarkdownIt

from searchkit.parsers.text import read_text
from searchkit.protocols import Parser
from searchkit.types import Document

TITLE_WITHIN = 50_000
"""A heading further down, in characters, is no title; and a long file need not be parsed to its end."""

FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(?=\S).*?^(?:---|\.\.\.)[ \t\r]*$", re.DOTALL | re.MULTILINE)
"""No empty line comes first in it: that would be a rule (---) and the text below."""

BLOCKS = MarkdownIt("commonmark").disable("inline")
INLINE = MarkdownIt("commonmark")
WORDS = {"softbreak": " ", "hardbreak": " ", "html_inline": ""}
"""What stands for a piece of markup in a title; a piece not named here for its own content."""


class MarkdownParser(Parser):
    """The raw Markdown, titled by its first heading."""

    name = f"markdown-it-py {markdown_it.__version__}"
    suffixes = frozenset({".md", ".markdown"})

    def parse(self, path: Path) -> Document:
        text = read_text(path)
        return Document(text, title=first_heading(text))


def first_heading(text: str) -> str | None:
    """The words of the first heading without their markup; None where there is none.

    Front matter is passed over: CommonMark would take its last line for an underlined heading.
    """
    front = FRONT_MATTER.match(text)
    start = front.end() if front else 0
    tokens = BLOCKS.parse(text[start : start + TITLE_WITHIN])
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and (title := _plain(content.content)):
            return title
    return None


def _plain(source: str) -> str:
    (inline,) = INLINE.parseInline(source)
    words = "".join(WORDS.get(token.type, token.content) for token in inline.children or ())
    return " ".join(words.split())
