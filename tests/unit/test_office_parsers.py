from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from searchkit.errors import Unreadable
from searchkit.parsers import office
from searchkit.parsers.docx import DocxParser
from searchkit.parsers.limits import MAX_CELLS
from searchkit.parsers.pptx import PptxParser
from searchkit.parsers.xlsx import XlsxParser
from searchkit.protocols import Parser
from searchkit.types import Document
from tests.documents import SAMPLES, png, saved


def read(parser: Parser, data: bytes, folder: Path) -> Document:
    path = folder / "file"
    path.write_bytes(data)
    return parser.parse(path)


def named(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, document.text[heading.start : heading.end]) for heading in document.headings]


def test_a_word_document_has_headings_by_style_and_a_table_by_rows(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Birds", 1)
    document.add_paragraph("They\tfly")
    table = document.add_table(2, 2)
    for place, text in (((0, 0), "name"), ((0, 1), "kg"), ((1, 0), "crane\nbird"), ((1, 1), "6")):
        table.cell(*place).text = text
    document.add_heading("Cranes", 2)
    document.add_paragraph("Grey.")
    read_back = read(DocxParser(), saved(document.save), tmp_path)
    assert read_back.text == "Birds\n\nThey\tfly\n\nname\tkg\ncrane bird\t6\n\nCranes\n\nGrey."
    assert named(read_back) == [(1, "Birds"), (2, "Cranes")]


def test_a_style_based_on_a_heading_is_one_and_an_outline_level_overrides_it(tmp_path: Path) -> None:
    document = docx.Document()
    house = document.styles.add_style("House heading", 1)
    house.base_style = document.styles["Heading 3"]
    document.add_paragraph("Ours", style=house)
    plain = document.add_paragraph("Not a heading", style="Heading 2")
    for level, paragraph in ((9, plain), (0, document.add_paragraph("By level"))):
        properties = paragraph._p.get_or_add_pPr()
        properties.append(parse_xml(f'<w:outlineLvl {nsdecls("w")} w:val="{level}"/>'))
    assert named(read(DocxParser(), saved(document.save), tmp_path)) == [(3, "Ours"), (1, "By level")]


def test_what_was_deleted_is_not_there_and_what_was_inserted_is(tmp_path: Path) -> None:
    document = docx.Document()
    for tag, text in (("ins", "added "), ("moveFrom", "gone "), ("moveTo", "here")):
        run = f"<w:{tag} {nsdecls('w')}><w:r><w:t xml:space='preserve'>{text}</w:t></w:r></w:{tag}>"
        (document.paragraphs or [document.add_paragraph()])[0]._p.append(parse_xml(run))
    assert read(DocxParser(), saved(document.save), tmp_path).text == "added here"


def test_pictures_in_a_word_document_come_in_order_and_once(tmp_path: Path) -> None:
    document = docx.Document()
    for colour in ("blue", "red", "blue"):
        document.add_picture(io.BytesIO(png(colour)))
    path = tmp_path / "a.docx"
    document.save(str(path))
    assert [picture.data for picture in DocxParser().pictures(path)] == [png("blue"), png("red")]


def test_slides_are_pages_with_titles_tables_groups_and_notes(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    first, _, third = (deck.slides.add_slide(deck.slide_layouts[n]) for n in (5, 6, 1))
    box = first.shapes.add_textbox(0, 0, 9, 9)
    box.text_frame.text = "below the title"
    first.shapes._spTree.insert(2, box._element)  # first in the markup
    first.shapes.title.text = "Tides"
    table = first.shapes.add_table(1, 2, 0, 0, 9, 9).table
    table.cell(0, 0).text, table.cell(0, 1).text = "high", "low"
    inside = first.shapes.add_group_shape().shapes.add_textbox(0, 0, 9, 9)
    inside.text_frame.text = "in a group"
    first.notes_slide.notes_text_frame.text = "do not hurry"
    third.shapes.title.text, third.placeholders[1].text = "Moon", "new\nfull"
    third.shapes.add_picture(io.BytesIO(png()), 0, 0)
    document = read(PptxParser(), saved(deck.save), tmp_path)
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "Tides\n\nbelow the title\n\nhigh\tlow\n\nin a group\n\ndo not hurry",
        "",
        "Moon\n\nnew\nfull",
    ]
    assert named(document) == [(1, "Tides"), (1, "Moon")]
    assert [(picture.page, picture.data) for picture in PptxParser().pictures(tmp_path / "file")] == [
        (3, png())
    ]


def test_sheets_are_pages_and_each_row_names_its_columns(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Birds"
    for row in ((None, None, None), ("name", "kg", "seen"), ("crane", 6.1, True), ("wren", None, "no")):
        book.active.append(row)
    book.create_sheet("Numbers").append([1, 2])
    document = read(XlsxParser(), saved(book.save), tmp_path)
    assert [document.text[page.start : page.end] for page in document.pages] == [
        "Birds\n\nname\tkg\tseen\nname: crane; kg: 6.1; seen: True\nname: wren; seen: no",
        "Numbers\n\n1\t2",
    ]
    assert named(document) == [(1, "Birds"), (1, "Numbers")]


def altered(sample: bytes, member: str, old: bytes, new: bytes) -> bytes:
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(sample)) as before,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as after,
    ):
        for name in before.namelist():
            data = before.read(name)
            assert name != member or old in data
            after.writestr(name, data.replace(old, new, 1) if name == member else data)
    return file.getvalue()


def test_a_sheet_that_says_it_is_endless_is_refused(tmp_path: Path) -> None:
    row = b'<row r="%d"><c r="A%d"><v>1</v></c></row></sheetData>' % (MAX_CELLS * 2, MAX_CELLS * 2)
    data = altered(SAMPLES["XlsxParser"], "xl/worksheets/sheet1.xml", b"</sheetData>", row)
    with pytest.raises(Unreadable, match="more than 5 million cells"):
        read(XlsxParser(), data, tmp_path)


@pytest.mark.parametrize(("suffix", "kind"), [(".docm", "Docx"), (".pptm", "Pptx"), (".ppsx", "Pptx")])
def test_macros_templates_and_shows_are_read_like_the_plain_kind(
    suffix: str, kind: str, tmp_path: Path
) -> None:
    old, new = {
        ".docm": (
            b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
            b"application/vnd.ms-word.document.macroEnabled.main+xml",
        ),
        ".pptm": (
            b"application/vnd.openxmlformats-officedocument.presentationml.presentation.main+xml",
            b"application/vnd.ms-powerpoint.presentation.macroEnabled.main+xml",
        ),
        ".ppsx": (b"presentationml.presentation.main+xml", b"presentationml.slideshow.main+xml"),
    }[suffix]
    parser: dict[str, Parser] = {"Docx": DocxParser(), "Pptx": PptxParser()}
    data = altered(SAMPLES[f"{kind}Parser"], "[Content_Types].xml", old, new)
    assert "The lighthouse" in read(parser[kind], data, tmp_path).text


@pytest.mark.parametrize("parser", [DocxParser(), PptxParser(), XlsxParser()], ids=lambda p: type(p).__name__)
def test_entities_are_refused_before_they_grow(parser: Parser, tmp_path: Path) -> None:
    declared = b'<!DOCTYPE Types [<!ENTITY a "aaaa">]><Types'
    data = altered(SAMPLES[type(parser).__name__], "[Content_Types].xml", b"<Types", declared)
    with pytest.raises(Unreadable, match="declares entities"):
        read(parser, data, tmp_path)


@pytest.mark.parametrize("parser", [DocxParser(), PptxParser(), XlsxParser()], ids=lambda p: type(p).__name__)
def test_without_the_extra_the_remedy_is_named(
    parser: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(office.importlib, "import_module", missing)
    with pytest.raises(Unreadable, match="not installed") as refused:
        read(parser, SAMPLES[type(parser).__name__], tmp_path)
    assert refused.value.hint == "pip install 'searchkit[office]'"
