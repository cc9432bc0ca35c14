"""Rows of a table as lines that can stand alone: a passage from the middle has no header above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

NUMBER = re.compile(r"[-+$€£¥(]?\s*\d[\d\s.,:/%)e+-]*", re.IGNORECASE)
MAX_NAME = 60
"""Characters; what is longer is no column's name."""


def lines(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The first row with two cells or more names the columns, if it could: then it is a line of its own, and
    those below read "name: value; name: value" without their empty cells. Otherwise cells have tabs between.
    """
    names: Sequence[str] | None = None
    for row in rows:
        cells = [" ".join(cell.split()) for cell in row]
        if not any(cells):
            continue
        if names:
            yield "; ".join(_named(names, column, cell) for column, cell in enumerate(cells) if cell)
            continue
        if names is None and sum(map(bool, cells)) > 1:
            names = cells if _is_header(cells) else ()
        yield "\t".join(cells).strip()


def _is_header(cells: Sequence[str]) -> bool:
    named = [cell for cell in cells if cell]
    return len(set(named)) == len(named) and not any(
        len(cell) > MAX_NAME or NUMBER.fullmatch(cell) for cell in named
    )


def _named(names: Sequence[str], column: int, cell: str) -> str:
    name = names[column] if column < len(names) else ""
    return f"{name}: {cell}" if name else cell
