"""One file to what is encoded of it. Runs in threads, many at a time: no catalog, no store, no torch."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.ingest.cost import content
from searchkit.ingest.documents import DocumentReader, Piece, Pixels
from searchkit.ingest.images import DECODER, HEIC_SUFFIXES, HEIF, SUFFIXES, decoding, enough
from searchkit.ingest.ocr import OCR_SIDE, Ocr
from searchkit.ingest.thumbs import from_file
from searchkit.parsers.child import Stop, heard
from searchkit.parsers.regular import opened_regular
from searchkit.protocols import Encoder
from searchkit.registry import DOCUMENT_SUFFIXES, parser_for, parser_of
from searchkit.types import Chunking, Document, FileEntry, Kind, Passage

MAX_BYTES = 2 << 30
LONG = 256
"""Pieces that are made of a document ahead of the encoder; of a longer one, the rest as it is encoded."""
PICTURE = 32
"""What a picture counts among them, where a passage counts 1: its pixels are some hundred times larger."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file's content, ready for the encoder. Without `pieces` the content is known."""

    entry: FileEntry
    sha256: str
    kind: Kind
    pieces: tuple[Piece, ...] = ()
    rest: Iterator[Piece] | None = None
    """The pieces of a long document that follow `pieces`; None where there are no more."""
    document: Document | None = None
    left_out: Counter[str] = field(default_factory=Counter)
    """Counts of what cannot be found, by the names of `types.LEFT_OUT`; whole when `rest` is at its end."""
    read: Counter[str] = field(default_factory=Counter)
    """What OCR has read, as in `Opened.read`."""


READ = "read"
"""In the ledger in place of a decoder, where not the file was at fault: it is tried again in any case."""


class Changed(Unreadable):
    """A file that was written while it was read."""


@dataclass(frozen=True, slots=True)
class Failed:
    entry: FileEntry
    reason: str
    decoder: str
    sha256: str | None


def indexable(suffix: str) -> bool:
    return suffix in SUFFIXES or suffix in DOCUMENT_SUFFIXES or suffix in HEIC_SUFFIXES


def decoder_of(path: str) -> str:
    """What would read this file, with its version: a failure is tried again when this changes."""
    suffix = os.path.splitext(path)[1].lower()
    parser = parser_for(suffix)
    return parser.name if parser else DECODER


def failed(entry: FileEntry, error: Exception, sha256: str | None) -> Failed:
    """What the ledger says of a file that did this."""
    if isinstance(error, Unreadable):
        reason = f"{error} ({error.hint})" if error.hint else str(error)
    else:
        reason = f"{type(error).__name__}: {error}"
    causes = (error, error.__cause__)
    disk = any(isinstance(one, OSError) and one.errno is not None for one in causes)
    disk = disk or isinstance(error, Changed)
    return Failed(entry, reason, READ if disk else decoder_of(entry.path), sha256)


class Loader:
    """Reads, hashes, and decodes or parses, unless `known` has the content already."""

    def __init__(
        self,
        encoder: Encoder,
        known: Container[str],
        chunking: Chunking,
        ocr: Ocr | None = None,
        *,
        stop: Stop = lambda: False,
    ) -> None:
        """What is being read when `stop()` becomes true raises `Stopped`."""
        self._stop = stop
        self._encoder, self._known, self._ocr = encoder, known, ocr
        self._read = DocumentReader(encoder, chunking, ocr)

    def __call__(self, entry: FileEntry) -> Loaded | Failed:
        with heard(self._stop):
            return self._load(entry)

    def _load(self, entry: FileEntry) -> Loaded | Failed:
        sha256 = None
        try:
            suffix = os.path.splitext(entry.path)[1].lower()
            kind = Kind.PASSAGE if suffix in DOCUMENT_SUFFIXES else Kind.IMAGE
            before = _stamp(entry.path)
            _check_size(entry)
            data = content(Path(entry.path)) if kind is Kind.IMAGE else b""
            sha256 = hashlib.sha256(data).hexdigest() if data and isinstance(data, bytes) else _hash(entry)
            if sha256 in self._known:
                return Loaded(entry, sha256, kind)
            if kind is Kind.PASSAGE:
                return self._document(entry, sha256, before)
            if suffix in HEIC_SUFFIXES and not HEIF:
                raise Unreadable(f"{entry.path} is HEIC", hint="pip install 'searchkit[heif]'")
            at_least = enough(self._encoder.record.pixels)
            with decoding(data, name=entry.path, at_least=at_least) as picture:
                pixels = self._encoder.prepare_image(picture.image)
                small = from_file(data, picture)
                piece = Pixels(pixels, picture.width, picture.height, picture.taken, thumbnail=small)
                del picture
            written: list[Passage] = []
            if self._ocr is not None:
                with decoding(data, name=entry.path, at_least=OCR_SIDE) as picture:
                    written = self._read.read(picture.image)
                    del picture
            if not isinstance(data, bytes):
                _check_unchanged(entry, before)
            return Loaded(entry, sha256, kind, (piece, *written), read=Counter(pictures=int(bool(written))))
        except (
            Exception
        ) as error:  # the one broad boundary: whatever a file does to a library, the run goes on
            return failed(entry, error, sha256)

    def _document(self, entry: FileEntry, sha256: str, before: tuple[int, int] | None) -> Loaded:
        """The file is read twice: what is hashed and what is parsed must be the same."""
        path = Path(entry.path)
        parser = parser_of(path)
        assert parser is not None
        opened = self._read.open(path, parser)
        pieces: list[Piece] = []
        held = 0
        rest: Iterator[Piece] | None = None
        for piece in opened.pieces:
            pieces.append(piece)
            held += PICTURE if isinstance(piece, Pixels) else 1
            if held >= LONG:
                rest = _unchanged(entry, before, opened.pieces)
                break
        else:
            _check_unchanged(entry, before)
        return Loaded(
            entry, sha256, Kind.PASSAGE, tuple(pieces), rest, opened.document, opened.left_out, opened.read
        )


def _hash(entry: FileEntry) -> str:
    """The sha256 of a file that its parser reads itself, or that is large and need not be in memory twice."""
    try:
        with opened_regular(entry.path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"cannot read {entry.path}: {error.strerror}") from error


def _unchanged(entry: FileEntry, before: tuple[int, int] | None, pieces: Iterator[Piece]) -> Iterator[Piece]:
    yield from pieces
    _check_unchanged(entry, before)


def _check_unchanged(entry: FileEntry, before: tuple[int, int] | None) -> None:
    if _stamp(entry.path) != before:
        raise Changed(f"{entry.path} changed while it was read", hint="the next run tries it again")


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _check_size(entry: FileEntry) -> None:
    if entry.size == 0:
        raise Unreadable(f"{entry.path} is empty (0 bytes)")
    if entry.size > MAX_BYTES:
        raise Unreadable(f"{entry.path} is larger than {MAX_BYTES >> 30} GiB")
