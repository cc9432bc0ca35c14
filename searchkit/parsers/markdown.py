"""Markdown: the text is the source itself, so that offsets point into the file."""

from __future__ import annotations

import re
from pathlib import Path

import markdown_it
from markdown_it import MarkdownIt

from searchkit.parsers.text import read_text
from searchkit.types import Document

TITLE_WITHIN = 50_000
"""A heading further down, in characters, is no title; and a long file need not be parsed to its end."""

FRONT_MATTER = re.compile(r"---[ \t]*\r?\n.*?^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)

BLOCKS = MarkdownIt("commonmark").disable("inline")
INLINE = MarkdownIt("commonmark")


class MarkdownParser:
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
    for opening, content in zip(tokens, tokens[1:], strict=False):
        if opening.type == "heading_open" and (title := _plain(content.content)):
            return title
    return None


def _plain(source: str) -> str:
    (inline,) = INLINE.parseInline(source)
    words = (token.content if token.type in ("text", "code_inline") else " "
             for token in inline.children or () if not token.type.endswith(("_open", "_close")))  # fmt: skip
    return " ".join("".join(words).split())
