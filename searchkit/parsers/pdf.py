"""PDF: the text layer, page by page."""

from __future__ import annotations

import hashlib
import io
import mmap
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pypdfium2
import pypdfium2.raw
from PIL.Image import Image

from searchkit.errors import NoText, Unreadable
from searchkit.parsers.limits import MAX_CHARACTERS, MAX_PIXELS, MB, too_much
from searchkit.parsers.pdfbombs import refuse_bombs
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded, PageSpan

LOCK = threading.Lock()
"""PDFium may be called from one thread at a time, whatever the document."""

IMAGES = (pypdfium2.raw.FPDF_PAGEOBJ_IMAGE,)
WHOLE_FILES = ("DCTDecode",)
"""What a stream in a document packs as a picture file would: JPEG."""

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
                hint="it may be a scan: OCR reads those (searchkit index --ocr)",
                pages=len(texts),
            )
        return Document(SEPARATOR.join(texts), pages=_spans(texts), title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        """A page at a time; what is on many pages (a logo) comes with the first."""
        seen = set()
        with _opened(path) as pdf:
            with LOCK:
                pages = len(pdf)
            for index in range(pages):
                with LOCK:
                    found = _page_pictures(pdf, index)
                for data in found:
                    digest = hashlib.sha256(data).digest()
                    if digest not in seen:
                        seen.add(digest)
                        yield Embedded(data, index + 1)

    def drawn(self, path: Path, pages: Sequence[int], *, width: int) -> Iterator[tuple[int, Image]]:
        with _opened(path) as pdf:
            for number in pages:
                with LOCK:
                    image = _drawn(pdf, number, width)
                if image is not None:
                    yield number, image


def render(path: Path, page: int, width: int) -> Image:
    """A page, numbered from 1, as an RGB picture so many pixels wide. Raises `Unreadable`."""
    with _opened(path) as pdf, LOCK:
        if not 1 <= page <= len(pdf):
            raise Unreadable(f"{path} has no page {page}")
        drawn = _drawn(pdf, page, width)
    if drawn is None:
        raise Unreadable(f"page {page} of {path} is too long to be drawn")
    return drawn


def _drawn(pdf: pypdfium2.PdfDocument, page: int, width: int) -> Image | None:
    """None for a page that would have more than `MAX_PIXELS`."""
    with closing(pdf[page - 1]) as found:
        across, down = found.get_size()
        scale = width / max(across, 1.0)
        if scale * scale * across * down > MAX_PIXELS:
            return None
        with closing(found.render(scale=scale)) as bitmap:
            image: Image = bitmap.to_pil().convert("RGB")
            return image


def _read(path: Path) -> tuple[list[str], str | None]:
    """The text of every page, and the title. Raises `Unreadable`."""
    texts, length = [], 0
    with _opened(path) as pdf:
        with LOCK:
            title = " ".join(pdf.get_metadata_value("Title").translate(NOT_TEXT).split())
            pages = len(pdf)
        for index in range(pages):
            with LOCK:
                texts.append(_page_text(pdf, index))
            length += len(texts[-1])
            if length > MAX_CHARACTERS:
                raise too_much(path, f"more than {MAX_CHARACTERS // MB} million characters of text")
    return texts, title or None


@contextmanager
def _opened(path: Path) -> Iterator[pypdfium2.PdfDocument]:
    """The document; hold `LOCK` for every call to it. Raises `Unreadable`, also for what happens within."""
    try:
        with path.open("rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                refuse_bombs(data, path=path)
            with LOCK:
                pdf = pypdfium2.PdfDocument(file)
            try:
                yield pdf
            finally:
                with LOCK:
                    pdf.close()
    except ValueError as error:  # nothing to map
        raise Unreadable(f"{path} is empty (0 bytes)") from error
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    except pypdfium2.PdfiumError as error:
        if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
            raise Unreadable(
                f"{path} is protected by a password", hint="save a copy without the password"
            ) from error
        raise Unreadable(f"{path} is damaged or not a PDF: {error}") from error


def _page_pictures(pdf: pypdfium2.PdfDocument, index: int) -> list[bytes]:
    """Of one page, as picture files: its JPEGs as they are, others as PNG. Those that PDFium cannot decode
    are passed over, and so are those beyond `MAX_PIXELS`."""
    found = []
    with closing(pdf[index]) as page:
        for image in page.get_objects(IMAGES):
            try:
                width, height = image.get_px_size()
                if width * height > MAX_PIXELS:
                    continue
                if tuple(image.get_filters(skip_simple=True)) == WHOLE_FILES:
                    found.append(bytes(image.get_data(decode_simple=True)))
                    continue
                with closing(image.get_bitmap()) as bitmap:
                    picture = io.BytesIO()
                    bitmap.to_pil().convert("RGB").save(picture, "PNG", compress_level=1)
                    found.append(picture.getvalue())
            except (pypdfium2.PdfiumError, ValueError):
                continue
    return found


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
