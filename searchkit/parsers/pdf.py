"""PDF: the text layer, page by page."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pypdfium2
import pypdfium2.raw

from searchkit.errors import NoText, Unreadable
from searchkit.protocols import Parser
from searchkit.types import Document, PageSpan

LOCK = threading.Lock()
"""PDFium may be called from one thread at a time, whatever the document."""

SEPARATOR = "\n"

NOT_TEXT = dict.fromkeys(map(ord, "\0\ufffe"))
"""Glyphs without a meaning, and PDFium's sign for a hyphen at a line's end: the word is joined again."""


class PdfParser(Parser):
    """Pages joined by a line end; `pages` has every one, with an empty span where it holds no text."""

    name = f"pypdfium2 {pypdfium2.version.PYPDFIUM_INFO}"
    suffixes = frozenset({".pdf"})

    def parse(self, path: Path) -> Document:
        texts, title = _read(path)
        if not any(texts):
            raise NoText(
                f"{path} has no text layer in its {len(texts)} pages",
                hint="it may be a scan: reading text in pictures is not built in yet, run OCR on it first",
                pages=len(texts),
            )
        return Document(SEPARATOR.join(texts), pages=_spans(texts), title=title)


def _read(path: Path) -> tuple[list[str], str | None]:
    """The text of every page, and the title. Raises `Unreadable`."""
    try:
        with LOCK, path.open("rb") as file, pypdfium2.PdfDocument(file) as pdf:
            title = " ".join(pdf.get_metadata_value("Title").translate(NOT_TEXT).split())
            return [_page_text(pdf, index) for index in range(len(pdf))], title or None
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise Unreadable(
                f"{path} is protected by a password", hint="save a copy without the password"
            ) from error
        raise Unreadable(f"{path} is damaged or not a PDF: {error}") from error


def _page_text(pdf: pypdfium2.PdfDocument, index: int) -> str:
    with closing(pdf[index]) as page, closing(page.get_textpage()) as textpage:
        text: str = textpage.get_text_range()
    return text.translate(NOT_TEXT).replace("\r\n", "\n").strip()


def _spans(texts: list[str]) -> tuple[PageSpan, ...]:
    spans = []
    start = 0
    for number, text in enumerate(texts, 1):
        spans.append(PageSpan(number, start, start + len(text)))
        start += len(text) + len(SEPARATOR)
    return tuple(spans)
