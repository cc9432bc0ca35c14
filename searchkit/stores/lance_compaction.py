"""Compaction of a Lance table: fewer files, fewer versions, indexes that hold every row.

Lance drops versions and brings indexes up to date only together with the table as a whole, in memory and
time that grow with it. A table that is large and nearly compact has its new small files joined instead, in
memory that is bounded.
"""

from __future__ import annotations

import datetime as dt
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lancedb.index import BTree

from searchkit.stores.lance_table import among, chunks, numbers, upsert
from searchkit.stores.lance_words import index_words, wanted
from searchkit.types import FULL_TEXT

KEEP_VERSIONS = dt.timedelta(hours=1)
"""Age up to which a version is kept: readers in other processes may still hold it."""
INDEX_IDS_FROM = 10_000
"""Rows, from which a look-up by id is faster with an index than by a scan."""
WHOLE_UP_TO = 20_000
"""Rows of a table that is compacted as a whole each time."""
LATE = 1000
"""Rows of a larger table that may be outside of its full-text index, where each search reads them."""
VERSIONS = 256
"""Versions older than `KEEP_VERSIONS` that a larger table may have before it is compacted as a whole."""
GONE = 0.1
"""Part of a larger table's rows whose deletion makes it due to be compacted as a whole."""
JOINED = 2048
"""Rows that are joined in one file at most."""
FILE = 32
"""Bits of a row's number below those of its file."""


def compact(table: Any, folder: Path, asked_language: str | None, keep: dt.timedelta) -> None:
    """Join the small files that single writes leave, drop versions older than `keep`, which no reader can
    hold, and bring the indexes up to date. Without `keep`, every version but the last goes."""
    small = _small_files(table, folder, asked_language, keep) if keep else None
    if small is None:
        _compact_whole(table, asked_language, keep)
    else:
        _join(table, small)


def beside(table: Any, ids: Sequence[str]) -> list[str]:
    """The other ids in the files that hold these."""
    gone, files = set(ids), dict[int, list[str]]()
    for batch in table.search().select(["id"]).with_row_id(True).to_batches(batch_size=65536):
        for i, row in zip(batch["id"].to_pylist(), batch["_rowid"].to_pylist(), strict=True):
            files.setdefault(row >> FILE, []).append(i)
    return [i for held in files.values() if not gone.isdisjoint(held) for i in held if i not in gone]


def rewrite(table: Any, ids: Sequence[str]) -> None:
    """Write the rows of these ids anew, into other files."""
    for chunk in chunks(ids):
        rows = table.search().where(among(chunk)).limit(len(chunk)).to_arrow()
        upsert(table, rows.select(table.schema.names))


def _compact_whole(table: Any, asked_language: str | None, keep: dt.timedelta) -> None:
    if table.count_rows():
        index_words(table, asked_language)
    indexed = {column for index in table.list_indices() for column in index.columns}
    if "id" not in indexed and table.count_rows() >= INDEX_IDS_FROM:
        for column in ("id", "written"):
            table.create_index(column, config=BTree())
    alone = not keep
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optimize.cleanup_older_than=0", UserWarning)
        table.optimize(cleanup_older_than=keep, delete_unverified=alone)


def _small_files(
    table: Any, folder: Path, asked_language: str | None, keep: dt.timedelta
) -> list[np.ndarray] | None:
    """The rows to be joined, an array of their numbers for each file to be made; None for a table that has
    to be compacted as a whole."""
    outside = _outside(table) if table.count_rows() > WHOLE_UP_TO else LATE + 1
    versions = (folder / f"{table.name}.lance" / "_versions").iterdir()
    young = time.time() - keep.total_seconds()
    old = sum(version.stat().st_mtime < young for version in versions)
    if outside > LATE or old > VERSIONS or wanted(table, asked_language)[1]:
        return None
    rows = np.sort(numbers(table.search().select(["written"]).with_row_id(True).to_arrow()))
    files, first, counts = np.unique(rows >> FILE, return_index=True, return_counts=True)
    last = rows[np.append(first[1:], len(rows)) - 1] & ((1 << FILE) - 1)
    if len(rows) < (1 - GONE) * (last + 1).sum():
        return None
    newest = (np.cumsum(counts[::-1])[::-1] <= outside) & (counts < JOINED)
    return [rows[np.isin(rows >> FILE, share)] for share in _shares(files[newest], counts[newest])]


def _outside(table: Any) -> int:
    """The number of rows that came since the indexes were made; all, while an index is missing."""
    indexes = {index.columns[0]: index.name for index in table.list_indices()}
    if not {"id", *FULL_TEXT} <= indexes.keys():
        return int(table.count_rows())
    statistics = [table.index_stats(name) for name in indexes.values()]
    return max(int(of_index.num_unindexed_rows) for of_index in statistics if of_index is not None)


def _join(table: Any, shares: Sequence[np.ndarray]) -> None:
    """Write these rows anew, each share into one file. In one step: to Lance it is an update."""
    for rows in shares:
        upsert(table, table.take_row_ids(rows.tolist()).to_arrow().select(table.schema.names))


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
