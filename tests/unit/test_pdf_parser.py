from __future__ import annotations

from pathlib import Path

import pytest

from searchkit.errors import Unreadable
from searchkit.parsers.pdf import PdfParser
from searchkit.types import Document


def make_pdf(*pages: str, info: bytes = b"", encrypt: bytes = b"") -> bytes:
    """A PDF with one line of 12-point Helvetica for each line of each page."""
    kids = b" ".join(b"%d 0 R" % (6 + 2 * i) for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(pages), kids),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< %s >>" % info,
        b"<< %s >>" % encrypt,
    ]
    for number, page in enumerate(pages):
        lines = b" ".join(b"(%s) Tj T*" % line.encode("cp1252") for line in page.splitlines())
        drawing = b"BT /F 12 Tf 14 TL 72 700 Td %s ET" % lines
        objects += [
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents %d 0 R"
            b" /Resources << /Font << /F 3 0 R >> >> >>" % (7 + 2 * number),
            b"<< /Length %d >> stream\n%s\nendstream" % (len(drawing), drawing),
        ]
    file, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += b"%d 0 obj %s endobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    trailer = b"/Size %d /Root 1 0 R /Info 4 0 R /ID [<%s> <%s>]" % (len(objects) + 1, b"ab" * 16, b"cd" * 16)
    trailer += b" /Encrypt 5 0 R" if encrypt else b""
    return file + b"xref\n0 %d\n0000000000 65535 f \n%strailer << %s >>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1, table, trailer, len(file),
    )  # fmt: skip


def parse(data: bytes, folder: Path) -> Document:
    path = folder / "report.pdf"
    path.write_bytes(data)
    return PdfParser().parse(path)


def test_pages_are_slices_of_the_text_and_an_empty_page_keeps_its_number(tmp_path: Path) -> None:
    document = parse(make_pdf("First page\nof three", "", "Third façade"), tmp_path)
    slices = [(page.number, document.text[page.start : page.end]) for page in document.pages]
    assert slices == [(1, "First page\nof three"), (2, ""), (3, "Third façade")]
    assert document.page_at(document.text.index("Third")) == 3
    assert "\r" not in document.text


def test_a_word_broken_at_the_end_of_a_line_is_joined(tmp_path: Path) -> None:
    assert parse(make_pdf("An unbeliev-\nable story"), tmp_path).text == "An unbelievable story"


def test_the_title_is_the_metadatas(tmp_path: Path) -> None:
    assert parse(make_pdf("x", info=b"/Title (Annual  report )"), tmp_path).title == "Annual report"
    assert parse(make_pdf("x", info=b"/Title (  )"), tmp_path).title is None
    assert parse(make_pdf("x"), tmp_path).title is None


def test_an_encrypted_pdf_is_refused_as_protected(tmp_path: Path) -> None:
    keys = b"/Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s>" % (b"41" * 32, b"42" * 32)
    with pytest.raises(Unreadable, match="protected by a password") as refused:
        parse(make_pdf("secret", encrypt=keys), tmp_path)
    assert "without the password" in refused.value.hint


def test_a_truncated_pdf_is_refused_with_a_reason(tmp_path: Path) -> None:
    whole = make_pdf("First page", "Second page")
    with pytest.raises(Unreadable, match=r"report\.pdf is damaged or not a PDF: .*format"):
        parse(whole[: len(whole) // 2], tmp_path)


def test_a_pdf_of_pictures_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="no text layer in its 3 pages") as refused:
        parse(make_pdf("", "", ""), tmp_path)
    assert "OCR" in refused.value.hint


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux lists them")
def test_no_file_stays_open(tmp_path: Path) -> None:
    parse(make_pdf("first"), tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        parse(make_pdf("again"), tmp_path)
        with pytest.raises(Unreadable):
            parse(b"not a PDF", tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
