"""PDF: the text layer, page by page. PDFium runs in a process of its own, which a file may crash or hang."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from searchkit.errors import NoText, Unreadable
from searchkit.parsers import child
from searchkit.parsers.child import Answer, Child, Died, Full, Hung, Reborn
from searchkit.parsers.limits import (
    MAX_CHARACTERS,
    MB,
    PICTURE_SECONDS,
    TEXT_SECONDS,
    over_memory,
    over_time,
    too_much,
)
from searchkit.parsers.regular import opened_regular
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded, PageSpan

PDFIUM = Child("searchkit.parsers.pdfium")
DEATHS = 2
"""Ends of PDFium over one question after which the file is to blame: the first may have had another cause."""
SECONDS_A_PIXEL = 1e-7
"""Seconds of processor time that a pixel adds to its PDF's: most of a second for a scanned page."""
SEPARATOR = "\n"


class PdfParser(Parser):
    """Pages joined by a line end; `pages` has every one, with an empty span where it holds no text."""

    name = f"pypdfium2 {importlib.metadata.version('pypdfium2')}"
    suffixes = frozenset({".pdf"})

    def parse(self, path: Path) -> Document:
        with _opened(path, TEXT_SECONDS) as pdf:
            texts = pdf.texts()
        if not any(texts):
            raise NoText(
                f"{path} has no text layer in its {len(texts)} pages",
                hint="it may be a scan: OCR reads those (searchkit index --ocr)",
                pages=len(texts),
            )
        return Document(SEPARATOR.join(texts), pages=_spans(texts), title=pdf.title or None)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        """A page at a time; what is on many pages (a logo) comes with the first."""
        seen = set()
        with _opened(path, PICTURE_SECONDS) as pdf:
            for index in range(pdf.pages):
                for data, cost in pdf.pictures(index):
                    digest = hashlib.sha256(data).digest()
                    if digest not in seen:
                        seen.add(digest)
                        pdf.allow(cost)
                        yield Embedded(data, index + 1)

    def drawn(self, path: Path, pages: Sequence[int], *, width: int) -> Iterator[tuple[int, Image.Image]]:
        with _opened(path, PICTURE_SECONDS) as pdf:
            for number in pages:
                image = pdf.drawn(number - 1, width)
                if image is not None:
                    pdf.allow(image.width * image.height)
                    yield number, image


def render(path: Path, page: int, width: int) -> Image.Image:
    """A page, numbered from 1, as an RGB picture so many pixels wide. Raises `Unreadable`."""
    with _opened(path, PICTURE_SECONDS) as pdf:
        if not 1 <= page <= pdf.pages:
            raise Unreadable(f"{path} has no page {page}")
        image = pdf.drawn(page - 1, width)
    if image is None:
        raise Unreadable(f"page {page} of {path} is too long to be drawn")
    return image


@contextmanager
def _opened(path: Path, seconds: float) -> Iterator[_Pdf]:
    pdf = _Pdf(path, seconds)
    try:
        yield pdf
    finally:
        pdf.close()


class _Pdf:
    """A document that PDFium has open. When its process had to be started anew, perhaps over another file, it
    is opened again. Everything raises `Unreadable`, also when it has taken `seconds` of processor time."""

    def __init__(self, path: Path, seconds: float) -> None:
        self._path, self._seconds = path, seconds
        self._left = seconds
        self._number = self._born = 0
        self.pages, self.title = 0, ""
        self._ask("open", opened=False)

    def texts(self) -> list[str]:
        texts: list[str] = []
        length = 0
        while len(texts) < self.pages:
            _, body = self._ask("texts", page=len(texts), first=len(texts))
            some = body.decode("utf-8", "surrogatepass").split("\0")[:-1]
            length += sum(map(len, some))
            if length > MAX_CHARACTERS:
                raise too_much(self._path, f"more than {MAX_CHARACTERS // MB} million characters of text")
            texts += some
        return texts

    def allow(self, pixels: int) -> None:
        """More time, for something that was worth it."""
        self._left += SECONDS_A_PIXEL * pixels

    def pictures(self, index: int) -> Iterator[tuple[bytes, int]]:
        """Each with its pixels, or its bytes where it is as it was in the file."""
        head, body = self._ask("pictures", page=index, index=index)
        at = 0
        for length, cost in zip(head["lengths"], head["costs"], strict=True):
            yield body[at : at + length], cost
            at += length

    def drawn(self, index: int, width: int) -> Image.Image | None:
        """None for a page that would have too many pixels."""
        head, body = self._ask("draw", page=index, index=index, width=width)
        return None if head["size"] is None else Image.frombytes("RGB", tuple(head["size"]), body)

    def close(self) -> None:
        try:
            PDFIUM.ask(self._question("close", {"number": self._number}), born=self._born)
        except (Died, Hung, Reborn):
            return

    def _ask(self, do: str, *, opened: bool = True, page: int = 0, **given: Any) -> Answer:
        deaths = 0
        while True:
            try:
                if not opened:
                    self._open()
                    opened = True
                if do == "open":
                    return {}, b""
                given["number"] = self._number
                return self._answered(self._question(do, given), born=self._born)
            except Reborn:
                opened = False
            except Full:
                raise Unreadable(over_memory(self._path)) from None
            except Died as error:
                deaths, opened = deaths + 1, False
                if deaths >= DEATHS:
                    raise Unreadable(f"{self._path} ends PDFium on page {page + 1} ({error})") from None
            except Hung:
                if self._left < child.SECONDS:
                    raise Unreadable(over_time(self._path, self._seconds)) from None
                limit = f"{child.SECONDS:.0f} s"
                raise Unreadable(f"{self._path} takes PDFium more than {limit} on page {page + 1}") from None

    def _open(self) -> None:
        try:
            with opened_regular(self._path):
                pass
        except OSError as error:
            raise Unreadable(f"cannot read {self._path}: {error.strerror}") from error
        head, _ = self._answered(self._question("open", {}))
        self._number, self.pages, self.title = head["number"], head["pages"], head["title"]

    def _answered(self, question: dict[str, Any], *, born: int | None = None) -> Answer:
        if self._left <= 0:
            raise Unreadable(over_time(self._path, self._seconds))
        answer, self._born = PDFIUM.ask(question, born=born, seconds=min(child.SECONDS, self._left))
        self._left -= answer[0]["seconds"]
        return self._checked(answer)

    def _question(self, do: str, given: dict[str, Any]) -> dict[str, Any]:
        return {"do": do, "path": os.path.abspath(self._path), "with": given}

    def _checked(self, answer: Answer) -> Answer:
        head = answer[0]
        if "error" in head:
            cause = OSError(head["errno"], "while PDFium read it") if head.get("errno") else None
            raise Unreadable(head["error"], hint=head["hint"]) from cause
        return answer


def _spans(texts: list[str]) -> tuple[PageSpan, ...]:
    spans = []
    start = 0
    for number, text in enumerate(texts, 1):
        spans.append(PageSpan(number, start, start + len(text)))
        start += len(text) + len(SEPARATOR)
    return tuple(spans)
