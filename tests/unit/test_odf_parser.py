"""OpenDocument: texts, presentations and spreadsheets."""

from __future__ import annotations

from pathlib import Path

import pytest

from searchkit.errors import NoText, Unreadable
from searchkit.parsers.odf import OdfParser
from searchkit.types import Document
from tests.documents import make_odf, png


def read(data: bytes, folder: Path) -> Document:
    path = folder / "file.odt"
    path.write_bytes(data)
    return OdfParser().parse(path)


def named(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, document.text[heading.start : heading.end]) for heading in document.headings]


def test_a_text_has_its_headings_its_tables_and_its_white_space(tmp_path: Path) -> None:
    body = """
    <text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>
    <text:table-of-content><text:index-body><text:p>Ebb tide 1</text:p></text:index-body>
    </text:table-of-content>
    <text:h text:outline-level="2">Ebb
       tide</text:h>
    <text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d<office:annotation><text:p>comment</text:p>
    </office:annotation> e</text:p>
    <text:list><text:list-item><text:p>one</text:p></text:list-item></text:list>
    <table:table><table:table-row><table:table-cell><text:p>x</text:p><text:p>y</text:p></table:table-cell>
      <table:table-cell><table:table><table:table-row><table:table-cell><text:p>z</text:p></table:table-cell>
      </table:table-row></table:table></table:table-cell></table:table-row></table:table>
    <text:h>Flood</text:h>"""
    document = read(make_odf(body), tmp_path)
    assert document.text == "Ebb tide\n\na  b\tc\nd e\n\none\n\nx y\tz\n\nFlood"
    assert named(document) == [(2, "Ebb tide"), (1, "Flood")]
    assert document.title == "Coast" and document.pages == ()


def test_notes_and_text_boxes_come_after_the_paragraph_that_holds_them(tmp_path: Path) -> None:
    note = (
        "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>{}</text:p>"
        "</text:note-body></text:note>"
    )
    body = f"<text:p>before{note.format('first')} after{note.format('second')}</text:p><text:p>next</text:p>"
    assert read(make_odf(body), tmp_path).text == "before after\n\nfirst\n\nsecond\n\nnext"


def test_slides_are_pages_with_titles_and_notes(tmp_path: Path) -> None:
    def frame(kind: str, text: str) -> str:
        return (
            f'<draw:frame presentation:class="{kind}"><draw:text-box><text:p>{text}</text:p>'
            "</draw:text-box></draw:frame>"
        )

    slide = f"<draw:page>{frame('title', 'Tides')}{frame('outline', 'high')}{frame('footer', 'always')}"
    notes = f"<presentation:notes>{frame('notes', 'slowly')}</presentation:notes></draw:page>"
    picture = '<draw:page><draw:frame><draw:image xlink:href="Pictures/a.png"/></draw:frame></draw:page>'
    last = f"<draw:page>{frame('title', 'Ebb')}</draw:page>"
    data = make_odf(slide + notes + picture + last, "presentation", members={"Pictures/a.png": png("blue")})
    document = read(data, tmp_path)
    assert document.text == "Tides\n\nhigh\n\nslowly\n\nEbb"
    assert [document.text[p.start : p.end] for p in document.pages] == ["Tides\n\nhigh\n\nslowly", "", "Ebb"]
    assert named(document) == [(1, "Tides"), (1, "Ebb")]
    pictures = list(OdfParser().pictures(tmp_path / "file.odt"))
    assert [(picture.data, picture.page) for picture in pictures] == [(png("blue"), 2)]


def row(*cells: str, repeated: int = 1) -> str:
    def cell(text: str) -> str:
        words, _, times = text.partition("*")
        many = f' table:number-columns-repeated="{times}"' if times else ""
        return f"<table:table-cell{many}><text:p>{words}</text:p></table:table-cell>"

    rows = f' table:number-rows-repeated="{repeated}"' if repeated > 1 else ""
    return f"<table:table-row{rows}>{''.join(map(cell, cells))}</table:table-row>"


def test_a_sheet_is_a_page_whose_rows_name_their_columns(tmp_path: Path) -> None:
    empty = row("*16384", repeated=1_048_576)
    rows = row("name", "*2", "kg") + row("crane", "*2", "6")
    birds = f'<table:table table:name="Birds">{rows}{empty}</table:table>'
    nothing = f'<table:table table:name="Nothing">{empty}</table:table>'
    tides = f'<table:table table:name="Tides">{row("1*3")}</table:table>'
    document = read(make_odf(birds + nothing + tides, "spreadsheet"), tmp_path)
    assert document.text == "Birds\n\nname\t\t\tkg\nname: crane; kg: 6\n\nTides\n\n1\t1\t1"
    assert [document.text[p.start : p.end].split("\n")[0] for p in document.pages] == ["Birds", "", "Tides"]
    assert named(document) == [(1, "Birds"), (1, "Tides")]
    with pytest.raises(NoText):
        read(make_odf(nothing, "spreadsheet"), tmp_path)


@pytest.mark.parametrize("cells", ["x*999999999", "*999999999,x", f"{'x' * 100_000}*1000"])
def test_cells_that_say_they_are_many_are_refused(cells: str, tmp_path: Path) -> None:
    table = f'<table:table table:name="a">{row(*cells.split(","))}</table:table>'
    with pytest.raises(Unreadable, match="more than"):
        read(make_odf(table, "spreadsheet"), tmp_path)


def test_spaces_that_say_they_are_many_are_some(tmp_path: Path) -> None:
    assert len(read(make_odf('<text:p>a<text:s text:c="999999999"/>b</text:p>'), tmp_path).text) == 102


def test_a_protected_file_and_one_with_entities_are_refused(tmp_path: Path) -> None:
    listed = make_odf("<text:p>a</text:p>", members={"META-INF/manifest.xml": b""})
    with pytest.raises(Unreadable):
        read(listed, tmp_path)
    manifest = (
        b'<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry>'
        b"<m:encryption-data/></m:file-entry></m:manifest>"
    )
    with pytest.raises(Unreadable, match="password"):
        read(make_odf("<text:p>a</text:p>", members={"META-INF/manifest.xml": manifest}), tmp_path)
    bomb = b'<!DOCTYPE a [<!ENTITY a "aaaa">]><a>&a;</a>'
    with pytest.raises(Unreadable, match="entities"):
        read(make_odf("", members={"content.xml": bomb}), tmp_path)
