from __future__ import annotations

import io
import zlib
from pathlib import Path

import pytest
from PIL import Image

from searchkit.errors import Unreadable
from searchkit.parsers.pdf import PdfParser
from searchkit.types import Document
from tests.documents import jpeg


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


def drawing(content: bytes, *, pictures: dict[str, tuple[bytes, bytes]], packing: bytes = b"") -> bytes:
    """A page with `content`, and pictures by name: what their dictionaries add, and their data."""
    names = b" ".join(b"/%s %d 0 R" % (name.encode(), 5 + n) for n, name in enumerate(pictures))
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R"
        b" /Resources << /XObject << %s >> >> >>" % names,
        b"<< /Length %d %s >> stream\n%s\nendstream" % (len(content), packing, content),
    ]
    for more, data in pictures.values():
        head = (
            b"<< /Type /XObject /Subtype /Image /Width 2 /Height 1 /BitsPerComponent 8 /ColorSpace /DeviceRGB"
        )
        bodies.append(b"%s %s /Length %d >> stream\n%s\nendstream" % (head, more, len(data), data))
    objects = b"".join(b"%d 0 obj %s endobj\n" % item for item in enumerate(bodies, 1))
    return b"%PDF-1.4\n" + objects + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def test_pictures_come_as_files_once_each_with_their_page(tmp_path: Path) -> None:
    photo = jpeg("blue", (2, 1))
    data = drawing(
        b"q 9 0 0 9 0 0 cm /A Do Q q 9 0 0 9 0 0 cm /B Do Q q 5 0 0 5 0 0 cm /A Do Q q /C Do Q",
        pictures={
            "A": (b"/Filter /DCTDecode", photo),
            "B": (b"/Filter /FlateDecode", zlib.compress(bytes([255, 0, 0, 0, 255, 0]))),
            "C": (b"/Filter /DCTDecode /Width 100000 /Height 100000", photo),
        },
    )
    path = tmp_path / "a.pdf"
    path.write_bytes(data)
    first, second = PdfParser().pictures(path)
    assert (first.page, first.data) == (1, photo)
    decoded = Image.open(io.BytesIO(second.data))
    assert [decoded.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (0, 255, 0)]


def test_another_document_can_be_read_between_two_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    path.write_bytes(drawing(b"/A Do", pictures={"A": (b"/Filter /DCTDecode", jpeg())}))
    pictures = PdfParser().pictures(path)
    assert next(pictures).page == 1
    assert parse(make_pdf("words"), tmp_path).text == "words"
    with pytest.raises(StopIteration):
        next(pictures)


@pytest.mark.parametrize(
    ("content", "packing", "reason"),
    [
        (zlib.compress(bytes(100 << 20), 9), b"/Filter /FlateDecode", "unpacks to more than 64 MB"),
        (zlib.compress(b"(x) Tj " * 60_000), b"/Filter [/FlateDecode]", "or 50,000 pieces of text"),
        (
            zlib.compress(zlib.compress(bytes(1 << 20))),
            b"/Filter [/FlateDecode /Fl]",
            "packs a stream 2 times",
        ),
    ],
    ids=["large", "many pieces", "packed twice"],
)
def test_a_bomb_is_refused_before_it_is_unpacked(
    content: bytes, packing: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(Unreadable, match=reason):
        parse(drawing(content, pictures={}, packing=packing), tmp_path)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files as Linux lists them")
def test_no_file_stays_open(tmp_path: Path) -> None:
    parse(make_pdf("first"), tmp_path)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        parse(make_pdf("again"), tmp_path)
        with pytest.raises(Unreadable):
            parse(b"not a PDF", tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before
