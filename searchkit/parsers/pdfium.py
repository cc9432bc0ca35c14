"""PDFium, in a process of its own: answers what `pdf.py` asks. Nothing else may import it."""

from __future__ import annotations

import io
import mmap
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, BinaryIO

import pypdfium2
import pypdfium2.raw
from PIL import Image

from searchkit.errors import Unreadable
from searchkit.parsers.child import Answer, answer_all
from searchkit.parsers.limits import MAX_CHARACTERS, MAX_DOTS, MAX_PIXELS, over_memory
from searchkit.parsers.pdfbombs import refuse_bombs
from searchkit.parsers.regular import opened_regular

IMAGES = (pypdfium2.raw.FPDF_PAGEOBJ_IMAGE,)
WHOLE_FILES = ("DCTDecode",)
"""What a stream in a document packs as a picture file would: JPEG."""
NOT_TEXT = dict.fromkeys(map(ord, "\0\ufffe"))
"""Glyphs without a meaning, and PDFium's sign for a hyphen at a line's end: the word is joined again."""
AT_ONCE = 0.25
"""Seconds of pages in one answer."""


class _Documents:
    """Those that are open, by number."""

    def __init__(self) -> None:
        self._open: dict[int, tuple[pypdfium2.PdfDocument, BinaryIO]] = {}
        self._last = 0

    def idle(self) -> bool:
        return not self._open

    def answer(self, question: dict[str, Any]) -> Answer:
        path = Path(question["path"])
        try:
            ways: dict[str, Callable[..., Answer]] = {
                "open": self._start,
                "texts": self._texts,
                "pictures": self._pictures,
                "draw": self._draw,
                "close": self._close,
            }
            return ways[question["do"]](path, **question["with"])
        except Unreadable as error:
            return {"error": str(error), "hint": error.hint}, b""
        except OSError as error:
            said = f"cannot read {path}: {error.strerror}"
            return {"error": said, "hint": "", "errno": error.errno}, b""
        except MemoryError:
            return {"error": over_memory(path), "hint": ""}, b""
        except pypdfium2.PdfiumError as error:
            if error.err_code == pypdfium2.raw.FPDF_ERR_PASSWORD:
                hint = "save a copy without the password"
                return {"error": f"{path} is protected by a password", "hint": hint}, b""
            return {"error": f"{path} is damaged or not a PDF: {error}", "hint": ""}, b""

    def _start(self, path: Path) -> Answer:
        file = opened_regular(path)
        try:
            try:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError as error:  # nothing to map
                raise Unreadable(f"{path} is empty (0 bytes)") from error
            with data:
                refuse_bombs(data, path=path)
            pdf = pypdfium2.PdfDocument(file)
        except BaseException:
            file.close()
            raise
        self._last += 1
        self._open[self._last] = pdf, file
        title = " ".join(pdf.get_metadata_value("Title").translate(NOT_TEXT).split())
        return {"number": self._last, "pages": len(pdf), "title": title}, b""

    def _texts(self, path: Path, number: int, first: int) -> Answer:
        """The texts of some pages from this one on, with a NUL after each, which is never text."""
        pdf, texts, length = self._open[number][0], [], 0
        until = time.monotonic() + AT_ONCE
        for index in range(first, len(pdf)):
            texts.append(_page_text(pdf, index))
            length += len(texts[-1])
            if time.monotonic() > until or length > MAX_CHARACTERS:
                break
        return {}, "".join(f"{text}\0" for text in texts).encode("utf-8", "surrogatepass")

    def _pictures(self, path: Path, number: int, index: int) -> Answer:
        found, costs = [], []
        for data, cost in _page_pictures(self._open[number][0], index):
            found.append(data)
            costs.append(cost)
        return {"lengths": [len(data) for data in found], "costs": costs}, b"".join(found)

    def _draw(self, path: Path, number: int, index: int, width: int) -> Answer:
        with closing(self._open[number][0][index]) as found:
            across, down = found.get_size()
            scale = width / max(across, 1.0)
            if scale * scale * across * down > MAX_PIXELS:
                return {"size": None}, b""
            with closing(found.render(scale=scale)) as bitmap:
                image = _shown(bitmap)
                if image.mode != "RGB":
                    image = image.convert("RGB")
        return {"size": image.size}, image.tobytes()

    def _close(self, path: Path, number: int) -> Answer:
        pdf, file = self._open.pop(number)
        pdf.close()
        file.close()
        return {}, b""


def _page_text(pdf: pypdfium2.PdfDocument, index: int) -> str:
    with closing(pdf[index]) as page, closing(page.get_textpage()) as textpage:
        text: str = textpage.get_text_range()
    return text.translate(NOT_TEXT).replace("\r\n", "\n").strip()


def _page_pictures(pdf: pypdfium2.PdfDocument, index: int) -> Iterator[tuple[bytes, int]]:
    """The pictures of one page as files, with their bytes or pixels: JPEGs as they are, others as PNG. Those
    that PDFium cannot decode are passed over, and so are those beyond `MAX_PIXELS`."""
    with closing(pdf[index]) as page:
        for image in page.get_objects(IMAGES):
            try:
                width, height = image.get_px_size()
                whole = tuple(image.get_filters(skip_simple=True)) == WHOLE_FILES
                dots = whole or image.get_metadata().bits_per_pixel == 1
                if width * height > (MAX_DOTS if dots else MAX_PIXELS):
                    continue
                if whole:
                    data = bytes(image.get_data(decode_simple=True))
                    yield data, len(data)
                    continue
                with closing(image.get_bitmap()) as bitmap:
                    picture = io.BytesIO()
                    _shown(bitmap).save(picture, "PNG", compress_level=1)
                    yield picture.getvalue(), width * height
            except (pypdfium2.PdfiumError, ValueError, MemoryError):
                continue


def _shown(bitmap: pypdfium2.PdfBitmap) -> Image.Image:
    """In RGB, or in grey, which takes a quarter of the memory."""
    image: Image.Image = bitmap.to_pil()
    return image if image.mode in ("RGB", "L") else image.convert("RGB")


def serve() -> None:
    documents = _Documents()
    answer_all(documents.answer, idle=documents.idle)
