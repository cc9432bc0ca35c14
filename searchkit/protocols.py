"""The protocols behind which implementations are exchanged. Each has its law in its docstring, to which
tests/contract holds every implementation."""

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
    SearchRequest,
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
        """The number above 0 that divides a cosine before a softmax over texts, as the model learned it."""
        ...

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """The (n, dim) vectors of n texts. A text is cut after `record.text_window` tokens: chunk with
        `token_offsets` first. Questions and passages go through `record.as_query` and `record.as_passage`
        before."""
        ...

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The vectors of each text's tokens, cut to the window; their mean, brought to unit length, is the
        text's vector. An encoder that does not pool by the mean raises `BadInput`, also for no texts, without
        reading weights."""
        ...

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        """The (n, dim) vectors of n results of `prepare_image`. Raises `BadInput` where `record.pixels` is 0:
        such an encoder has no image tower."""
        ...

    def prepare_image(self, image: Image) -> np.ndarray:
        """The pixels as the tower reads them. Cheap, thread-safe, without torch: runs in decode threads."""
        ...

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        """The (start, end) characters of every token of the whole text, special tokens left out."""
        ...


class VectorStore(Protocol):
    """Keeps items with their vectors, and finds neighbours by cosine.

    Law: `write` is an upsert by `Item.id` and is all or nothing. An id decides its vector for ever, so equal
    ids may be written twice. Items come back with every field as it was written, times to the microsecond
    and `label_confidence` as float32. `search` is exact over all that was written before it; candidates are
    ordered by score descending, ties by id.

    `where` is an SQL expression over the fields of `Item` that an item must fulfil before it is compared:
    comparisons, AND, OR, NOT, IN, BETWEEN, IS [NOT] NULL, LIKE (which tells small letters from capitals, and
    takes a backslash before a `%` or `_` that is meant as it is), + - * / %, `coalesce` and `starts_with`.
    Times are ISO 8601 in quotes after their column, elsewhere `timestamp '…'`, in UTC without a zone. Every
    method with `where` raises `BadInput` for one that cannot be read, with the columns as its hint.

    A row is a place in the store, an integer from 0 on. An item keeps its row until it is written again or
    the store is compacted, and no other item gets it before that. An index beside the store remembers rows
    and the version of the store that they are of.
    """

    dim: int
    """Components of a vector."""
    asked_language: str | None
    """The language of the stems that `compact` indexes words by, "none" for words as they are; None for the
    language that most passages are in."""

    @property
    def version(self) -> int:
        """The number of the store's state, which grows with every write and delete, and with a compaction
        that moves rows."""
        ...

    @property
    def language(self) -> str:
        """The language of the stems by which words are found, or "none"."""
        ...

    def write(self, items: Sequence[Item], vectors: Vectors) -> None:
        """Store n items with their (n, dim) vectors, row i for item i; nothing for no items.
        Raises ValueError for another shape."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Forget these items; ids that are not there are passed over."""
        ...

    def erase(self, ids: Sequence[str]) -> None:
        """Delete these items and leave no byte of them in any file. Nobody else may write meanwhile."""
        ...

    def compact(self) -> None:
        """Give back the room of what was deleted, and index the words of what was written. Answers stay as
        they are, but for the stems when the language has changed."""
        ...

    def get(self, ids: Sequence[str]) -> list[Item]:
        """The items in the order of `ids`; ids that are not there are left out."""
        ...

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """The (n, dim) vectors in the order of `ids`. Raises KeyError naming one that is missing."""
        ...

    def ids(self) -> Iterator[str]:
        """Every id, once."""
        ...

    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        """All ids with their vectors, in batches, in an order that stays while nothing is written."""
        ...

    def count(self, *, kind: Kind | None = None, where: str | None = None) -> int:
        """How many items there are of a kind, of those that `where` keeps."""
        ...

    def labels_and_times(self) -> tuple[dict[str, int], float | None, float | None]:
        """The number of items by label, the most frequent first, ties by label; and the first and the last
        moment of all items in seconds since the epoch: when they were taken, or else changed."""
        ...

    def search(
        self,
        vector: np.ndarray,
        k: int,
        *,
        kind: Kind | None = None,
        where: str | None = None,
        newer_than: int | None = None,
    ) -> list[Candidate]:
        """The k nearest to a (dim,) vector of unit length, of those that `where` keeps, and of those written
        after the version `newer_than`."""
        ...

    def match(
        self, words: str, k: int, *, column: str, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        """The k items with the best BM25 of these words in a column of `FULL_TEXT`, rows just written too;
        scores are above 0. Any of the words is enough; in passages, the commonest words of the language are
        looked for only where there are no others."""
        ...

    def rows_where(self, where: str, *, kind: Kind | None = None) -> np.ndarray:
        """The (n,) int64 rows that `where` keeps, ascending."""
        ...

    def rows_of(self, ids: Sequence[str], *, kind: Kind, until: int) -> np.ndarray:
        """The (n,) int64 rows of n items of a kind; -1 for one that is not there, or was written after the
        version `until`."""
        ...

    def rows_since(
        self, version: int = -1, *, kind: Kind
    ) -> Iterator[tuple[np.ndarray, list[Item], Vectors]]:
        """The rows written after a version in batches: (n,) int64 rows, n items, (n, dim) vectors."""
        ...

    def vectors_at(self, rows: Sequence[int]) -> Vectors:
        """The (n, dim) vectors of these rows, in their order: quicker than by id."""
        ...


class Reranker(Protocol):
    """Scores the best hits again, reading question and item together: a cross-encoder, an image–text matcher.

    Law: (n,) scores for the n items, in their order, the higher the better; the same question and item give
    the same score whatever else is there. None is infinite; an item with NaN, which cannot be judged (its
    file is gone, it is of another kind), keeps its place among the others.
    """

    def __call__(self, request: SearchRequest, items: Sequence[Item]) -> np.ndarray: ...


class Captioner(Protocol):
    """Writes captions of pictures.

    Law: a list of captions for each picture, in input order, possibly empty; pictures are upright RGB of any
    size.
    """

    def __call__(self, pictures: Sequence[Image], /) -> Sequence[Sequence[str]]: ...


class Parser(Protocol):
    """Turns one file into a Document.

    Law: raises `Unreadable` with a reason for a person when the file cannot be parsed (`NoText` when it can
    and holds none), and nothing else; never touches the network; `document.text[p.start:p.end]` is page p.
    """

    name: str
    """The library underneath and its version, e.g. "pypdfium2 5.15.2": the ledger keeps it."""
    suffixes: frozenset[str]
    """File suffixes in small letters, with the dot."""
    capped: bool = False
    """Whether a file may make it take long or much, so that it runs in a process that can be ended
    (`parsers/capped.py`); False where time and memory follow from the size of the file alone."""

    def parse(self, path: Path) -> Document:
        """The document in a file."""
        ...

    def pictures(self, path: Path) -> Iterator[Embedded]:
        """The pictures inside, in order, one at a time; none for formats that hold none. The caller decodes
        them and leaves out what is too small, perhaps in another thread: no lock is held between two of them.
        Raises `Unreadable` as `parse` does."""
        return iter(())

    def drawn(self, path: Path, pages: Sequence[int], *, width: int) -> Iterator[tuple[int, Image]]:
        """Pages by their numbers from 1, each with its RGB picture of that width in pixels, one at a time. A
        page that cannot be drawn is left out, and so is every page of a format without pictures of pages.
        Raises `Unreadable` as `parse` does."""
        return iter(())


class Chunker(Protocol):
    """Cuts a document into passages.

    Law: passages are in order, cover every character that is not white space, and each
    `passage.text == document.text[passage.start:passage.end]`.
    """

    def __call__(self, document: Document) -> Iterable[Passage]: ...
