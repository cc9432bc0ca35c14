"""Vectors of pieces, encoded as the chunking of a collection wants it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

import numpy as np

from searchkit.ingest.chunking import room, settled
from searchkit.ingest.documents import Piece, Pixels
from searchkit.ingest.late import late_vectors
from searchkit.ingest.load import Loaded
from searchkit.protocols import Encoder
from searchkit.types import Chunking, Passage, Vectors

AT_ONCE = 128
"""Pieces of a long document that are encoded between two reports of progress."""


class Embedder:
    """Encodes the pieces of loaded files: by themselves or, for late chunking, within their document."""

    def __init__(self, encoder: Encoder, chunking: Chunking) -> None:
        self._encoder = encoder
        self._late = settled(chunking, encoder).method == "late"
        self._room = room(encoder)

    def __call__(self, files: Sequence[Loaded]) -> list[Vectors]:
        """Vectors of the pieces of each file, (pieces, dim) float32 unit rows, all encoded together."""
        apart = [file for file in files if self._late and file.document is not None]
        together = [file for file in files if not self._late or file.document is None]
        vectors = self._encode([piece for file in together for piece in file.pieces])
        ends = np.cumsum([len(file.pieces) for file in together])
        by_file = {
            id(file): vectors[end - len(file.pieces) : end] for file, end in zip(together, ends, strict=True)
        }
        by_file |= {id(file): np.concatenate([v for _, v in self._in_context(file)]) for file in apart}
        return [by_file[id(file)] for file in files]

    def stream(self, file: Loaded) -> Iterator[tuple[list[Piece], Vectors]]:
        """The pieces of a long document, up to `AT_ONCE` at a time, with their (pieces, dim) vectors."""
        if self._late:
            pairs = self._in_context(file)
            while chunk := list(islice(pairs, AT_ONCE)):
                yield [piece for piece, _ in chunk], np.concatenate([vector for _, vector in chunk])
            return
        pieces = chain(file.pieces, file.rest or ())
        while batch := list(islice(pieces, AT_ONCE)):
            yield batch, self._encode(batch)

    def _encode(self, pieces: Sequence[Piece]) -> Vectors:
        vectors = np.empty((len(pieces), self._encoder.space.dim), np.float32)
        images = np.array([isinstance(piece, Pixels) for piece in pieces], bool)
        texts = [self._encoder.record.as_passage(p.in_context) for p in pieces if isinstance(p, Passage)]
        pixels = [piece.pixels for piece in pieces if isinstance(piece, Pixels)]
        if texts:
            vectors[~images] = self._encoder.encode_text(texts)
        if pixels:
            vectors[images] = self._encoder.encode_images(pixels)
        return vectors

    def _in_context(self, file: Loaded) -> Iterator[tuple[Piece, Vectors]]:
        """Passages, whose vectors come from the whole document, then the other pieces, each with (1, dim)."""
        assert file.document is not None
        pieces = chain(file.pieces, file.rest or ())
        pictures: list[Piece] = []
        yield from late_vectors(
            self._encoder, file.document.text, _passages(pieces, pictures), room=self._room
        )
        for picture in chain(pictures, pieces):
            yield picture, self._encode([picture])


def _passages(pieces: Iterable[Piece], first_picture: list[Piece]) -> Iterator[Passage]:
    """The document's own passages, which come first; the first other piece is put into `first_picture`."""
    for piece in pieces:
        if isinstance(piece, Pixels) or piece.ocr:
            first_picture.append(piece)
            return
        yield piece
