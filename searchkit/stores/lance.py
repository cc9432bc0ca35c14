"""The store of record: one Lance table a space, with vectors, text and every column that can be filtered.

Two rules bought dearly: the id is declared as the primary key before the first row, and every
`merge_insert` has `use_index(False)`; without either, writers in other processes duplicate rows silently.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import os
import re
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from lancedb.index import FTS, BTree
from lancedb.query import MatchQuery

from searchkit.errors import BadInput, CollectionTooNew
from searchkit.stores.words import PLAIN, main_language, telling
from searchkit.types import FULL_TEXT, Candidate, Item, Kind, Space, Vectors

FORMAT = 1
FORMAT_KEY, NEEDS_KEY = b"searchkit:format", b"searchkit:needs"
"""Beside the id in the table: the format of its columns, none for 1, and the oldest version of searchkit
that reads it. More columns in it are no other format."""
CHUNK = 1000
SEEN_FOR = 1.0
"""Seconds, twice: how long a table is taken to be as it was last seen, here and in lancedb. What another
process writes is found after two."""
INDEX_IDS_FROM = 10_000
"""Rows, from which a lookup by id is faster with an index than by a scan."""
KEEP_VERSIONS = dt.timedelta(hours=1)
"""Readers in other processes may still hold a version that young."""

WHOLE_UP_TO = 20_000
"""Rows of a table that is compacted as a whole each time."""
LATE = 1000
"""Rows of a larger table that may be outside of its full-text index, where each search reads them…"""
VERSIONS = 256
"""…and versions older than `KEEP_VERSIONS` that it may have, before it is compacted as a whole, too."""
GONE = 0.1
"""Part of its rows that is deleted, from which it is, too."""
JOINED = 2048
"""Rows that are joined in one file at most, meanwhile."""

PATIENCE = 0.5
"""Seconds in which a table that is being made has its first version."""

TIME_LITERAL = re.compile(r"(\b(?:mtime|taken)\s*(?:[<>]=?|!?=|<>)\s*)(?=')", re.IGNORECASE)
TIME_RANGE = re.compile(
    r"(\b(?:mtime|taken)\s+(?:not\s+)?between\s+)(?=')('[^']*'\s+and\s+)(?=')", re.IGNORECASE
)
"""Where a filter compares `mtime` or `taken` with quoted times; Lance wants `timestamp` before a quote."""

COLUMNS = (
    "id",
    "kind",
    "path",
    "path_bytes",
    "source",
    "sha256",
    "ordinal",
    "mtime",
    "page",
    "start",
    "end",
    "text",
    "heading",
    "width",
    "height",
    "size",
    "taken",
    "label",
    "label_confidence",
)


ADDED = (
    pa.field("name", pa.string()),  # the words of the file's name, for full text
    pa.field("heading", pa.string()),
    pa.field("size", pa.int64()),
    pa.field("taken", pa.timestamp("us", "UTC")),
    pa.field("label", pa.string()),
    pa.field("label_confidence", pa.float32()),
)
"""Columns that tables did not always have: an older one gets them when it is opened, empty."""


def schema(dim: int) -> pa.Schema:
    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            pa.field("path", pa.string(), nullable=False),
            pa.field("path_bytes", pa.binary()),  # only where the path is not UTF-8
            pa.field("source", pa.string(), nullable=False),
            pa.field("sha256", pa.string(), nullable=False),
            pa.field("ordinal", pa.int32(), nullable=False),
            pa.field("mtime", pa.timestamp("us", "UTC"), nullable=False),
            pa.field("page", pa.int32()),
            pa.field("start", pa.int64()),
            pa.field("end", pa.int64()),
            pa.field("text", pa.string()),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            *ADDED,
            pa.field("written", pa.int64(), nullable=False),  # the table's version when the row came
            pa.field("vector", pa.list_(pa.float32(), dim), nullable=False),
        ]
    )


SAMPLE = 500
"""Passages that are looked at to tell the language of a collection."""
TOKENIZER = "icu/split"
"""Takes Chinese, Japanese and Thai apart by dictionaries, what has spaces at spaces and punctuation."""


def _words(language: str) -> FTS:
    """The words' stems. None is left out of the index: common ones may be all that was asked for."""
    stems = {"stem": False} if language == PLAIN else {"stem": True, "language": language.title()}
    return FTS(base_tokenizer=TOKENIZER, remove_stop_words=False, **stems)


def _language_of(index: Any) -> str | None:
    """Of a full-text index, the language of its stems; None for one that takes words apart otherwise."""
    told = index.index_details or {}
    if told.get("base_tokenizer") != TOKENIZER:
        return None
    return str(told["language"]).lower() if told.get("stem") else PLAIN


SEPARATORS = re.compile(r"[\W_]+")
WRITES_BETWEEN = 32
"""What is freed goes back to the system so often: a heap that an encoder and Lance use by turns grows by the
holes that neither fills."""


def give_back() -> None:
    """Hand the system what has been freed: glibc keeps it for Lance's threads, each its own, and for an
    encoder (`keep_freed_memory`); a process that compacts again and again grows to 1 GB."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


class LanceStore:
    """A `VectorStore` on disk. One writer at a time; readers see other processes' writes in two seconds.

    `language` is that of the stems in full text, of `words.STEMMED`, or "none"; without it, the language in
    which most passages are written."""

    def __init__(self, folder: Path, space: Space, *, language: str | None = None) -> None:
        self.dim, self.asked_language, self._folder = space.dim, language, folder
        database = _connected(folder)
        table = folder / f"{space.key}.lance"
        if table.exists() and not _is_whole(table):
            time.sleep(PATIENCE)  # another process may be making it
        if _is_whole(table):
            self._table = _opened(database, space.key)
            if not _has_key(self._table.schema) and not self._table.count_rows():
                self._table.set_unenforced_primary_key("id")
            missing = [field for field in ADDED if field.name not in self._table.schema.names]
            if missing:
                self._table.add_columns(missing)
        else:
            # a folder without a version is what a crash or a full disk left
            mode = "overwrite" if table.exists() else "create"
            self._table = database.create_table(space.key, schema=schema(space.dim), mode=mode)
            self._table.set_unenforced_primary_key("id")
        self._version, self._seen = 0, -SEEN_FOR
        self._told = -1, PLAIN
        self._writes = 0

    @property
    def version(self) -> int:
        """Grows with every write and delete."""
        now = time.monotonic()
        if now - self._seen >= SEEN_FOR:  # to ask takes a quarter of a millisecond, as long as a search
            self._version, self._seen = self._table.version, now
        return self._version

    def _changed(self) -> None:
        self._seen = -SEEN_FOR

    def write(self, items: Sequence[Item], vectors: Vectors) -> None:
        if len(items) != len(vectors) or vectors.shape[1:] != (self.dim,):
            raise ValueError(f"{len(items)} items with vectors of shape {vectors.shape}, not (n, {self.dim})")
        if not items:
            return
        self._table.checkout_latest()  # `written` must be later than what any other process has committed
        merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
        self._changed()
        with _refusals(self._table.name):
            merge.use_index(False).execute(self._rows(items, vectors))
        self._changed()
        self._writes += 1
        if self._writes % WRITES_BETWEEN == 0:
            give_back()

    def delete(self, ids: Sequence[str]) -> None:
        with _refusals(self._table.name):
            for chunk in _chunks(ids):
                self._table.delete(_is_in(chunk))
        self._changed()

    def erase(self, ids: Sequence[str]) -> None:
        """Delete, and leave no byte of it in the files. Nobody else may write meanwhile; readers begin again.

        Lance only marks rows as deleted, and compacts a file when a tenth of it is: what shares a file with
        them is written anew, the full-text index, which lists their words, is made again, and every version
        but the last is dropped.
        """
        gone = set(ids)
        self._table.checkout_latest()
        fragments: dict[int, list[str]] = {}
        for batch in self._table.search().select(["id"]).with_row_id(True).to_batches(batch_size=65536):
            for i, row in zip(batch["id"].to_pylist(), batch["_rowid"].to_pylist(), strict=True):
                fragments.setdefault(row >> 32, []).append(i)
        beside = [
            i for held in fragments.values() if not gone.isdisjoint(held) for i in held if i not in gone
        ]
        self.delete(list(ids))
        for chunk in _chunks(beside):
            rows = self._table.search().where(_is_in(chunk)).limit(len(chunk)).to_arrow()
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.use_index(False).execute(rows.select(self._table.schema.names))
        for index in list(self._table.list_indices()):
            if set(index.columns) & set(FULL_TEXT):
                self._table.drop_index(index.name)
        self.compact(keep=dt.timedelta(0))

    def get(self, ids: Sequence[str]) -> list[Item]:
        found = {item.id: item for table in self._lookup(ids, list(COLUMNS)) for item in _items(table)}
        return [found[i] for i in ids if i in found]

    def vectors(self, ids: Sequence[str]) -> Vectors:
        found: dict[str, np.ndarray] = {}
        for table in self._lookup(ids, ["id", "vector"]):
            found |= dict(zip(table["id"].to_pylist(), _matrix(table, self.dim), strict=True))
        if not ids:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([found[i] for i in ids])

    def vectors_at(self, rows: Sequence[int]) -> Vectors:
        """The vectors of these `_rowid`s, in their order: quicker than by id."""
        order = np.argsort(np.argsort(rows))  # what comes back is in order of the rows
        found = self._table.take_row_ids(sorted(rows)).select(["vector"]).to_arrow()
        return _matrix(found, self.dim)[order]

    def search(
        self,
        vector: np.ndarray,
        k: int,
        *,
        kind: Kind | None = None,
        where: str | None = None,
        newer_than: int | None = None,
    ) -> list[Candidate]:
        """Exact, filtered before the search. `newer_than` limits it to rows written after that version.

        Times in `where` are ISO 8601 in quotes. Raises `BadInput` for a filter that Lance cannot read.
        """
        conditions = _conditions(kind, where)
        conditions += [f"written > {newer_than}"] if newer_than is not None else []
        query = self._table.search(np.asarray(vector, np.float32)).distance_type("dot")
        query = query.select([*COLUMNS, "_distance"]).limit(k).bypass_vector_index()
        found = self._run(query, conditions, where)
        scores = 1.0 - found["_distance"].to_numpy()  # Lance's dot distance is 1 − q·x
        return _ranked(_items(found), scores)

    def match(
        self, words: str, k: int, *, column: str, kind: Kind | None = None, where: str | None = None
    ) -> list[Candidate]:
        """The k items with the best BM25 of these words in a column of `FULL_TEXT`, filtered before. In
        texts, the commonest words of their language are looked for only where a question has no others."""
        if column == "text":
            words = telling(words, self._language_now())
        query = self._table.search(MatchQuery(words, column), query_type="fts")
        found = self._run(query.select([*COLUMNS, "_score"]).limit(k), _conditions(kind, where), where)
        return _ranked(_items(found), found["_score"].to_numpy())

    def _run(self, query: Any, conditions: Sequence[str], where: str | None) -> pa.Table:
        if conditions:
            query = query.where(" AND ".join(conditions), prefilter=True)
        try:
            return self._again(query.to_arrow)
        except (ValueError, RuntimeError) as error:
            if where is None:
                raise
            # without Lance's own list of columns, and without the line of Rust
            reason = str(error).strip().splitlines()[0].split(". Valid fields")[0].split(", /")[0][:200]
            raise BadInput(
                f"the filter {where!r} cannot be used: {reason}",
                hint=f"columns: {', '.join(c for c in COLUMNS if c not in ('id', 'path_bytes'))}",
            ) from error

    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        query = self._table.search().select(["id", "vector"])
        if kind:
            query = query.where(f"kind = '{kind.value}'")
        for batch in query.to_batches(batch_size=8192):
            table = pa.Table.from_batches([batch])
            yield table["id"].to_pylist(), _matrix(table, self.dim)

    def ids(self) -> Iterator[str]:
        for batch in self._table.search().select(["id"]).to_batches(batch_size=65536):
            yield from batch.column("id").to_pylist()

    def rows(self, *, kind: Kind, where: str | None = None) -> pa.Table:
        """Of every row: `_rowid` (its place, which compaction may change), `id`, and `written` (the table's
        version when it came); in order of `_rowid`. Raises `BadInput` as `search` does."""
        query = self._table.search().select(["id", "written"]).with_row_id(True)
        return self._run(query, _conditions(kind, where), where).sort_by("_rowid")

    def places(self, where: str, *, kind: Kind | None = None) -> np.ndarray:
        """(n,) int64: the `_rowid` of every row that a filter keeps, ascending."""
        found = self._run(
            self._table.search().select(["written"]).with_row_id(True), _conditions(kind, where), where
        )
        return np.sort(found["_rowid"].to_numpy().astype(np.int64))

    def whole(self, *, kind: Kind, newer_than: int = -1) -> Iterator[tuple[np.ndarray, list[Item], Vectors]]:
        """Every row written after that version, in batches: its `_rowid` as int64, item and vector."""
        query = self._table.search().select([*COLUMNS, "vector"]).with_row_id(True)
        query = query.where(" AND ".join([*_conditions(kind, None), f"written > {newer_than}"]))
        for batch in query.to_batches(batch_size=8192):
            table = pa.Table.from_batches([batch])
            yield table["_rowid"].to_numpy().astype(np.int64), _items(table), _matrix(table, self.dim)

    def count(self, *, kind: Kind | None = None, where: str | None = None) -> int:
        count: int = self._table.count_rows(" AND ".join(_conditions(kind, where)) or None)
        return count

    def labels_and_times(self) -> tuple[dict[str, int], float | None, float | None]:
        """How many items have each label, the most frequent first; and the first and the last moment of all
        items, in seconds: when they were taken, or else changed."""
        found = self._again(lambda: self._table.search().select(["label", "taken", "mtime"]).to_arrow())
        times = pc.min_max(pc.coalesce(found["taken"], found["mtime"])).as_py()
        counts = [row for row in pc.value_counts(found["label"]).to_pylist() if row["values"] is not None]
        counts.sort(key=lambda row: (-row["counts"], row["values"]))
        first, last = (None if one is None else one.timestamp() for one in (times["min"], times["max"]))
        return {row["values"]: row["counts"] for row in counts}, first, last

    def compact(self, keep: dt.timedelta = KEEP_VERSIONS) -> None:
        """Join the small files that single writes leave, drop versions older than `keep`, which no reader can
        hold, and bring the full-text index up to date (without it words are found too, more slowly).

        Lance does the last two only together, with the table as a whole, in memory and time that grow with
        it. Of a table that is large most calls join the files that are new, in memory that is bounded."""
        small = self._newest(keep) if keep else None
        if small is None:
            self._compact_whole(keep)
        else:
            self._join(small)
        # what is cached is of files and indexes that have just been replaced
        self._table = _opened(_connected(self._folder), self._table.name)
        self._changed()

    def _compact_whole(self, keep: dt.timedelta) -> None:
        if self._table.count_rows():
            self._index_words()
        indexed = {column for index in self._table.list_indices() for column in index.columns}
        if "id" not in indexed and self._table.count_rows() >= INDEX_IDS_FROM:
            for column in ("id", "written"):
                self._table.create_index(column, config=BTree())
        alone = not keep
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "optimize.cleanup_older_than=0", UserWarning)
            self._table.optimize(cleanup_older_than=keep, delete_unverified=alone)

    def _newest(self, keep: dt.timedelta) -> list[np.ndarray] | None:
        """Of a large table that is nearly compact the rows to be joined, as `_rowid`s by new file; None for
        one that has to be compacted as a whole."""
        outside = self._outside() if self._table.count_rows() > WHOLE_UP_TO else LATE + 1
        versions = (self._folder / f"{self._table.name}.lance" / "_versions").iterdir()
        young = time.time() - keep.total_seconds()
        old = sum(one.stat().st_mtime < young for one in versions)
        if outside > LATE or old > VERSIONS or self._wants_words()[1]:
            return None
        rows = np.sort(self.places("true"))  # the file, and the place in it
        files, first, counts = np.unique(rows >> 32, return_index=True, return_counts=True)
        last = rows[np.append(first[1:], len(rows)) - 1] & 0xFFFFFFFF
        if len(rows) < (1 - GONE) * (last + 1).sum():
            return None
        new = (np.cumsum(counts[::-1])[::-1] <= outside) & (counts < JOINED)  # the last that came
        return [rows[np.isin(rows >> 32, some)] for some in _shares(files[new], counts[new])]

    def _outside(self) -> int:
        """Rows that came since the indexes were made; all, while one is missing."""
        indexes = {index.columns[0]: index.name for index in self._table.list_indices()}
        if not {"id", *FULL_TEXT} <= indexes.keys():
            return int(self._table.count_rows())
        told = [self._table.index_stats(name) for name in indexes.values()]
        return max(int(one.num_unindexed_rows) for one in told if one is not None)

    def _join(self, shares: Sequence[np.ndarray]) -> None:
        """Write these rows anew, each share into one file. In one step: to Lance it is an update."""
        for rows in shares:
            found = self._table.take_row_ids(rows.tolist()).to_arrow()
            merge = self._table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
            merge.use_index(False).execute(found.select(self._table.schema.names))

    @property
    def language(self) -> str:
        """That of the stems by which words are found, or "none"."""
        return next((one for one in self._indexed_in().values() if one), PLAIN)

    def _language_now(self) -> str:
        if self._told[0] != self.version:
            self._told = self.version, self.language
        return self._told[1]

    def _indexed_in(self) -> dict[str, str | None]:
        found = {index.columns[0]: index for index in self._table.list_indices()}
        return {column: _language_of(found[column]) for column in FULL_TEXT if column in found}

    def _index_words(self) -> None:
        """Full text in the right language: what is indexed in another, or was by an older version, again."""
        language, columns = self._wants_words()
        for column in columns:
            self._table.create_index(column, config=_words(language), replace=True)

    def _wants_words(self) -> tuple[str, list[str]]:
        """The right language, and the columns of full text that are not indexed in it."""
        indexed = self._indexed_in()
        language = self.asked_language or main_language(self._sample(), self.language)
        return language, [column for column in FULL_TEXT if indexed.get(column) != language]

    def _sample(self) -> list[str]:
        """Texts of passages, from the whole table, of which only the kinds are read."""
        rows = self.places("true", kind=Kind.PASSAGE)
        some = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(int))]
        texts = self._table.take_row_ids(some.tolist()).select(["text"]).to_arrow()[0].to_pylist()
        return [text for text in texts if text]

    def _again(self, read: Callable[[], pa.Table]) -> pa.Table:
        """Read; once more, from the last version, when another process has erased the one that was read."""
        try:
            return read()
        except (OSError, RuntimeError) as error:
            if "not found" not in str(error).lower():
                raise
            self._table.checkout_latest()
            return read()

    def _lookup(self, ids: Sequence[str], columns: list[str]) -> Iterator[pa.Table]:
        for chunk in _chunks(ids):
            query = self._table.search().where(_is_in(chunk)).select(columns).limit(len(chunk))
            yield self._again(query.to_arrow)

    def _rows(self, items: Sequence[Item], vectors: Vectors) -> pa.Table:
        encoded = [os.fsencode(item.path) for item in items]
        shown = [path.decode("utf-8", "replace") for path in encoded]
        columns: dict[str, list[Any]] = {
            name: [getattr(item, name) for item in items]
            for name in COLUMNS
            if name not in ("kind", "path", "path_bytes", "source", "mtime", "taken")
        }
        columns["kind"] = [item.kind.value for item in items]
        columns["path"] = shown
        columns["path_bytes"] = [
            raw if text.encode() != raw else None for raw, text in zip(encoded, shown, strict=True)
        ]
        columns["source"] = [os.fsencode(item.source).decode("utf-8", "replace") for item in items]
        columns["name"] = [_name_words(path) for path in shown]
        columns["mtime"] = [_moment(item.mtime) for item in items]
        columns["taken"] = [None if item.taken is None else _moment(item.taken) for item in items]
        columns["written"] = [self.version + 1] * len(items)
        flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
        arrays = [
            pa.FixedSizeListArray.from_arrays(flat, self.dim)
            if field.name == "vector"
            else pa.array(columns[field.name], field.type)
            for field in schema(self.dim)
        ]
        return pa.Table.from_arrays(arrays, schema=schema(self.dim))


def _shares(files: np.ndarray, counts: np.ndarray) -> list[list[int]]:
    """Files in runs of two and more that have at most `JOINED` rows together."""
    shares: list[list[int]] = [[]]
    total = 0
    for file, count in zip(files.tolist(), counts.tolist(), strict=True):
        if total + count > JOINED:
            shares.append([])
            total = 0
        shares[-1].append(file)
        total += count
    return [share for share in shares if len(share) > 1]


def _conditions(kind: Kind | None, where: str | None) -> list[str]:
    conditions = [f"kind = '{kind.value}'"] if kind else []
    if where:
        where = TIME_RANGE.sub(r"\1timestamp \2timestamp ", TIME_LITERAL.sub(r"\1timestamp ", where))
        conditions.append(f"({where})")
    return conditions


def _is_whole(table: Path) -> bool:
    return any((table / "_versions").glob("*.manifest"))


def _has_key(found: pa.Schema) -> bool:
    return any(b"unenforced-primary-key" in name for name in (found.field("id").metadata or {}))


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """What Lance says of a table that a later one has written, as `CollectionTooNew`."""
    try:
        yield
    except RuntimeError as error:
        if "upgrade Lance" not in str(error):
            raise
        reason = str(error).removeprefix("lance error: Not supported: ").split(", /")[0]
        raise CollectionTooNew(
            f"the store of {name} was written by a newer LanceDB: {reason}",
            hint="pip install -U lancedb, or take a newer searchkit",
        ) from error


def _connected(folder: Path) -> Any:
    """A connection with caches of its own, which go when its tables do."""
    session = lancedb.Session(index_cache_size_bytes=256 << 20, metadata_cache_size_bytes=8 << 20)
    seen_for = dt.timedelta(seconds=SEEN_FOR)
    return lancedb.connect(str(folder), session=session, read_consistency_interval=seen_for)


def _opened(database: Any, name: str) -> Any:
    """The table of that name. Raises `CollectionTooNew`."""
    with _refusals(name):
        table = database.open_table(name)
    noted = table.schema.field("id").metadata or {}
    version = int(noted.get(FORMAT_KEY, FORMAT))
    if version > FORMAT:
        needs = noted.get(NEEDS_KEY, b"").decode()
        raise CollectionTooNew.of(f"the store of {name}", found=version, known=FORMAT, needs=needs)
    return table


def _ranked(items: Sequence[Item], scores: np.ndarray) -> list[Candidate]:
    hits = [Candidate(item, float(score)) for item, score in zip(items, scores, strict=True)]
    return sorted(hits, key=lambda c: (-c.score, c.item.id))


def _items(table: pa.Table) -> list[Item]:
    items = []
    for row in table.select(list(COLUMNS)).to_pylist():
        raw = row.pop("path_bytes")
        if raw is not None:
            row["path"] = os.fsdecode(raw)
        row["kind"] = Kind(row["kind"])
        row["mtime"] = row["mtime"].timestamp()
        row["taken"] = None if row["taken"] is None else row["taken"].timestamp()
        items.append(Item(**row))
    return items


def _name_words(path: str) -> str:
    return SEPARATORS.sub(" ", os.path.splitext(os.path.basename(path))[0]).strip()


def _moment(seconds: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def _matrix(table: pa.Table, dim: int) -> Vectors:
    column = table["vector"].combine_chunks()
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, dim)


def _is_in(ids: Sequence[str]) -> str:
    return "id IN ({})".format(", ".join(f"'{i}'" for i in ids))  # ids are our own: hexadecimal and dashes


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
