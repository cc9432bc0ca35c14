"""From pieces to vectors, and to the items that the store keeps beside them."""

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
    """Encodes what was loaded, the passages as the collection's chunking wants it."""

    def __init__(self, encoder: Encoder, chunking: Chunking) -> None:
        self._encoder = encoder
        self._late = settled(chunking, encoder).method == "late"
        self._room = room(encoder)

    def __call__(self, loaded: Sequence[Loaded]) -> list[Vectors]:
        """(pieces, dim) of each, all encoded together."""
        apart = [one for one in loaded if self._late and one.document is not None]
        together = [one for one in loaded if not self._late or one.document is None]
        vectors = self._encode([piece for one in together for piece in one.pieces])
        ends = np.cumsum([len(one.pieces) for one in together])
        found = {
            id(one): vectors[end - len(one.pieces) : end] for one, end in zip(together, ends, strict=True)
        }
        found |= {id(one): np.concatenate([v for _, v in self._in_context(one)]) for one in apart}
        return [found[id(one)] for one in loaded]

    def stream(self, one: Loaded) -> Iterator[tuple[list[Piece], Vectors]]:
        """The pieces of a long document, some at a time, with their vectors."""
        if self._late:
            pairs = self._in_context(one)
            while some := list(islice(pairs, AT_ONCE)):
                yield [piece for piece, _ in some], np.concatenate([vector for _, vector in some])
            return
        pieces = chain(one.pieces, one.rest or ())
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

    def _in_context(self, one: Loaded) -> Iterator[tuple[Piece, Vectors]]:
        """Passages, whose vectors come from the whole document, then the other pieces, one by one."""
        assert one.document is not None
        pieces = chain(one.pieces, one.rest or ())
        pictures: list[Piece] = []
        yield from late_vectors(
            self._encoder, one.document.text, _passages(pieces, pictures), room=self._room
        )
        for picture in chain(pictures, pieces):
            yield picture, self._encode([picture])


def _passages(pieces: Iterable[Piece], first_picture: list[Piece]) -> Iterator[Passage]:
    """The document's own passages, which come first; the first piece that is none is left in the list."""
    for piece in pieces:
        if isinstance(piece, Pixels) or piece.ocr:
            first_picture.append(piece)
            return
        yield piece
