"""A store in memory, for a small index that need not outlive its process, and for tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from threading import RLock

import numpy as np

from searchkit.stores.memory_table import MemoryTable
from searchkit.stores.words import PLAIN, main_language, telling
from searchkit.types import Candidate, Item, Kind, Space, Vectors

KINDS = {kind: number for number, kind in enumerate(Kind)}
GONE = -1
"""The number in place of a kind for a row whose item was deleted or written again."""
BATCH = 8192
"""Rows that are given at a time."""
FIRST_ROOM = 1024
"""Rows for which a new store has room."""
ROUNDING = 1e-5
"""What a float32 product may be wrong by: of equal vectors, it is not the same in every row."""
SAMPLE = 500
"""Passages, at least, that are looked at to tell the language of most."""


class MemoryStore:
    """A `VectorStore` that holds everything in memory and compares a question with every vector.

    Any number of threads may use it. Of stems it knows those of English: with another `language`, words are
    found as they are.

    >>> space = Space("by hand", "0" * 64, 1, 2)
    >>> store = MemoryStore(space)
    >>> picture = Item("a", Kind.IMAGE, "/a.jpg", "/", "", 0, 0.0, width=640)
    >>> store.write([picture], np.array([[1.0, 0.0]], np.float32))
    >>> [(hit.item.path, hit.score) for hit in store.search(np.array([1.0, 0.0]), 5, where="width > 600")]
    [('/a.jpg', 1.0)]
    """

    def __init__(self, space: Space, *, language: str | None = None) -> None:
        self.dim, self.asked_language = space.dim, language
        self.version = 0
        self._lock = RLock()
        self._empty(PLAIN)

    @property
    def language(self) -> str:
        """The language of the stems by which words are found, or "none"."""
        return self._table.language

    def _empty(self, language: str) -> None:
        self._table = MemoryTable(language)
        self._items: list[Item] = []  # by row, those that are gone too
        self._rows: dict[str, int] = {}  # by id, in ascending order
        self._vectors: Vectors = np.zeros((FIRST_ROOM, self.dim), np.float32)
        self._kinds = np.full(FIRST_ROOM, GONE, np.int8)
        self._written = np.zeros(FIRST_ROOM, np.int64)

    # changing it

    def write(self, items: Sequence[Item], vectors: Vectors) -> None:
        if len(items) != len(vectors) or vectors.shape[1:] != (self.dim,):
            raise ValueError(f"{len(items)} items with vectors of shape {vectors.shape}, not (n, {self.dim})")
        if not items:
            return
        with self._lock:
            self._append(items, vectors, [self.version + 1] * len(items))
            self.version += 1

    def _append(self, items: Sequence[Item], vectors: Vectors, written: Sequence[int]) -> None:
        last = {item.id: place for place, item in enumerate(items)}  # of an id that is there twice, the last
        places = sorted(last.values())
        items, written = [items[place] for place in places], [written[place] for place in places]
        first, end = len(self._items), len(self._items) + len(items)
        gone = [self._rows[item.id] for item in items if item.id in self._rows]
        self._table.add(first, items, written=written, gone=gone)
        self._make_room(end)
        self._forget(item.id for item in items)
        self._vectors[first:end] = vectors[places]
        self._kinds[first:end] = [KINDS[item.kind] for item in items]
        self._written[first:end] = written
        self._items += items
        self._rows |= {item.id: row for row, item in enumerate(items, start=first)}

    def _make_room(self, rows: int) -> None:
        """Have room for so many rows, twice as many as before at least."""
        short = rows - len(self._kinds)
        if short > 0:
            more = max(short, len(self._kinds))
            self._vectors = np.concatenate([self._vectors, np.zeros((more, self.dim), np.float32)])
            self._kinds = np.concatenate([self._kinds, np.full(more, GONE, np.int8)])
            self._written = np.concatenate([self._written, np.zeros(more, np.int64)])

    def _forget(self, ids: Iterable[str]) -> list[int]:
        """Take items out, and give the rows that they had."""
        rows = [self._rows.pop(i) for i in ids if i in self._rows]
        self._kinds[rows] = GONE
        return rows

    def delete(self, ids: Sequence[str]) -> None:
        with self._lock:
            rows = self._forget(ids)
            self._table.delete(rows)
            self.version += bool(rows)

    def erase(self, ids: Sequence[str]) -> None:
        """Delete these items, and give back their room; no file has held them."""
        self.delete(ids)
        self.compact()

    def compact(self) -> None:
        with self._lock:
            language = self.asked_language or main_language(self._sample(), self.language)
            rows = np.array(list(self._rows.values()), np.int64)
            if len(rows) == len(self._items) and self._table.speaks(language):
                return
            items, written = [self._items[row] for row in rows], self._written[rows].tolist()
            vectors = self._vectors[rows]
            self._empty(language)
            self._append(items, vectors, written)
            self.version += 1

    def _sample(self) -> list[str]:
        """Texts of passages, evenly spread over the store."""
        passages = self._kept(Kind.PASSAGE).tolist()
        texts = [text for row in passages if (text := self._items[row].text)]
        return texts[:: max(1, len(texts) // SAMPLE)]

    # reading it

    def get(self, ids: Sequence[str]) -> list[Item]:
        with self._lock:
            return [self._items[self._rows[i]] for i in ids if i in self._rows]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        with self._lock:
            return self.vectors_at([self._rows[i] for i in ids])

    def ids(self) -> Iterator[str]:
        with self._lock:
            return iter(list(self._rows))

    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        for _, items, vectors in self._batches(kind):
            yield [item.id for item in items], vectors

    def count(self, *, kind: Kind | None = None, where: str | None = None) -> int:
        with self._lock:
            return len(self._kept(kind, where))

    def labels_and_times(self) -> tuple[dict[str, int], float | None, float | None]:
        with self._lock:
            return self._table.labels_and_times()

    # finding

    def search(
        self,
        vector: np.ndarray,
        k: int,
        *,
        kind: Kind | None = None,
        where: str | None = None,
        newer_than: int | None = None,
    ) -> list[Candidate]:
        with self._lock:
            rows = self._kept(kind, where, newer_than)
            if 4 * len(rows) < len(self._items):
                scores = self._vectors[rows] @ vector  # (n, dim) @ (dim,) -> (n,)
            else:  # quicker than to copy most of the vectors
                scores = (self._vectors[: len(self._items)] @ vector)[rows]
            return self._nearest(rows, scores, vector, k)

    def _nearest(self, rows: np.ndarray, scores: np.ndarray, vector: np.ndarray, k: int) -> list[Candidate]:
        """The k nearest of (n,) rows with (n,) scores to `ROUNDING`, ties by id."""
        if k < len(rows):
            close = scores >= np.partition(scores, len(rows) - k)[len(rows) - k] - ROUNDING
            rows = rows[close]
        exact = (self._vectors[rows].astype(np.float64) @ vector).astype(np.float32)
        return self._best(rows, exact, k)

    def match(
        self, words: str, k: int, *, column: str, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        with self._lock:
            if column == "text":
                words = telling(words, self.language)
            rows, scores = self._table.matches(words, column)
            kept = np.isin(rows, self._kept(kind, where))
            return self._best(rows[kept], scores[kept], k)

    def _kept(
        self, kind: Kind | None = None, where: str | None = None, newer_than: int | None = None
    ) -> np.ndarray:
        """The (n,) int64 rows that fulfil every condition, ascending."""
        kinds, written = self._kinds[: len(self._items)], self._written[: len(self._items)]
        there = kinds == KINDS[kind] if kind else kinds != GONE
        if newer_than is not None:
            there &= written > newer_than
        if where is None:
            return np.flatnonzero(there)
        rows = self._table.rows(where)
        kept: np.ndarray = rows[there[rows]]
        return kept

    def _best(self, rows: np.ndarray, scores: np.ndarray, k: int) -> list[Candidate]:
        """The k best of (n,) rows with (n,) scores, ties by id."""
        items = [self._items[row] for row in rows.tolist()]
        candidates = [Candidate(item, score) for item, score in zip(items, scores.tolist(), strict=True)]
        return sorted(candidates, key=lambda c: (-c.score, c.item.id))[:k]

    # rows by number

    def rows_where(self, where: str, *, kind: Kind | None = None) -> np.ndarray:
        with self._lock:
            return self._kept(kind, where)

    def rows_of(self, ids: Sequence[str], *, kind: Kind, until: int) -> np.ndarray:
        with self._lock:
            rows = np.array([self._rows.get(i, GONE) for i in ids], np.int64)
            there = (rows != GONE) & (self._kinds[rows] == KINDS[kind]) & (self._written[rows] <= until)
            known: np.ndarray = np.where(there, rows, GONE)
            return known

    def rows_since(
        self, version: int = -1, *, kind: Kind
    ) -> Iterator[tuple[np.ndarray, list[Item], Vectors]]:
        return self._batches(kind, version)

    def vectors_at(self, rows: Sequence[int]) -> Vectors:
        with self._lock:
            vectors: Vectors = self._vectors[np.array(rows, np.int64)]
            return vectors

    def _batches(
        self, kind: Kind | None, newer_than: int | None = None
    ) -> Iterator[tuple[np.ndarray, list[Item], Vectors]]:
        """Rows with their items and vectors, as they are when the first batch is asked for."""
        with self._lock:
            rows, items, vectors = self._kept(kind, None, newer_than), self._items, self._vectors
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            yield batch, [items[row] for row in batch.tolist()], vectors[batch]
