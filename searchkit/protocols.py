"""The seams. Each has its law in its docstring; tests/contract holds every implementation to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from searchkit.types import (
    Candidate,
    Document,
    Embedded,
    EncoderRecord,
    Item,
    Kind,
    Passage,
    Query,
    Space,
    TokenVectors,
    Vectors,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class Encoder(Protocol):
    """Turns text and pictures into vectors of one space.

    Law: both `encode_*` give (n, dim) float32 of unit length, rows in input order; n = 0 gives
    (0, dim); the same input gives the same vector whatever else is in the batch (cosine ≥ 0.999).
    A string is always text: never a path, never an address.
    """

    record: EncoderRecord
    space: Space

    @property
    def temperature(self) -> float:
        """What a cosine is divided by before a softmax over texts: learned by the model, above 0."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """Text beyond `record.text_window` tokens is cut; chunk with `token_offsets` first. Questions and
        passages go through `record.as_query` and `record.as_passage` before."""
        ...

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        """Of each text, cut to the window, its tokens' vectors: their mean, made a unit, is the text's.
        Raises `BadInput` for an encoder of which that is not so, also for no texts, without reading weights.
        """
        ...

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        """`pixels` are results of `prepare_image`. Raises `BadInput` where `record.pixels` is 0: such an
        encoder has no image tower."""
        ...

    def prepare_image(self, image: Image) -> np.ndarray:
        """Pixels as the tower wants them. Cheap, thread-safe, without torch: runs in decode threads."""
        ...

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """The (start, end) characters of every token of the whole text, special tokens left out."""
        ...


class VectorStore(Protocol):
    """Keeps items with their vectors, and finds neighbours by cosine.

    Law: `write` is an upsert by `Item.id` and is all or nothing; an acknowledged write survives
    `kill -9`. An id decides its vector for ever, so equal ids may be written twice. `search` is exact
    over all that was written before it, ordered by score descending, ties by id.
    """

    def write(self, items: Sequence[Item], vectors: Vectors) -> None:
        """`vectors` is (n, dim) with a row for each of the n items, in their order; nothing for no items.
        Raises ValueError for another shape."""
        ...

    def delete(self, ids: Sequence[str]) -> None: ...

    def get(self, ids: Sequence[str]) -> list[Item]:
        """In the order of `ids`; ids that are not there are left out."""
        ...

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """In the order of `ids`; raises KeyError naming one that is missing."""
        ...

    def search(
        self, vector: np.ndarray, k: int, *, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        """The k nearest to a (dim,) vector of unit length, of those that `where` keeps. Raises `BadInput` for
        a filter that cannot be read."""
        ...

    def match(
        self, words: str, k: int, *, column: str, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        """The items that hold these words, by BM25 in a column of `FULL_TEXT`; rows just written too."""
        ...

    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        """All ids with their vectors, in batches."""
        ...

    def count(self, *, kind: Kind | None = None) -> int: ...


class Reranker(Protocol):
    """Looks again, and closer, at the best of what was found: a cross-encoder, an image–text matcher.

    Law: (n,) scores for the n items, in their order, the higher the better; the same question and item give
    the same score whatever else is there. None is infinite; an item with NaN, which cannot be judged (its
    file is gone, it is of another kind), keeps its place among the others.
    """

    def __call__(self, query: Query, items: Sequence[Item]) -> np.ndarray: ...


class Captioner(Protocol):
    """Says in words what pictures show.

    Law: of each picture, in input order, none or several captions; upright RGB pictures of any size.
    """

    def __call__(self, pictures: Sequence[Image], /) -> Sequence[Sequence[str]]: ...


class Parser(Protocol):
    """Turns one file into a Document.

    Law: raises `Unreadable` with a reason for a person when the file cannot be parsed (`NoText` when it can
    and holds none), and nothing else; never touches the network; `document.text[p.start:p.end]` is page p.
    """

    name: str
    """With the version of the library underneath, e.g. "pypdfium2 5.15.2": the ledger keeps it."""
    suffixes: frozenset[str]
    """Lower-case, with the dot."""
    capped: bool = False
    """Whether a file may make it take long or much, so that it must run in a process that can be ended
    (`parsers/capped.py`); False where time and memory follow from the size of the file alone."""

    def parse(self, path: Path) -> Document: ...

    def pictures(self, path: Path) -> Iterator[Embedded]:
        """The pictures inside, in order, one at a time; none for formats that hold none. Decoding them, and
        leaving out what is too small, is the caller's, in another thread perhaps: no lock is held between
        two of them. Raises `Unreadable` as `parse` does."""
        return iter(())

    def drawn(self, path: Path, pages: Sequence[int], *, width: int) -> Iterator[tuple[int, Image]]:
        """These pages, numbered from 1, as RGB pictures so many pixels wide, one at a time; none for formats
        whose pages cannot be drawn, and a page that cannot be is left out. Raises `Unreadable` as `parse`
        does."""
        return iter(())


class Chunker(Protocol):
    """Cuts a document into passages.

    Law: passages are in order, cover every character that is not white space, and each
    `passage.text == document.text[passage.start:passage.end]`.
    """

    def __call__(self, document: Document) -> Iterable[Passage]: ...
