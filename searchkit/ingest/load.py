"""One file to pixels or passages. Runs in threads, many at a time: no catalog, no store, no torch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchkit.errors import Unreadable
from searchkit.ingest.chunk import TokenWindow
from searchkit.ingest.images import DECODER, HEIC_SUFFIXES, HEIF, SUFFIXES, decode, enough
from searchkit.protocols import Encoder
from searchkit.registry import DOCUMENT_SUFFIXES, parser_for, parser_of
from searchkit.types import FileEntry, Kind, Passage

MAX_BYTES = 2 << 30
PASSAGE_TOKENS = 128
"""Longer passages mix subjects: in 254 tokens the sentence that answers a question drowned."""
SPECIAL_TOKENS = 2
OVERLAP = 24
"""Tokens that two neighbouring passages share: a sentence on the border is whole in one of them."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file's content, ready for the encoder. Both `pixels` and `passages` empty: the content is known."""

    entry: FileEntry
    sha256: str
    kind: Kind
    pixels: np.ndarray | None = None
    width: int | None = None
    height: int | None = None
    taken: float | None = None
    passages: tuple[Passage, ...] = ()

    @property
    def items(self) -> int:
        return 1 if self.pixels is not None else len(self.passages)


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


class Loader:
    """Reads, hashes, and decodes or parses, unless `known` has the content already."""

    def __init__(self, encoder: Encoder, known: Container[str]) -> None:
        self._encoder, self._known = encoder, known
        prompt = len(encoder.token_offsets(encoder.record.passage_prompt))
        room = encoder.record.text_window - SPECIAL_TOKENS - prompt
        tokens = min(PASSAGE_TOKENS, room)
        self._chunk = TokenWindow(
            offsets=encoder.token_offsets, tokens=tokens, overlap=min(OVERLAP, tokens // 4)
        )

    def __call__(self, entry: FileEntry) -> Loaded | Failed:
        sha256 = None
        try:
            data = _read(entry)
            sha256 = hashlib.sha256(data).hexdigest()
            suffix = os.path.splitext(entry.path)[1].lower()
            kind = Kind.PASSAGE if suffix in DOCUMENT_SUFFIXES else Kind.IMAGE
            if sha256 in self._known:
                return Loaded(entry, sha256, kind)
            if kind is Kind.PASSAGE:
                return Loaded(entry, sha256, kind, passages=self._passages(entry))
            if suffix in HEIC_SUFFIXES and not HEIF:
                raise Unreadable(f"{entry.path} is HEIC", hint="pip install 'searchkit[heif]'")
            picture = decode(data, name=entry.path, at_least=enough(self._encoder.record.pixels))
            pixels = self._encoder.prepare_image(picture.image)
            return Loaded(entry, sha256, kind, pixels, picture.width, picture.height, picture.taken)
        except Unreadable as error:
            reason = f"{error} ({error.hint})" if error.hint else str(error)
            return Failed(entry, reason, decoder_of(entry.path), sha256)
        except (
            Exception
        ) as error:  # the one broad boundary: whatever a file does to a library, the run goes on
            return Failed(entry, f"{type(error).__name__}: {error}", decoder_of(entry.path), sha256)

    def _passages(self, entry: FileEntry) -> tuple[Passage, ...]:
        path = Path(entry.path)
        parser = parser_of(path)
        assert parser is not None
        passages = tuple(self._chunk(parser.parse(path)))
        if not passages:
            raise Unreadable(f"{entry.path} has no text")
        return passages


def _read(entry: FileEntry) -> bytes:
    if entry.size == 0:
        raise Unreadable(f"{entry.path} is empty (0 bytes)")
    if entry.size > MAX_BYTES:
        raise Unreadable(f"{entry.path} is larger than {MAX_BYTES >> 30} GiB")
    try:
        return Path(entry.path).read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot read {entry.path}: {error.strerror}") from error
