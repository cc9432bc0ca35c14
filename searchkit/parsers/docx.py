"""Word: paragraphs, tables row by row, text boxes, notes; headings by their styles."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from searchkit.parsers.archive import checked
from searchkit.parsers.blocks import LINE, PARAGRAPH, Blocks
from searchkit.parsers.office import library, pictures_of, version
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
SIGNS = {W + "tab": "\t", W + "br": "\n", W + "cr": "\n", W + "noBreakHyphen": "-"}
SKIPPED = frozenset(
    {W + "moveFrom", W + "del", "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"}
)
"""What was moved away or deleted, and what stands for a drawing where the drawing cannot be shown."""
BODY_TEXT = 9
"""The outline level of what is no heading; those above count from 0."""
HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
STYLE = f"{W}pPr/{W}pStyle"
NOTES = ("footnotes", "endnotes")


class DocxParser(Parser):
    """The body as it is read, then the notes. Word's pages depend on printer and fonts: the file has none."""

    name = version("python-docx")
    suffixes = frozenset({".docx", ".docm", ".dotx", ".dotm", ".doc"})
    capped = True

    def parse(self, path: Path) -> Document:
        opc, blocks = library("docx.opc.package", path=path), Blocks(path)
        with checked(path, office=True) as file:
            package = opc.OpcPackage.open(file)
            part = package.main_document_part
            levels = _heading_levels(_related(part, "styles"))
            for root in (_root(part), *(_related(part, kind) for kind in NOTES)):
                if root is not None:
                    _Body(levels, blocks).read(root)
            title = package.core_properties.title
        return blocks.document(title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        opc = library("docx.opc.package", path=path)
        with checked(path, office=True) as file:
            part = opc.OpcPackage.open(file).main_document_part
            yield from pictures_of(part, _root(part), set())


def _root(part: Any) -> Any:
    """The markup of a part, whether the library knows its kind or not (a template, notes)."""
    if hasattr(part, "element"):
        return part.element
    from docx.oxml.parser import parse_xml

    return parse_xml(part.blob)


def _related(part: Any, kind: str) -> Any:
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(f"/{kind}"):
            return _root(relation.target_part)
    return None


def _heading_levels(styles: Any) -> dict[str, int]:
    """Style id → heading level, by the style's name, its outline level, or the style that it is based on."""
    if styles is None:
        return {}
    own: dict[str, int] = {}
    based: dict[str, str] = {}
    for style in styles.iter(W + "style"):
        key = style.get(W + "styleId", "")
        named = HEADING.fullmatch(_value(style.find(W + "name")))
        outline = _outline(style)
        if named:
            own[key] = int(named[1])
        elif outline is not None:
            own[key] = outline
        based[key] = _value(style.find(W + "basedOn"))
    levels: dict[str, int | None] = {**own}
    for key in based:
        at, below = key, list[str]()
        while at in based and at not in levels:
            levels[at] = None  # also of styles that are based on each other in a ring
            below.append(at)
            at = based[at]
        levels |= dict.fromkeys(below, levels.get(at))
    return {key: level for key, level in levels.items() if level is not None}


def _outline(node: Any) -> int | None:
    """The heading level that the properties of a style or a paragraph name; 0 says that it is none."""
    found = _value(node.find(f"{W}pPr/{W}outlineLvl"))
    if not found.isdecimal():
        return None
    return int(found) + 1 if int(found) < BODY_TEXT else 0


def _value(node: Any) -> str:
    return "" if node is None else node.get(W + "val", "")


class _Body:
    """Reads markup in its order, without recursion. A table's row is a line, with tabs between its cells."""

    def __init__(self, levels: dict[str, int], blocks: Blocks) -> None:
        self._levels, self._blocks = levels, blocks
        self._words: list[str] = []
        self._rows = 0
        """How many rows we are in: tables stand in cells of tables."""
        self._gap = PARAGRAPH
        self._ends = {
            W + "p": self._paragraph,
            W + "tc": self._cell,
            W + "tr": self._row,
            W + "tbl": self._table,
        }

    def read(self, root: Any) -> None:
        from lxml import etree

        walk = etree.iterwalk(root, events=("start", "end"))
        for event, node in walk:
            tag = node.tag
            if event == "end":
                if tag in self._ends:
                    self._ends[tag](node)
            elif tag in SKIPPED:
                walk.skip_subtree()
            elif tag == W + "t":
                self._words.append(node.text or "")
            elif tag in SIGNS and node.getparent().tag == W + "r":  # not a tab stop of the settings
                self._words.append(SIGNS[tag])
            elif tag == W + "tr":
                self._rows += 1

    def _paragraph(self, node: Any) -> None:
        if self._rows:
            self._words.append(" ")
            return
        text = self._taken().strip()
        outline = _outline(node)
        level = outline if outline is not None else self._levels.get(_value(node.find(STYLE)), 0)
        if level:
            self._blocks.heading(text, level)
        else:
            self._blocks.add(text)
        self._gap = PARAGRAPH

    def _cell(self, node: Any) -> None:
        self._words.append("\t")

    def _row(self, node: Any) -> None:
        self._rows -= 1
        if not self._rows:
            cells = (" ".join(cell.split()) for cell in self._taken().split("\t"))
            self._blocks.add("\t".join(cells).strip(), gap=self._gap)
            self._gap = LINE

    def _table(self, node: Any) -> None:
        if not self._rows:
            self._gap = PARAGRAPH

    def _taken(self) -> str:
        text = "".join(self._words)
        self._words.clear()
        return text
