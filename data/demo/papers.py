"""Six long documents, made from the texts in `data/papers` and `data/sources`."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent
PAPERS = {  # paper: the text it is made from; a paper that is its own source is copied
    "keeping-bees.md": "papers/keeping-bees.md",
    "bread-baking.md": "papers/bread-baking.md",
    "gannet-stack-lighthouse.txt": "papers/gannet-stack-lighthouse.txt",
    "council-minutes.txt": "papers/council-minutes.txt",
    "coffee-machine.html": "sources/coffee-machine.md",
    "expedition-diary.pdf": "sources/expedition-diary.md",
}
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 420, 595, 54  # points: A5
LINE_LENGTH = 62  # characters that fit between the margins at 11 points


def write_papers(folder: Path) -> None:
    """Write the six papers into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in PAPERS.items():
        text = (DATA / source).read_text(encoding="utf-8")
        if name.endswith(".html"):
            (folder / name).write_text(as_html(text), encoding="utf-8")
        elif name.endswith(".pdf"):
            (folder / name).write_bytes(as_pdf(text))
        else:
            (folder / name).write_text(text, encoding="utf-8")


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """The blocks of a text as (kind, words): kind is h1, h2, ul, ol or p; a list keeps one item a line."""
    for block in re.split(r"\n\s*\n", text.strip()):
        if heading := re.match(r"(#+) ", block):
            yield f"h{len(heading[1])}", block[heading.end() :]
        elif block.startswith("- "):
            yield "ul", re.sub(r"(?m)^- ", "", block)
        elif re.match(r"\d+\. ", block):
            yield "ol", re.sub(r"(?m)^\d+\. ", "", block)
        else:
            yield "p", " ".join(block.split())


def as_html(text: str) -> str:
    """The text as one HTML page; its first heading is the title."""
    parts = []
    for kind, words in blocks_of(text):
        safe = html.escape(words, quote=False)
        if kind in ("ul", "ol"):
            safe = "".join(f"\n<li>{item}</li>" for item in safe.splitlines()) + "\n"
        parts.append(f"<{kind}>{safe}</{kind}>")
    title = html.escape(next(blocks_of(text))[1], quote=False)
    head = f'<meta charset="utf-8">\n<title>{title}</title>'
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n'
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def as_pdf(text: str) -> bytes:
    """The text as a PDF in which every second-level heading begins a page."""
    pages: list[list[tuple[str, str]]] = [[]]
    for kind, words in blocks_of(text):
        if kind == "h2":
            pages.append([])
        pages[-1].append((kind, words))
    contents = [page_content(page, number) for number, page in enumerate(pages, start=1)]
    return assemble_pdf(contents, title=next(blocks_of(text))[1])


def page_content(page: Sequence[tuple[str, str]], number: int) -> bytes:
    """The drawing commands of one PDF page: its blocks from the top down, its number at the foot."""
    lines, y = [], PAGE_HEIGHT - MARGIN
    for kind, words in page:
        font, size = ("/F2", 15) if kind.startswith("h") else ("/F1", 11)
        for line in textwrap.wrap(words, LINE_LENGTH if size == 11 else 40, break_on_hyphens=False):
            lines.append(pdf_line(line, MARGIN, y, f"{font} {size} Tf"))
            y -= round(size * 1.4)
        y -= 8
    if y < MARGIN:
        raise ValueError(f"the text of page {number} is too long for a page")
    lines.append(pdf_line(str(number), PAGE_WIDTH // 2, MARGIN // 2, "/F1 9 Tf"))
    return "\n".join(lines).encode("cp1252")


def pdf_line(words: str, x: int, y: int, font: str) -> str:
    return f"BT {font} {x} {y} Td ({pdf_text(words)}) Tj ET"


def pdf_text(words: str) -> str:
    """`words` fit to stand between the brackets of a PDF string."""
    return re.sub(r"([\\()])", r"\\\1", words)


def assemble_pdf(contents: Sequence[bytes], *, title: str) -> bytes:
    """A whole PDF file: catalog, page tree, two fonts and title are objects 1 to 5, then come the pages."""
    kids = " ".join(f"{6 + 2 * i} 0 R" for i in range(len(contents)))
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        font.format("Helvetica").encode(),
        font.format("Helvetica-Bold").encode(),
        f"<< /Title ({pdf_text(title)}) >>".encode("cp1252"),
    ]
    for i, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /Contents {7 + 2 * i} 0 R "
            f"/MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}] "
            "/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    pdf, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(pdf))
        pdf += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    trailer = b"trailer\n<< /Size %d /Root 1 0 R /Info 5 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(pdf))
    return pdf + b"xref\n0 %d\n0000000000 65535 f \n%s%s" % (size, table, trailer)
