"""Excel: a sheet is a page, its name a heading, its rows lines that name their columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from searchkit.parsers.archive import checked
from searchkit.parsers.blocks import LINE, PARAGRAPH, Blocks
from searchkit.parsers.limits import MAX_CELLS, too_much
from searchkit.parsers.office import library, version
from searchkit.parsers.rows import lines
from searchkit.protocols import Parser
from searchkit.types import Document


class XlsxParser(Parser):
    """Values as they were last computed, row by row; charts and hidden formulas are not text."""

    name = version("openpyxl")
    suffixes = frozenset({".xlsx", ".xlsm", ".xltx", ".xltm", ".xls"})
    capped = True

    def parse(self, path: Path) -> Document:
        openpyxl, blocks = library("openpyxl", path=path), Blocks(path)
        left = [MAX_CELLS]
        filled = False
        with checked(path, office=True) as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            for sheet in book.worksheets:
                blocks.page()
                blocks.heading(sheet.title, 1)
                gap = PARAGRAPH
                sheet.reset_dimensions()  # as the rows are, not as the file says
                for line in lines(_cells(sheet.iter_rows(values_only=True), left, path)):
                    blocks.add(line, gap=gap)
                    gap, filled = LINE, True
            title = book.properties.title
        return (blocks if filled else Blocks(path)).document(title=title)


def _cells(rows: Iterable[tuple[Any, ...]], left: list[int], path: Path) -> Iterator[list[str]]:
    """Rows as text. `left` counts down over all the sheets of a file: a row may say that it is the
    billionth, or that its only cell is far to the right."""
    for row in rows:
        left[0] -= max(len(row), 1)
        if left[0] < 0:
            raise too_much(path, f"more than {MAX_CELLS // 10**6} million cells")
        if row:
            yield [_shown(value) for value in row]


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.15g}"  # 0.1 + 0.2 as a sheet shows it
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    return str(value)
