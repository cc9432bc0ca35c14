"""CSV and TSV: rows as lines that name their columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from searchkit.parsers.blocks import LINE, Blocks
from searchkit.parsers.rows import lines
from searchkit.parsers.text import read_text
from searchkit.protocols import Parser
from searchkit.types import Document

DELIMITERS = ",;\t|"
PIECE = 1 << 20
"""Characters that are cut into lines at once, and the rest of the last of them."""
TRIED = 50
"""Rows that show which delimiter a file has."""


class TableParser(Parser):
    """`Document.text` has a line for each row, "name: value; name: value" below a row that names columns.

    What cannot be read as rows is read as text.
    """

    name = "searchkit table 1"
    suffixes = frozenset({".csv", ".tsv", ".tab"})
    capped = True

    def parse(self, path: Path) -> Document:
        text = read_text(path)
        blocks = Blocks(path)
        try:
            for line in lines(rows(text, delimiter(text))):
                blocks.add(line, gap=LINE)
        except csv.Error:  # a quote that is never closed: the rest of the file in one cell
            return Document(text)
        return blocks.document()


def rows(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(_lines(text), delimiter=separator)


def _lines(text: str) -> Iterator[str]:
    """Those that `splitlines` gives, not all of them at once."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + PIECE) + 1 or len(text)
        yield from text[start:end].splitlines(keepends=True)
        start = end


def delimiter(text: str) -> str:
    """The delimiter that cuts the first rows into equally many cells, the most possible; else the comma."""

    def fit(separator: str) -> tuple[float, int]:
        try:
            widths = [len(row) for row in islice(rows(text[:100_000], separator), TRIED) if row]
        except csv.Error:
            return 0.0, 0
        if not widths or max(widths) < 2:
            return 0.0, 0
        usual = max(set(widths), key=widths.count)
        return (widths.count(usual) / len(widths) if usual > 1 else 0.0), usual

    return max(DELIMITERS, key=fit)
