"""The store of record: one Lance table a space, with vectors, text and every column that can be filtered.

Two rules bought dearly: the id is declared as the primary key before the first row, and every upsert goes
without an index; without either, writers in other processes duplicate rows silently.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import functools
import inspect
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.query import MatchQuery

from searchkit.stores import lance_compaction
from searchkit.stores.conditions import conditions, refusal
from searchkit.stores.lance_compaction import KEEP_VERSIONS
from searchkit.stores.lance_damage import keep_sums
from searchkit.stores.lance_table import (
    COLUMNS,
    SEEN_FOR,
    among,
    chunks,
    connected,
    decoded,
    encoded,
    matrix,
    numbers,
    open_or_create,
    opened,
    refusals,
    upsert,
)
from searchkit.stores.lance_words import drop_words, index_language
from searchkit.stores.words import PLAIN, telling
from searchkit.types import Candidate, Item, Kind, Space, Vectors

P = ParamSpec("P")
T = TypeVar("T")

WRITES_BETWEEN = 32
"""Writes after which freed memory goes back to the system: a heap that an encoder and Lance use by turns
grows by the holes that neither fills."""


def give_back() -> None:
    """Hand the system what has been freed: glibc keeps it for Lance's threads, each its own, and for an
    encoder (`keep_freed_memory`); a process that compacts again and again grows to 1 GB."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _mapped(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method raise `CollectionTooNew` or `CollectionDamaged` in place of what Lance says."""

    @functools.wraps(method)
    def call(*args: P.args, **named: P.kwargs) -> T:
        with refusals(args[0]._name):  # type: ignore[attr-defined]
            return method(*args, **named)

    @functools.wraps(method)
    def each(*args: P.args, **named: P.kwargs) -> Iterator[Any]:
        with refusals(args[0]._name):  # type: ignore[attr-defined]
            yield from method(*args, **named)  # type: ignore[misc]

    return each if inspect.isgeneratorfunction(method) else call  # type: ignore[return-value]


OF_FILES = re.compile(r"corrupt|Not found|LanceError\(IO\)|utf-8|panick|[Dd]ecompress")
"""Matches what Lance says of files, whatever the filter."""


class LanceStore:
    """A `VectorStore` on disk, in which an acknowledged write survives `kill -9`.

    One writer at a time; readers see other processes' writes in two seconds. Rows are numbered by their file
    (the upper 32 bits) and their place in it. `language` is `asked_language`: one of `words.STEMMED`, "none",
    or None for the language in which most passages are written. Raises `CollectionTooNew`.
    """

    def __init__(self, folder: Path, space: Space, *, language: str | None = None) -> None:
        self.dim, self.asked_language, self._folder = space.dim, language, folder
        self._name = space.key
        with refusals(self._name):
            self._table = open_or_create(folder, space)
        self._version, self._seen = 0, -SEEN_FOR
        self._language = -1, PLAIN
        """The version of which the language of the stems was asked last, and the answer."""
        self._writes = 0

    @property
    @_mapped
    def version(self) -> int:
        """The table's version."""
        now = time.monotonic()
        if now - self._seen >= SEEN_FOR:  # to ask takes a quarter of a millisecond, as long as a search
            self._version, self._seen = self._table.version, now
        return self._version

    def _changed(self) -> None:
        self._seen = -SEEN_FOR

    @property
    @_mapped
    def language(self) -> str:
        """The language of the stems by which words are found, or "none"."""
        return index_language(self._table)

    # changing it

    def write(self, items: Sequence[Item], vectors: Vectors) -> None:
        if len(items) != len(vectors) or vectors.shape[1:] != (self.dim,):
            raise ValueError(f"{len(items)} items with vectors of shape {vectors.shape}, not (n, {self.dim})")
        if not items:
            return
        with refusals(self._name):
            self._table.checkout_latest()  # `written` must be later than what another process has committed
            self._changed()
            upsert(self._table, encoded(items, vectors, version=self.version + 1))
        self._changed()
        self._writes += 1
        if self._writes % WRITES_BETWEEN == 0:
            give_back()

    @_mapped
    def delete(self, ids: Sequence[str]) -> None:
        for chunk in chunks(ids):
            self._table.delete(among(chunk))
        self._changed()

    @_mapped
    def erase(self, ids: Sequence[str]) -> None:
        """Delete these items and leave no byte of them in the files. Nobody else may write meanwhile; readers
        begin again.

        Lance only marks rows as deleted, and compacts a file when a tenth of it is: what shares a file with
        them is written anew, the full-text index, which lists their words, is made again, and every version
        but the last is dropped.
        """
        self._table.checkout_latest()
        neighbours = lance_compaction.beside(self._table, ids)
        self.delete(list(ids))
        lance_compaction.rewrite(self._table, neighbours)
        drop_words(self._table)
        self.compact(keep=dt.timedelta(0))

    @_mapped
    def compact(self, keep: dt.timedelta = KEEP_VERSIONS) -> None:
        """Join the small files that single writes leave, drop versions older than `keep`, which no reader can
        hold, and bring the full-text index up to date (without it words are found too, more slowly)."""
        lance_compaction.compact(self._table, self._folder, self.asked_language, keep)
        # what is cached is of files and indexes that have just been replaced
        self._table = opened(connected(self._folder), self._table.name)
        keep_sums(self._folder / f"{self._name}.lance")
        self._changed()

    # reading it

    @_mapped
    def get(self, ids: Sequence[str]) -> list[Item]:
        items = {item.id: item for table in self._lookup(ids, list(COLUMNS)) for item in decoded(table)}
        return [items[i] for i in ids if i in items]

    @_mapped
    def vectors(self, ids: Sequence[str]) -> Vectors:
        rows: dict[str, np.ndarray] = {}
        for table in self._lookup(ids, ["id", "vector"]):
            rows |= dict(zip(table["id"].to_pylist(), matrix(table, self.dim), strict=True))
        if not ids:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([rows[i] for i in ids])

    @_mapped
    def ids(self) -> Iterator[str]:
        for batch in self._table.search().select(["id"]).to_batches(batch_size=65536):
            yield from batch.column("id").to_pylist()

    @_mapped
    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        query = self._table.search().select(["id", "vector"])
        if kind:
            query = query.where(f"kind = '{kind.value}'")
        for batch in query.to_batches(batch_size=8192):
            table = pa.Table.from_batches([batch])
            yield table["id"].to_pylist(), matrix(table, self.dim)

    @_mapped
    def count(self, *, kind: Kind | None = None, where: str | None = None) -> int:
        condition = " AND ".join(conditions(kind, where)) or None
        with _reading(where):
            count: int = self._table.count_rows(condition)
        return count

    @_mapped
    def labels_and_times(self) -> tuple[dict[str, int], float | None, float | None]:
        table = self._again(lambda: self._table.search().select(["label", "taken", "mtime"]).to_arrow())
        times = pc.min_max(pc.coalesce(table["taken"], table["mtime"])).as_py()
        counts = [row for row in pc.value_counts(table["label"]).to_pylist() if row["values"] is not None]
        counts.sort(key=lambda row: (-row["counts"], row["values"]))
        first, last = (None if time is None else time.timestamp() for time in (times["min"], times["max"]))
        return {row["values"]: row["counts"] for row in counts}, first, last

    # finding

    @_mapped
    def search(
        self,
        vector: np.ndarray,
        k: int,
        *,
        kind: Kind | None = None,
        where: str | None = None,
        newer_than: int | None = None,
    ) -> list[Candidate]:
        query = self._table.search(np.asarray(vector, np.float32)).distance_type("dot")
        query = query.select([*COLUMNS, "_distance"]).limit(k).bypass_vector_index()
        newer = [f"written > {newer_than}"] if newer_than is not None else []
        table = self._run(query, kind, where, newer)
        scores = 1.0 - table["_distance"].to_numpy()  # Lance's dot distance is 1 − q·x
        return _ranked(decoded(table), scores)

    @_mapped
    def match(
        self, words: str, k: int, *, column: str, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        if column == "text":
            words = telling(words, self._language_now())
        query = self._table.search(MatchQuery(words, column), query_type="fts")
        table = self._run(query.select([*COLUMNS, "_score"]).limit(k), kind, where)
        return _ranked(decoded(table), table["_score"].to_numpy())

    def _language_now(self) -> str:
        if self._language[0] != self.version:
            self._language = self.version, self.language
        return self._language[1]

    # rows by number

    @_mapped
    def rows_where(self, where: str, *, kind: Kind | None = None) -> np.ndarray:
        query = self._table.search().select(["written"]).with_row_id(True)
        return np.sort(numbers(self._run(query, kind, where)))

    @_mapped
    def rows_of(self, ids: Sequence[str], *, kind: Kind, until: int) -> np.ndarray:
        query = self._table.search().select(["id"]).with_row_id(True)
        table = self._run(query, kind, None, [f"written <= {until}"])
        at = pc.index_in(pa.array(ids, pa.string()), value_set=table["id"].combine_chunks())
        rows: np.ndarray = np.append(numbers(table), -1)[at.fill_null(-1).to_numpy()]
        return rows

    @_mapped
    def rows_since(
        self, version: int = -1, *, kind: Kind
    ) -> Iterator[tuple[np.ndarray, list[Item], Vectors]]:
        query = self._table.search().select([*COLUMNS, "vector"]).with_row_id(True)
        query = query.where(" AND ".join([*conditions(kind, None), f"written > {version}"]))
        for batch in query.to_batches(batch_size=8192):
            table = pa.Table.from_batches([batch])
            yield numbers(table), decoded(table), matrix(table, self.dim)

    @_mapped
    def vectors_at(self, rows: Sequence[int]) -> Vectors:
        order = np.argsort(np.argsort(rows))  # what comes back is in order of the rows
        table = self._table.take_row_ids(sorted(rows)).select(["vector"]).to_arrow()
        return matrix(table, self.dim)[order]

    # asking Lance

    def _lookup(self, ids: Sequence[str], columns: list[str]) -> Iterator[pa.Table]:
        for chunk in chunks(ids):
            query = self._table.search().where(among(chunk)).select(columns).limit(len(chunk))
            yield self._again(query.to_arrow)

    def _run(self, query: Any, kind: Kind | None, where: str | None, more: Sequence[str] = ()) -> pa.Table:
        """What the query finds among the rows that fulfil the conditions."""
        every = [*conditions(kind, where), *more]
        if every:
            query = query.where(" AND ".join(every), prefilter=True)
        with _reading(where):
            return self._again(query.to_arrow)

    def _again(self, read: Callable[[], pa.Table]) -> pa.Table:
        """Read; once more, from the last version, when another process has erased the one that was read."""
        try:
            return read()
        except (OSError, RuntimeError) as error:
            if "not found" not in str(error).lower():
                raise
            self._table.checkout_latest()
            return read()


@contextmanager
def _reading(where: str | None) -> Iterator[None]:
    """Turn what Lance says of a filter into `BadInput`."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        if where is None or OF_FILES.search(str(error)):
            raise
        # without Lance's own list of columns, and without the line of Rust
        reason = str(error).strip().splitlines()[0].split(". Valid fields")[0].split(", /")[0][:200]
        raise refusal(where, reason) from error


def _ranked(items: Sequence[Item], scores: np.ndarray) -> list[Candidate]:
    hits = [Candidate(item, float(score)) for item, score in zip(items, scores, strict=True)]
    return sorted(hits, key=lambda c: (-c.score, c.item.id))
