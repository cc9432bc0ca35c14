"""EPUB, mail, RTF, tables and notebooks."""

from __future__ import annotations

import json
from email.message import EmailMessage
from pathlib import Path

import pytest

from searchkit.errors import Unreadable
from searchkit.parsers.epub import EpubParser
from searchkit.parsers.mail import MailParser
from searchkit.parsers.notebook import NotebookParser
from searchkit.parsers.rtf import RtfParser
from searchkit.parsers.table import TableParser
from searchkit.protocols import Parser
from searchkit.types import Document
from tests.documents import PACKAGE, make_epub, png, zipped


def read(parser: Parser, data: bytes | str, folder: Path) -> Document:
    path = folder / "file"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return parser.parse(path)


def named(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, document.text[heading.start : heading.end]) for heading in document.headings]


def test_a_book_is_read_in_the_order_of_its_spine(tmp_path: Path) -> None:
    chapters = {
        "z.xhtml": "<h1>One <i>day</i></h1><p>a",
        "a b.xhtml": "<p>no heading",
        "m.xhtml": "<h2>Two</h2>b",
    }
    document = read(EpubParser(), make_epub(chapters), tmp_path)
    assert document.text == "One day\n\na\n\nno heading\n\nTwo\n\nb"
    assert named(document) == [(1, "One day"), (2, "Two")]
    assert document.title == "Coast"


BOOK = {
    "part.xhtml": "<p>of the sea",
    "one.xhtml": "<h1>1. The ebb</h1><p>a<h2>Crabs</h2><p>b<h2>Gulls</h2><p>c",
    "more.xhtml": "<h2>Seals</h2><p>d",
    "two.xhtml": "<p class='title'>The flood</p><p>e",
    "end.xhtml": "<h3>Thanks</h3><p>f",
}
LINES = "Part one|of the sea|1. The ebb|a|Crabs|b|Gulls|c|Seals|d|The flood|e|End|Thanks|f"
PLACED = [
    *((1, "Part one"), (2, "1. The ebb"), (3, "Crabs"), (3, "Gulls"), (3, "Seals"), (2, "The flood")),
    *((1, "End"), (2, "Thanks")),
]
"""Gulls and Seals are named nowhere: they lie beside Crabs in their pages, and so they do in the book."""


def test_a_books_chapters_have_the_names_and_depths_of_its_table_of_contents(tmp_path: Path) -> None:
    nav = """<h1>Contents</h1><ol><li><a href="part.xhtml">Part one</a><ol>
      <li><a href="one.xhtml">The ebb</a><ol><li><a href="one.xhtml#crabs">Crabs</a></li></ol></li>
      <li><a href="two.xhtml">The  flood</a></li></ol></li>
      <li><a href="end.xhtml#top">End</a></li><li><a href="http://example.org/">Shop</a></li>
      <li><a href="gone.xhtml">Gone</a></li></ol>"""
    document = read(EpubParser(), make_epub(BOOK, nav=nav), tmp_path)
    assert document.text == LINES.replace("|", "\n\n")
    assert named(document) == PLACED


def test_a_book_of_the_older_kind_has_them_from_its_list(tmp_path: Path) -> None:
    def point(name: str, page: str, inside: str = "") -> str:
        return f'<navPoint><navLabel><text>{name}</text></navLabel><content src="{page}"/>{inside}</navPoint>'

    chapters = point("The ebb", "one.xhtml", point("Crabs", "one.xhtml#c")) + point("The flood", "two.xhtml")
    ncx = point("Part one", "part.xhtml", chapters) + point("End", "end.xhtml")
    document = read(EpubParser(), make_epub(BOOK, ncx=ncx), tmp_path)
    assert named(document) == PLACED


@pytest.mark.parametrize("damaged", [{"ncx": "<navPoint>"}, {"nav": "<p>nothing listed</p>"}, {}])
def test_a_book_is_read_without_its_table_of_contents(damaged: dict[str, str], tmp_path: Path) -> None:
    document = read(EpubParser(), make_epub(BOOK, **damaged), tmp_path)
    assert named(document)[:2] == [(1, "1. The ebb"), (2, "Crabs")]


def test_a_books_pictures_come_from_its_own_archive_once(tmp_path: Path) -> None:
    chapters = {
        "a.xhtml": '<img src="../book/x%20y.png"/><img src="http://example.org/x.png"/><img src="gone.png"/>',
        "b.xhtml": '<svg><image xlink:href="x y.png"/></svg><img src="z.png"/>',
    }
    path = tmp_path / "file"
    path.write_bytes(make_epub(chapters, {"x y.png": png("blue"), "z.png": png()}))
    assert [picture.data for picture in EpubParser().pictures(path)] == [png("blue"), png()]


def test_a_book_without_its_list_of_pages_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"META-INF/container\.xml is missing"):
        read(EpubParser(), zipped({"mimetype": "application/epub+zip", "book/all.opf": PACKAGE}), tmp_path)


def mail(text: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = (
        "Ünder the bridge",
        "Ada <a@example.org>",
        "b@example.org",
    )
    message["Date"] = "Mon, 04 Mar 2024 10:00:00 +0100"
    message.set_content(text)
    return message


ADDRESSES = "From: Ada <a@example.org>\nTo: b@example.org"
HEAD = f"Subject: Ünder the bridge\n{ADDRESSES}\nDate: Mon, 04 Mar 2024 10:00:00 +0100"


def test_a_mail_shows_its_head_its_plain_text_and_the_names_of_what_is_attached(tmp_path: Path) -> None:
    message = mail("Hello, Jürgen\n")
    message.add_alternative("<p>the same in colour</p>", subtype="html")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="Ärger.pdf")
    message.add_attachment("not the message", filename="notes.txt")
    message.add_attachment(png(), maintype="image", subtype="png", filename="a.png")
    document = read(MailParser(), message.as_bytes(), tmp_path)
    assert document.text == f"{HEAD}\n\nHello, Jürgen\n\nAttachments: Ärger.pdf, notes.txt, a.png"
    assert document.title == "Ünder the bridge"
    assert [picture.data for picture in MailParser().pictures(tmp_path / "file")] == [png()]


def test_a_mail_without_plain_text_shows_its_page(tmp_path: Path) -> None:
    message = mail("")
    message.set_content("<style>p {}</style><p>in <b>colour</b></p>", subtype="html")
    assert read(MailParser(), message.as_bytes(), tmp_path).text == f"{HEAD}\n\nin colour"


def test_a_forwarded_mail_is_read_with_its_own_head(tmp_path: Path) -> None:
    outer = EmailMessage()
    outer["Subject"] = "Fwd"
    outer.set_content("see below")
    outer.add_attachment(mail("the letter"))
    assert (
        read(MailParser(), outer.as_bytes(), tmp_path).text
        == f"Subject: Fwd\n\nsee below\n\n{HEAD}\n\nthe letter"
    )


def test_a_description_that_would_take_minutes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="more than 8,000 bytes"):
        read(
            MailParser(),
            b'Subject: x\nContent-Type: text/plain;\n a="' + b";" * 100_000 + b"\n\nhello",
            tmp_path,
        )


def test_an_unknown_character_set_is_guessed(tmp_path: Path) -> None:
    source = b"Subject: =?x-none?q?caf=E9?=\nContent-Type: text/plain; charset=x-none\n\ncaf\xe9"
    assert read(MailParser(), source, tmp_path).text.endswith("\n\ncafé")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}", "При"),
        (r"{\rtf1 a\par b\line c\tab d}", "a\n\nb\nc\td"),
        (r"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator x;}{\info{\title t}}{\b bo}ld}", "bold"),
        (r"{\rtf1\uc1 caf\u233?, \u-10179?\u-8704? {\uc2 \u8364ab!}x}", "café, 😀 €!x"),
        (r"{\rtf1 braces \{\} and \\ and \~.}", "braces {} and \\ and \u00a0."),
        ("{\\rtf1 one\r\n word\\\nnew}", "one word\n\nnew"),
    ],
)
def test_rtf_is_the_text_between_its_control_words(source: str, text: str, tmp_path: Path) -> None:
    assert read(RtfParser(), source, tmp_path).text == text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("name,kg\ncrane,6\nwren,\n", "name\tkg\nname: crane; kg: 6\nname: wren"),
        ('name;"said\nto"\n\ncrane;"a;b ""c"""\n', 'name\tsaid to\nname: crane; said to: a;b "c"'),
        ("a\tb\n1, 2\t3\n", "a\tb\na: 1, 2; b: 3"),
        ("1,2\n3,4\n", "1\t2\n3\t4"),
        ("x,x\na,b\n", "x\tx\na\tb"),
        ("Birds of 2024,\n,\nname,kg\nwren,1\n", "Birds of 2024\nname\tkg\nname: wren; kg: 1"),
        ("a,b\n1,2,3\n", "a\tb\na: 1; b: 2; 3"),
        ("one column\nof words, now and then\n", "one column\nof words\tnow and then"),
    ],
)
def test_each_row_names_its_columns_where_the_first_row_could(source: str, text: str, tmp_path: Path) -> None:
    assert read(TableParser(), source, tmp_path).text == text


def test_a_table_that_cannot_be_read_as_one_is_text(tmp_path: Path) -> None:
    source = 'a,b\n"never closed' + "x" * 200_000
    assert read(TableParser(), source, tmp_path).text == source


def test_a_notebook_is_its_cells_without_what_they_put_out(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# A *plan*\n", "words\n"]},
        {"cell_type": "code", "source": "# not a heading\nx = 1", "outputs": [{"text": "secret"}]},
        {"cell_type": "markdown", "source": "## Next"},
    ]
    document = read(NotebookParser(), json.dumps({"cells": cells}), tmp_path)
    assert document.text == "# A *plan*\nwords\n\n\n# not a heading\nx = 1\n\n## Next"
    assert named(document) == [(1, "A *plan*"), (2, "Next")]
    assert document.title == "A plan"
