"""PowerPoint: a slide is a page, with its title as a heading, its tables row by row, and its notes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from searchkit.parsers.archive import checked
from searchkit.parsers.blocks import LINE, PARAGRAPH, Blocks
from searchkit.parsers.office import library, pictures_of, version
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded

A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
P = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
TITLES = ("title", "ctrTitle")
FILLED_IN = ("sldNum", "dt", "ftr", "hdr")
"""Placeholders that say the same on every slide: its number, the date, the line at its foot or head."""
KINDS = (
    "slideshow",
    "template",
    "presentation.macroEnabled",
    "slideshow.macroEnabled",
    "template.macroEnabled",
)


class PptxParser(Parser):
    """Shapes in the order of the markup, the title first."""

    name = version("python-pptx")
    suffixes = frozenset({".pptx", ".pptm", ".ppsx", ".potx", ".ppt"})
    capped = True

    def parse(self, path: Path) -> Document:
        blocks = Blocks(path)
        with _slides(path) as (presentation, slides):
            for part in slides:
                blocks.page()
                _shapes(part._element, blocks)
                notes = _notes(part)
                if notes is not None:
                    _shapes(notes, blocks)
            title = presentation.core_properties.title
        return blocks.document(title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        seen: set[str] = set()
        with _slides(path) as (_, slides):
            for number, part in enumerate(slides, 1):
                yield from pictures_of(part, part._element, seen, page=number)


@contextmanager
def _slides(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """The presentation's part, and those of its slides, in order."""
    package, factory = library("pptx.package", path=path), library("pptx.opc.package", path=path).PartFactory
    plain = library("pptx.parts.presentation", path=path).PresentationPart
    for kind in KINDS:  # of the same markup, though the library knows only two of them by name
        factory.part_type_for.setdefault(_content_type(kind), plain)
    with checked(path, office=True) as file:
        presentation = package.Package.open(file).presentation_part
        links = presentation._element.iter(P + "sldId")
        yield presentation, [presentation.related_part(link.rId) for link in links]


def _content_type(kind: str) -> str:
    if kind.endswith(".macroEnabled"):
        return f"application/vnd.ms-powerpoint.{kind}.main+xml"
    return f"application/vnd.openxmlformats-officedocument.presentationml.{kind}.main+xml"


def _notes(part: Any) -> Any:
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith("/notesSlide"):
            return relation.target_part._element
    return None


def _shapes(root: Any, blocks: Blocks) -> None:
    """Text frames and tables, those in groups too; the title comes first, wherever it lies."""
    shapes = [(_placeholder(shape), shape) for shape in root.iter(P + "sp", P + "graphicFrame")]
    shapes.sort(key=lambda shape: shape[0] not in TITLES)
    for kind, shape in shapes:
        if kind in FILLED_IN or any(above.tag == FALLBACK for above in shape.iterancestors()):
            continue
        paragraphs = [_text(p) for p in shape.iterfind(f"{P}txBody/{A}p")]
        if kind in TITLES:
            blocks.heading(" ".join(paragraphs), 1)
        else:
            blocks.add("\n".join(p for p in paragraphs if p))
        gap = PARAGRAPH
        for row in shape.iter(A + "tr"):
            cells = (" ".join(map(_text, cell.iter(A + "p"))) for cell in row.iterfind(A + "tc"))
            line = "\t".join(" ".join(cell.split()) for cell in cells)
            blocks.add(line.strip(), gap=gap)
            gap = LINE


def _placeholder(shape: Any) -> str:
    """What a shape is for, as its layout says: "title", "body"…; empty for shapes of their own."""
    mark = shape.find(f"{P}nvSpPr/{P}nvPr/{P}ph")
    return "" if mark is None else mark.get("type", "body")


def _text(paragraph: Any) -> str:
    parts = (node.text or "" if node.tag == A + "t" else "\n" for node in paragraph.iter(A + "t", A + "br"))
    return "".join(parts).strip()
