"""A document file becomes pieces to be encoded: its passages, then the pictures inside.

A long document is never held whole as pieces: they are made as they are asked for.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL.Image import Image

from searchkit.errors import NoText, Unreadable
from searchkit.ingest.chunking import chunker, room, settled
from searchkit.ingest.images import Picture, decoding, enough
from searchkit.ingest.ocr import PAGE_WIDTH, Ocr
from searchkit.ingest.thumbs import from_file
from searchkit.parsers import capped
from searchkit.protocols import Encoder, Parser
from searchkit.types import Chunking, Document, Passage

SMALLEST = 64
"""Pixels of the shorter side that a picture in a document has at least: below are logos, rules, bullets."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture as the tower wants it; `width` and `height` are its full upright size."""

    pixels: np.ndarray
    width: int
    height: int
    taken: float | None = None
    page: int | None = None
    thumbnail: bytes = field(default=b"", repr=False)
    """As a WebP file."""


Made = TypeVar("Made")
Piece = Passage | Pixels
"""What becomes one item."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A document whose pieces are being made. `left_out` is whole when `pieces` has come to its end."""

    document: Document
    pieces: Iterator[Piece]
    left_out: Counter[str] = field(default_factory=Counter)
    """Counts of what cannot be found, by the names of `types.LEFT_OUT`."""
    read: Counter[str] = field(default_factory=Counter)
    """What OCR has read of it: "pages" and "pictures"."""


class DocumentReader:
    """Parses, and cuts into passages as a collection does; with an encoder of text alone without pictures.
    With `ocr`, pages without text are read from their pixels, last of all: what came before keeps its place.
    """

    def __init__(self, encoder: Encoder, chunking: Chunking, ocr: Ocr | None = None) -> None:
        self._encoder, self._room, self._ocr = encoder, room(encoder), ocr
        self._chunk = chunker(settled(chunking, encoder), encoder)

    def open(self, path: Path, parser: Parser) -> Opened:
        """Raises `Unreadable`, while the pieces are made too; `NoText` where there is no piece at all."""
        nothing: NoText | None = None
        try:
            document = capped.parse(parser, path)
        except NoText as error:  # a scan, perhaps: then its pictures are what there is
            nothing, document = error, Document("")
        blank = range(1, nothing.pages + 1) if nothing else _blank_pages(document)
        left_out, read = Counter({"pages_without_text": len(blank)} if blank else {}), Counter[str]()
        pieces = chain(
            self._pieces(path, parser, document, left_out),
            self._read_pages(path, parser, document, blank, left_out, read),
        )
        first = next(pieces, None)
        if first is None:
            raise nothing or NoText(f"{path} has no text")
        return Opened(document, chain([first], pieces), left_out, read)

    def read(self, image: Image, *, at: int = 0, page: int | None = None) -> list[Passage]:
        """What OCR reads in a picture, as passages whose offsets begin at `at`; none without OCR, and for a
        picture that it cannot read."""
        if self._ocr is None:
            return []
        try:
            text = self._ocr(image)
        except Unreadable:
            return []
        found = self._chunk(Document(text))
        return [Passage(p.start + at, p.end + at, p.text, page, ocr=True) for p in found]

    def _read_pages(
        self,
        path: Path,
        parser: Parser,
        document: Document,
        blank: Sequence[int],
        left_out: Counter[str],
        read: Counter[str],
    ) -> Iterator[Piece]:
        if self._ocr is None or not blank:
            return
        at = len(document.text) + 1
        for page, image in parser.drawn(path, blank, width=PAGE_WIDTH):
            passages = self.read(image, at=at, page=page)
            if passages:
                at = passages[-1].end + 1
                read["pages"] += 1
                left_out["pages_without_text"] -= 1
                if not left_out["pages_without_text"]:
                    del left_out["pages_without_text"]
            yield from passages

    def _pieces(
        self, path: Path, parser: Parser, document: Document, left_out: Counter[str]
    ) -> Iterator[Piece]:
        try:
            for passage in self._chunk(document):
                if len(self._encoder.token_offsets(passage.in_context)) > self._room:
                    left_out["passages_cut"] += 1
                yield passage
        except Exception as error:  # whatever a text does to a tokenizer, the run goes on
            raise Unreadable(f"{path} cannot be cut: {type(error).__name__}: {error}") from error
        if self._encoder.record.pixels:
            yield from self._pictures(path, parser, left_out)

    def _pictures(self, path: Path, parser: Parser, left_out: Counter[str]) -> Iterator[Pixels]:
        at_least = enough(self._encoder.record.pixels)

        def made(found: Picture, data: bytes, page: int | None) -> Pixels:
            pixels = self._encoder.prepare_image(found.image)
            return Pixels(pixels, found.width, found.height, found.taken, page, from_file(data, found))

        return made_of_pictures(path, parser, at_least, left_out, made)


def pictures_in(
    path: Path, parser: Parser, at_least: int, left_out: Counter[str]
) -> Iterator[tuple[Picture, bytes, int | None]]:
    """The pictures of a document that are worth an item, with their bytes and pages; one that cannot be read
    is counted, and the document stays."""
    return made_of_pictures(path, parser, at_least, left_out, lambda *found: found)


def made_of_pictures(
    path: Path,
    parser: Parser,
    at_least: int,
    left_out: Counter[str],
    make: Callable[[Picture, bytes, int | None], Made],
) -> Iterator[Made]:
    """What `make` makes of each of them, while its memory counts as taken."""
    seen: set[bytes] = set()
    try:
        for inner in capped.pictures(parser, path):
            digest = hashlib.sha256(inner.data).digest()
            if digest in seen:
                left_out["pictures_repeated"] += 1
                continue
            seen.add(digest)
            with _picture(inner.data, at_least, left_out) as found:
                some = [] if found is None else [make(found, inner.data, inner.page)]
            del found
            yield from some
    except Exception:
        left_out["pictures_unreadable"] += 1


@contextmanager
def _picture(data: bytes, at_least: int, left_out: Counter[str]) -> Iterator[Picture | None]:
    with ExitStack() as stack:
        found = None
        try:
            found = stack.enter_context(decoding(data, name="picture", at_least=at_least))
        except Unreadable:
            left_out["pictures_unreadable"] += 1
        if found is not None and min(found.width, found.height) < SMALLEST:
            left_out["pictures_too_small"] += 1
            found = None
        yield found


def _blank_pages(document: Document) -> list[int]:
    return [page.number for page in document.pages if not document.text[page.start : page.end].strip()]
