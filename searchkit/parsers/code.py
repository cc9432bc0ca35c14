"""Source code, configuration and markup that is read as it is written."""

from __future__ import annotations

from searchkit.parsers.suffixes import CODE
from searchkit.parsers.text import TextParser


class CodeParser(TextParser):
    """A function's place in the text is its place in the file."""

    name = "searchkit code 1"
    suffixes = frozenset(CODE)
