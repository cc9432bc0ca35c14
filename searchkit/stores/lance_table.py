"""The Lance table of one space: its columns, its format, how it is opened, and items as its rows."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lancedb
import numpy as np
import pyarrow as pa

from searchkit.errors import CollectionDamaged, CollectionTooNew, SearchkitError
from searchkit.stores.words import name_words
from searchkit.types import Item, Kind, Space, Vectors

FORMAT = 1
FORMAT_KEY, NEEDS_KEY = b"searchkit:format", b"searchkit:needs"
"""Metadata of the id's field: the format of the columns, none for 1, and the oldest version of searchkit
that reads it. More columns do not make another format."""
SEEN_FOR = 1.0
"""Seconds for which a table is taken to be as it was last seen, by the store and again by lancedb. What
another process writes is found after two."""
PATIENCE = 0.5
"""Seconds within which a table that another process is making has its first version."""
CHUNK = 1000
"""Ids in one look-up."""

COLUMNS = (*Item._fields, "path_bytes")
"""The columns that make an item."""
ADDED = (
    pa.field("name", pa.string()),  # the words of the file's name, for full text
    pa.field("heading", pa.string()),
    pa.field("size", pa.int64()),
    pa.field("taken", pa.timestamp("us", "UTC")),
    pa.field("label", pa.string()),
    pa.field("label_confidence", pa.float32()),
    pa.field("row_sum", pa.int64()),  # of what else the row holds
)
"""Columns that tables did not always have: an older table gets them when it is opened, empty."""


SUMMED = (
    *("id", "kind", "path", "path_bytes", "source", "sha256", "ordinal", "mtime", "page", "start", "end"),
    *("text", "width", "height", "name", "heading", "size", "taken", "label", "label_confidence"),
)
"""Columns that a row's sum is of, with the vector. Later columns stay out, or kept sums would differ."""
ELSEWHERE = re.compile("No space left|disk is full|[Pp]ermission denied|Too many open files|annot allocate")
"""Matches what Lance says when the machine is in the way, and not the table."""


def schema(dim: int) -> pa.Schema:
    """The columns of a table of (dim,) vectors."""
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


# opening it


def open_or_create(folder: Path, space: Space) -> Any:
    """The table of a space, with every column and its key. Raises `CollectionTooNew`."""
    database, path = connected(folder), folder / f"{space.key}.lance"
    if path.exists() and not has_versions(path):
        time.sleep(PATIENCE)  # another process may be making it
        if not has_versions(path) and any((path / "data").glob("*")):
            raise CollectionDamaged(f"the store of {space.key} has lost its versions")
    if not has_versions(path):
        # a folder without a version is what a crash or a full disk left
        mode = "overwrite" if path.exists() else "create"
        table = database.create_table(space.key, schema=schema(space.dim), mode=mode)
        table.set_unenforced_primary_key("id")
        return table
    table = opened(database, space.key)
    if not _has_key(table.schema) and not table.count_rows():
        table.set_unenforced_primary_key("id")
    missing = [field for field in ADDED if field.name not in table.schema.names]
    if missing:
        table.add_columns(missing)
    return table


def connected(folder: Path) -> Any:
    """A connection with caches of its own, which go when its tables do."""
    session = lancedb.Session(index_cache_size_bytes=256 << 20, metadata_cache_size_bytes=8 << 20)
    seen_for = dt.timedelta(seconds=SEEN_FOR)
    return lancedb.connect(str(folder), session=session, read_consistency_interval=seen_for)


def opened(database: Any, name: str) -> Any:
    """The table of that name. Raises `CollectionTooNew`."""
    with refusals(name):
        table = database.open_table(name)
    noted = table.schema.field("id").metadata or {}
    version = int(noted.get(FORMAT_KEY, FORMAT))
    if version > FORMAT:
        needs = noted.get(NEEDS_KEY, b"").decode()
        raise CollectionTooNew.of(f"the store of {name}", found=version, known=FORMAT, needs=needs)
    return table


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turn what Lance says of a table that a later Lance has written into `CollectionTooNew`, and of one that
    cannot be read into `CollectionDamaged`."""
    try:
        yield
    except (SearchkitError, KeyError):
        raise
    except BaseException as error:
        if not _is_of_the_table(error):
            raise
        said = str(error).removeprefix("lance error: ").split(", /")[0]
        if "upgrade Lance" in said:
            raise CollectionTooNew(
                f"the store of {name} was written by a newer LanceDB: {said.removeprefix('Not supported: ')}",
                hint="pip install -U lancedb, or take a newer searchkit",
            ) from error
        raise CollectionDamaged(f"the store of {name} is damaged: {said.splitlines()[0][:200]}") from error


def _is_of_the_table(error: BaseException) -> bool:
    if type(error).__name__ == "PanicException":  # Rust's, which Python takes for no Exception
        return True
    kinds = (RuntimeError, OSError, ValueError, OverflowError, pa.ArrowException)
    return isinstance(error, kinds) and not ELSEWHERE.search(str(error))


def has_versions(path: Path) -> bool:
    """Whether a table's folder holds a version that can be opened."""
    return any((path / "_versions").glob("*.manifest"))


def _has_key(schema: pa.Schema) -> bool:
    return any(b"unenforced-primary-key" in name for name in (schema.field("id").metadata or {}))


# items as rows


def upsert(table: Any, rows: pa.Table) -> None:
    """Write rows by their id. Without an index: with one, writers in other processes duplicate rows."""
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.use_index(False).execute(rows)


def encoded(items: Sequence[Item], vectors: Vectors, *, version: int) -> pa.Table:
    """The rows of n items with their (n, dim) vectors, written by this version of the table."""
    paths = [os.fsencode(item.path) for item in items]
    shown = [path.decode("utf-8", "replace") for path in paths]
    columns: dict[str, list[Any]] = {
        name: [getattr(item, name) for item in items]
        for name in Item._fields
        if name not in ("kind", "path", "source", "mtime", "taken")
    }
    columns["kind"] = [item.kind.value for item in items]
    columns["path"] = shown
    columns["path_bytes"] = [
        raw if text.encode() != raw else None for raw, text in zip(paths, shown, strict=True)
    ]
    columns["source"] = [os.fsencode(item.source).decode("utf-8", "replace") for item in items]
    columns["name"] = [name_words(path) for path in shown]
    columns["mtime"] = [moment(item.mtime) for item in items]
    columns["taken"] = [None if item.taken is None else moment(item.taken) for item in items]
    columns["written"] = [version] * len(items)
    columns["row_sum"] = [None] * len(items)
    dim = vectors.shape[1]
    flat = pa.array(np.ascontiguousarray(vectors, np.float32).reshape(-1))
    arrays = [
        pa.FixedSizeListArray.from_arrays(flat, dim)
        if field.name == "vector"
        else pa.array(columns[field.name], field.type)
        for field in schema(dim)
    ]
    rows = pa.Table.from_arrays(arrays, schema=schema(dim))
    at = rows.schema.get_field_index("row_sum")
    return rows.set_column(at, rows.schema.field(at), pa.array(row_sums(rows), pa.int64()))


def row_sums(rows: pa.Table) -> list[int]:
    """A sum of 63 bits of what each of n rows holds, but for when it was written."""
    plain = []
    for name in SUMMED:
        column = rows[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())  # microseconds
        plain.append(column.to_pylist())
    vectors = matrix(rows, rows.schema.field("vector").type.list_size)
    return [
        int.from_bytes(hashlib.blake2b(repr(row).encode() + vector.tobytes(), digest_size=8).digest()) >> 1
        for row, vector in zip(zip(*plain, strict=True), vectors, strict=True)
    ]


def decoded(rows: pa.Table) -> list[Item]:
    """The items of rows that have all of `COLUMNS`."""
    items = []
    for row in rows.select(list(COLUMNS)).to_pylist():
        raw = row.pop("path_bytes")
        if raw is not None:
            row["path"] = os.fsdecode(raw)
        row["kind"] = Kind(row["kind"])
        row["mtime"] = row["mtime"].timestamp()
        row["taken"] = None if row["taken"] is None else row["taken"].timestamp()
        items.append(Item(**row))
    return items


def matrix(rows: pa.Table, dim: int) -> Vectors:
    """The (n, dim) vectors of rows that have them."""
    column = rows["vector"].combine_chunks()
    flat: np.ndarray = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, dim)


def numbers(rows: pa.Table) -> np.ndarray:
    """The (n,) int64 places of rows in the table: the file in the upper 32 bits, the place in it below."""
    places: np.ndarray = rows["_rowid"].to_numpy().astype(np.int64)
    return places


def moment(seconds: float) -> dt.datetime:
    """The UTC time so many seconds after the epoch, to the microsecond."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC)


def among(ids: Sequence[str]) -> str:
    """The condition that keeps these ids."""
    return "id IN ({})".format(", ".join(f"'{i}'" for i in ids))  # ids are our own: hexadecimal and dashes


def chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids, `CHUNK` at a time."""
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
