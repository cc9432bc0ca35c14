"""OpenDocument (LibreOffice): texts, presentations and spreadsheets, all of one markup in an archive."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree.ElementTree import Element

from searchkit.errors import Unreadable
from searchkit.parsers.archive import checked, parse_xml
from searchkit.parsers.blocks import LINE, PARAGRAPH, Blocks
from searchkit.parsers.limits import MAX_CELLS, MAX_CHARACTERS, MB, too_much
from searchkit.parsers.rows import lines
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded


def _space(name: str) -> str:
    return f"{{urn:oasis:names:tc:opendocument:xmlns:{name}:1.0}}"


OFFICE, TEXT, TABLE, DRAW = _space("office"), _space("text"), _space("table"), _space("drawing")
PRESENTATION, MANIFEST = _space("presentation"), _space("manifest")
LINK = "{http://www.w3.org/1999/xlink}href"
TITLE = "{http://purl.org/dc/elements/1.1/}title"
CONTENT, META, LIST = "content.xml", "meta.xml", "META-INF/manifest.xml"

PARAGRAPHS = (TEXT + "p", TEXT + "h")
SIGNS = {TEXT + "tab": "\t", TEXT + "line-break": "\n", TEXT + "s": " "}
SPACES = re.compile(r"[ \t\r\n]+")
SKIPPED = frozenset(
    (
        OFFICE + "annotation",
        OFFICE + "forms",
        TABLE + "shapes",
        TEXT + "table-of-content",
        TEXT + "tracked-changes",
        TEXT + "note-citation",
    )
)
"""Comments, forms, drawings on a sheet, headings said twice, what was deleted, and the numbers of notes."""
MOST_SPACES = 100
"""Written as one element: nobody types more."""
FILLED_IN = frozenset(("date-time", "footer", "header", "page-number"))
"""What a slide says as all the others do."""
CELLS = (TABLE + "table-cell", TABLE + "covered-table-cell")


class OdfParser(Parser):
    """A slide or a sheet is a page, with its title or name as a heading; a row of a sheet names its columns.
    Pages of a text depend on printer and fonts: the file has none."""

    name = "searchkit odf 1"
    suffixes = frozenset({".odt", ".ott", ".odp", ".otp", ".ods", ".ots"})
    capped = True

    def parse(self, path: Path) -> Document:
        with _opened(path) as (archive, body):
            reader = _Body(path)
            reader.read(body)
            title = _title(archive, path)
        return reader.blocks.document(title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        with _opened(path) as (archive, body):
            seen, inside, page = set[str](), set(archive.namelist()), 0
            pages = TABLE + "table" if body.tag == OFFICE + "spreadsheet" else DRAW + "page"
            for node in body.iter():
                page += node.tag == pages
                if node.tag != DRAW + "image":
                    continue
                name = posixpath.normpath(node.get(LINK, ""))
                if name in inside and name not in seen:
                    seen.add(name)
                    yield Embedded(archive.read(name), page or None)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, Element]]:
    """The archive, and the element that holds the text, the slides or the sheets. Raises `Unreadable`."""
    with checked(path) as file, zipfile.ZipFile(file) as archive:
        inside = archive.namelist()
        if LIST in inside:
            listed = parse_xml(archive.read(LIST), name=str(path))
            if next(listed.iter(MANIFEST + "encryption-data"), None) is not None:
                raise Unreadable(
                    f"{path} is protected by a password", hint="save a copy without the password"
                )
        if CONTENT not in inside:
            raise Unreadable(f"{path} is not an OpenDocument file: {CONTENT} is missing")
        body = parse_xml(archive.read(CONTENT), name=str(path)).find(OFFICE + "body")
        if body is None or not len(body):
            raise Unreadable(f"{path} is damaged: {CONTENT} has no body")
        yield archive, body[0]


def _title(archive: zipfile.ZipFile, path: Path) -> str | None:
    if META not in archive.namelist():
        return None
    return next((n.text for n in parse_xml(archive.read(META), name=str(path)).iter(TITLE)), None)


class _Body:
    """Reads markup in its order, without recursion. What stands inside a paragraph (a note, a text box)
    comes after it."""

    def __init__(self, path: Path) -> None:
        self.blocks, self._path = Blocks(path), path
        self._sheets = False
        self._open: list[list[str]] = []
        """The words of the paragraphs that we are in."""
        self._inside: list[tuple[str, int]] = []
        """Paragraphs that end inside another, with their heading levels."""
        self._tables = self._titles = 0
        """How many we are in: tables stand in cells of tables."""
        self._cell: list[str] = []
        self._row: list[str] = []
        self._empty = 0
        """Empty cells since the last one with words: a row may say that it has a million."""
        self._cells = self._characters = 0
        self._rows: list[list[str]] = []
        self._starts: dict[str, Callable[[Element], None]] = {
            DRAW + "page": lambda node: self.blocks.page(),
            DRAW + "frame": lambda node: self._frame(node, 1),
            TABLE + "table": self._table_starts,
            **dict.fromkeys(PARAGRAPHS, lambda node: self._open.append([])),
        }
        self._ends: dict[str, Callable[[Element], None]] = {
            DRAW + "frame": lambda node: self._frame(node, -1),
            TABLE + "table": self._table_ends,
            TABLE + "table-row": self._row_ends,
            **dict.fromkeys(PARAGRAPHS, self._paragraph_ends),
            **dict.fromkeys(CELLS, self._cell_ends),
        }

    def read(self, body: Element) -> None:
        self._sheets = body.tag == OFFICE + "spreadsheet"
        stack = [(body, True)]
        while stack:
            node, entering = stack.pop()
            if not entering:
                if node.tag in self._ends:
                    self._ends[node.tag](node)
            elif node.tag not in SKIPPED and node.get(PRESENTATION + "class") not in FILLED_IN:
                if node.tag in self._starts:
                    self._starts[node.tag](node)
                self._words(SIGNS.get(node.tag, "") * min(_number(node, TEXT + "c"), MOST_SPACES))
                self._words(SPACES.sub(" ", node.text or ""))
                stack.append((node, False))
                stack.extend((child, True) for child in reversed(node))
                continue
            if node is not body:
                self._words(SPACES.sub(" ", node.tail or ""))

    def _words(self, text: str) -> None:
        if self._open:
            self._open[-1].append(text)

    def _frame(self, node: Element, step: int) -> None:
        self._titles += step * (node.get(PRESENTATION + "class") == "title")

    def _paragraph_ends(self, node: Element) -> None:
        text = "".join(self._open.pop()).strip()
        if self._tables:
            self._cell.append(text)
            return
        level = 1 if self._titles else 0
        if node.tag == TEXT + "h":
            level = min(_number(node, TEXT + "outline-level"), 9)
        if self._open:
            self._inside.append((text, level))
            return
        self._inside.insert(0, (text, level))
        for words, depth in self._inside:
            if depth:
                self.blocks.heading(words, depth)
            else:
                self.blocks.add(words)
        self._inside.clear()

    def _table_starts(self, node: Element) -> None:
        self._tables += 1
        if self._sheets and self._tables == 1:
            self.blocks.page()

    def _cell_ends(self, node: Element) -> None:
        if self._tables > 1:
            return
        text, repeated = " ".join(filter(None, self._cell)), _number(node, TABLE + "number-columns-repeated")
        self._cell.clear()
        if not text:
            self._empty += repeated
            return
        self._cells += self._empty + repeated
        if self._cells > MAX_CELLS:
            raise too_much(self._path, f"more than {MAX_CELLS // 10**6} million cells")
        self._characters += len(text) * repeated
        if self._characters > MAX_CHARACTERS:
            raise too_much(self._path, f"more than {MAX_CHARACTERS // MB} million characters of text")
        self._row += [""] * self._empty + [text] * repeated
        self._empty = 0

    def _row_ends(self, node: Element) -> None:
        """A row that says it is repeated is one."""
        if self._tables == 1:
            self._rows.append(self._row)
            self._row, self._empty = [], 0

    def _table_ends(self, node: Element) -> None:
        self._tables -= 1
        if self._tables:
            return
        if self._sheets and any(self._rows):
            self.blocks.heading(node.get(TABLE + "name", ""), 1)
        tabbed = ("\t".join(" ".join(cell.split()) for cell in row) for row in self._rows)
        gap = PARAGRAPH
        for line in lines(self._rows) if self._sheets else tabbed:
            self.blocks.add(line.strip(), gap=gap)
            gap = LINE
        self._rows.clear()


def _number(node: Element, attribute: str) -> int:
    """A count of at least 1, which is also what a missing or a senseless one means."""
    found = node.get(attribute, "")
    return max(1, int(found)) if found.isdecimal() and len(found) < 10 else 1
