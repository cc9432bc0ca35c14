"""Jupyter notebooks: the sources of their cells, without what the cells put out."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from searchkit.errors import Unreadable
from searchkit.parsers.blocks import Blocks
from searchkit.parsers.limits import one_file
from searchkit.parsers.markdown import headings, title_of
from searchkit.parsers.text import read_text
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded

PICTURES = ("image/png", "image/jpeg")


class NotebookParser(Parser):
    """One block a cell; headings are those of the Markdown cells. The pictures are those the cells drew."""

    name = "searchkit notebook 1"
    suffixes = frozenset({".ipynb"})
    capped = True

    def parse(self, path: Path) -> Document:
        blocks, title = Blocks(path), None
        with one_file(path):
            for cell in _cells(path):
                source = _joined(cell.get("source", cell.get("input")))
                found = headings(source) if cell.get("cell_type") == "markdown" else ()
                title = title or title_of(source, found)
                blocks.add(source, headings=found)
        return blocks.document(title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        with one_file(path):
            for cell in _cells(path):
                for output in _dicts(cell.get("outputs")):
                    drawn = output.get("data")
                    for kind in PICTURES:
                        try:
                            data = base64.b64decode(
                                _joined(drawn.get(kind) if isinstance(drawn, dict) else None)
                            )
                        except binascii.Error:
                            continue
                        if data:
                            yield Embedded(data)


def _cells(path: Path) -> Iterator[dict[str, Any]]:
    """The cells of a notebook in format 3 or 4; format 3 says "input" for what 4 calls "source"."""
    try:
        book = json.loads(read_text(path))
    except ValueError as error:
        raise Unreadable(f"{path} is damaged: not JSON: {error}") from error
    if not isinstance(book, dict):
        raise Unreadable(f"{path} is not a notebook")
    sheets = _dicts(book.get("worksheets"))
    for part in (book, *sheets):
        yield from _dicts(part.get("cells"))


def _dicts(value: object) -> Iterator[dict[str, Any]]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _joined(source: object) -> str:
    """A string, or the list of its lines."""
    lines = source if isinstance(source, list) else [source]
    return "".join(line for line in lines if isinstance(line, str))
