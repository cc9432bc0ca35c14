"""Small real files of every kind that parsers read, each with the same words in it."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Callable
from email.message import EmailMessage

import docx
import openpyxl
import pptx
from PIL import Image

WORDS = "The lighthouse and its keeper"

# No cross-reference table: PDFium rebuilds it, and so a changed byte does not hide behind a wrong offset.
PDF = b"""%PDF-1.4
1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj
2 0 obj << /Type /Pages /Count 2 /Kids [4 0 R 6 0 R] /MediaBox [0 0 600 800]
  /Resources << /Font << /F 3 0 R >> >> >> endobj
3 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj
4 0 obj << /Type /Page /Parent 2 0 R /Contents 5 0 R >> endobj
5 0 obj << /Length 44 >> stream
BT /F 12 Tf 72 700 Td (The lighthouse) Tj ET
endstream endobj
6 0 obj << /Type /Page /Parent 2 0 R /Contents 7 0 R >> endobj
7 0 obj << /Length 44 >> stream
BT /F 12 Tf 72 700 Td (and its keeper) Tj ET
endstream endobj
trailer << /Root 1 0 R /Size 8 >>
%%EOF
"""

CONTAINER = """<?xml version="1.0"?>
<container version="1.0" xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="book/all.opf" media-type="application/oebps-package+xml"/></rootfiles>
</container>"""
NCX = "application/x-dtbncx+xml"
PACKAGE = """<?xml version="1.0"?>
<package version="3.0" xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">
<metadata><dc:title>Coast</dc:title></metadata>
<manifest>%s</manifest><spine>%s</spine></package>"""


def png(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def jpeg(colour: str = "red", size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG")
    return file.getvalue()


def saved(save: Callable[[io.BytesIO], object]) -> bytes:
    file = io.BytesIO()
    save(file)
    return file.getvalue()


def zipped(members: dict[str, str | bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return file.getvalue()


def make_docx() -> bytes:
    document = docx.Document()
    document.core_properties.title = "Coast"
    document.add_heading("Chapter", 1)
    document.add_paragraph("The lighthouse")
    document.add_picture(io.BytesIO(png()))
    document.add_paragraph("and its keeper")
    return saved(document.save)


def make_pptx() -> bytes:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "The lighthouse"
    slide.shapes.add_picture(io.BytesIO(png()), 0, 0)
    slide.notes_slide.notes_text_frame.text = "and its keeper"
    return saved(deck.save)


def make_xlsx() -> bytes:
    book = openpyxl.Workbook()
    book.active.title = "Coast"
    for row in (["The lighthouse"], ["and its keeper"], [1974, 2.5]):
        book.active.append(row)
    return saved(book.save)


def make_epub(
    chapters: dict[str, str] | None = None,
    pictures: dict[str, bytes] | None = None,
    *,
    nav: str = "",
    ncx: str = "",
) -> bytes:
    """Chapters by file name, in order; pictures beside them. `nav` is what the table of contents of EPUB 3
    lists, `ncx` the navPoints of that of EPUB 2."""
    if chapters is None:
        chapters = {
            "a.xhtml": "<h1>The lighthouse</h1><img src='red.png'/>",
            "b.xhtml": "<p>and its keeper</p>",
        }
        pictures = {"red.png": png()}
    items = "".join(f'<item id="{n}" href="{n}" media-type="application/xhtml+xml"/>' for n in chapters)
    for name, kind, given in (
        ("nav.xhtml", 'properties="nav"', nav),
        ("toc.ncx", f'media-type="{NCX}"', ncx),
    ):
        items += f'<item id="{name}" href="{name}" {kind}/>' if given else ""
    spine = "".join(f'<itemref idref="{n}"/>' for n in chapters)
    pages = {
        f"book/{n}": f"<html><head><title/></head><body>{page}</body></html>" for n, page in chapters.items()
    }
    members: dict[str, str | bytes] = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
    }
    members |= {"book/all.opf": PACKAGE % (items, spine)} | pages
    if nav:
        members["book/nav.xhtml"] = f'<html><body><nav epub:type="toc">{nav}</nav></body></html>'
    if ncx:
        space = "http://www.daisy.org/z3986/2005/ncx/"
        members["book/toc.ncx"] = f'<ncx xmlns="{space}"><navMap>{ncx}</navMap></ncx>'
    return zipped(members | {f"book/{name}": data for name, data in (pictures or {}).items()})


ODF = " ".join(
    f'xmlns:{short}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for short, name in (
        ("office", "office"),
        ("text", "text"),
        ("table", "table"),
        ("draw", "drawing"),
        ("presentation", "presentation"),
        ("manifest", "manifest"),
    )
)


def make_odf(
    body: str, kind: str = "text", *, members: dict[str, bytes] | None = None, title: str = "Coast"
) -> bytes:
    """OpenDocument as LibreOffice packs it; `body` is the markup inside `office:text` or what `kind` says."""
    head, links = '<?xml version="1.0" encoding="UTF-8"?>', 'xmlns:xlink="http://www.w3.org/1999/xlink"'
    whole = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
    meta = f"<office:document-meta {ODF} xmlns:dc='http://purl.org/dc/elements/1.1/'><office:meta>"
    return zipped(
        {
            "mimetype": f"application/vnd.oasis.opendocument.{kind}",
            "content.xml": f"{head}<office:document-content {ODF} {links}>{whole}</office:document-content>",
            "meta.xml": f"{head}{meta}<dc:title>{title}</dc:title></office:meta></office:document-meta>",
            "META-INF/manifest.xml": f"{head}<manifest:manifest {ODF}/>",
            **(members or {}),
        }
    )


def make_odt() -> bytes:
    picture = '<draw:frame><draw:image xlink:href="Pictures/red.png"/></draw:frame>'
    heading = '<text:h text:outline-level="1">The light<text:span>house</text:span></text:h>'
    body = f"{heading}<text:p>{picture}</text:p>"
    return make_odf(f"{body}<text:p>and its keeper</text:p>", members={"Pictures/red.png": png()})


def make_eml() -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "The lighthouse", "a@example.org", "b@example.org"
    message.set_content("Dear friend, The lighthouse and its keeper are well.")
    message.add_alternative("<p>the same, in <b>bold</b></p>", subtype="html")
    message.add_attachment(jpeg(), maintype="image", subtype="jpeg", filename="tower.jpg")
    message.set_boundary("border")
    for number, part in enumerate(message.iter_parts()):
        if part.is_multipart():
            part.set_boundary(f"border{number}")
    return message.as_bytes()


def make_ipynb() -> bytes:
    picture = {"data": {"image/png": base64.b64encode(png()).decode()}}
    cells = [
        {"cell_type": "markdown", "source": ["# The lighthouse\n"]},
        {"cell_type": "code", "source": "and its keeper", "outputs": [picture]},
    ]
    return json.dumps({"cells": cells, "nbformat": 4}).encode()


SAMPLES: dict[str, bytes] = {
    "TextParser": b"The lighthouse\r\nand its keeper\r\n",
    "MarkdownParser": b"# The lighthouse\n\nand its *keeper*\n",
    "HtmlParser": b"<title>Coast</title><h1>The <b>light</b>house</h1><p>and its keeper",
    "PdfParser": PDF,
    "DocxParser": make_docx(),
    "PptxParser": make_pptx(),
    "XlsxParser": make_xlsx(),
    "OdfParser": make_odt(),
    "EpubParser": make_epub(nav='<ol><li><a href="a.xhtml">The lighthouse</a></ol>'),
    "RtfParser": rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}\f0 The light\b house\b0\par and its keeper}",
    "MailParser": make_eml(),
    "TableParser": b"The lighthouse\r\nand its keeper\r\n",
    "NotebookParser": make_ipynb(),
    "CodeParser": b"# The lighthouse\nand its keeper\n",
}
"""By the name of the parser."""
