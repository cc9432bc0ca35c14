"""Damage to a Lance table: rows that cannot be read or are not what was written, and rotten indexes.

Each row has a sum of its own (`lance_table.row_sums`), since Lance keeps none and one file may hold a whole
table; index files have theirs in `sums.json`, which lies in the table's folder.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import CollectionDamaged
from searchkit.stores.lance_table import connected, has_versions, numbers, opened, refusals, row_sums
from searchkit.stores.sums import damaged, sums_of

SUMS = "sums.json"
READ = 2048
"""Rows that are read at once; where they cannot be, their halves are."""
RANGES = 200
"""Ranges of rows in one condition."""


@dataclass(slots=True)
class Damage:
    """What is wrong with a table."""

    unopenable: str = ""
    """Why the table cannot be opened; empty where it can."""
    rows: list[int] = field(default_factory=list)
    """Rows that cannot be read or are not what was written, ascending."""
    files: list[str] = field(default_factory=list)
    """Index files that are gone or differ from their sums."""

    def __bool__(self) -> bool:
        return bool(self.unopenable or self.rows or self.files)


def keep_sums(path: Path) -> None:
    """Keep the sums of a table's index files; of those that have one already, the sum stays."""
    files = [file for file in (path / "_indices").rglob("*") if file.is_file()]
    scratch = path / f"{SUMS}.tmp"
    scratch.write_text(json.dumps(sums_of(path, files, _kept(path))))
    scratch.replace(path / SUMS)


def find_damage(folder: Path, name: str) -> Damage:
    """Read every row of a table and every file of its indexes. Raises `CollectionTooNew`."""
    path = folder / f"{name}.lance"
    damage = Damage(files=damaged(path, _kept(path)))
    try:
        table = opened(connected(folder), name)
        with refusals(name):
            rows = np.sort(numbers(table.search().select(["_rowid"]).with_row_id(True).to_arrow()))
    except CollectionDamaged as error:
        damage.unopenable = str(error)
        return damage
    for some in _by_file(rows):
        damage.rows += _unsound(table, some)
    return damage


def mend(folder: Path, name: str, damage: Damage) -> None:
    """Take what is damaged out of a table, under the write lock, so that what is left can be read; a table of
    which no version can be opened is removed. The items that are gone then are for the caller to find."""
    path = folder / f"{name}.lance"
    while damage.unopenable:
        if not _drop_newest_version(path):
            shutil.rmtree(path)
            return
        damage = find_damage(folder, name)
    table = opened(connected(folder), name)
    for index in list(table.list_indices()):  # one that has rotted lies in the way of every change
        table.drop_index(index.name)
    ranges = list(_ranges(damage.rows))
    for start in range(0, len(ranges), RANGES):
        some = ranges[start : start + RANGES]
        table.delete(" OR ".join(f"(_rowid >= {first} AND _rowid <= {last})" for first, last in some))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "optimize.cleanup_older_than=0", UserWarning)
        table.optimize(cleanup_older_than=dt.timedelta(0), delete_unverified=True)
    (path / SUMS).unlink(missing_ok=True)
    keep_sums(path)


def _kept(path: Path) -> dict[str, str]:
    try:
        raw = json.loads((path / SUMS).read_text())
        return {str(name): str(kept) for name, kept in raw.items()}
    except (OSError, ValueError, AttributeError):
        return {}


def _by_file(rows: np.ndarray) -> Iterator[np.ndarray]:
    """The ascending rows in runs of one file and at most `READ`."""
    for of_file in np.split(rows, np.flatnonzero(np.diff(rows >> 32)) + 1):
        yield from (of_file[start : start + READ] for start in range(0, len(of_file), READ))


def _unsound(table: Any, rows: np.ndarray) -> list[int]:
    """Those of these rows that cannot be read, or whose sum is another."""
    if not len(rows):
        return []
    try:
        with refusals(table.name):
            read = table.take_row_ids(rows.tolist()).to_arrow()
            if read.num_rows != len(rows):
                return [int(row) for row in rows]
            kept, sums = read["row_sum"].to_pylist(), row_sums(read)
    except CollectionDamaged as error:
        if len(rows) == 1 or "ot found" in str(error.__cause__):
            return [int(row) for row in rows]
        half = len(rows) // 2
        return _unsound(table, rows[:half]) + _unsound(table, rows[half:])
    pairs = zip(rows.tolist(), kept, sums, strict=True)
    return sorted(row for row, was, now in pairs if was is not None and was != now)


def _ranges(rows: list[int]) -> Iterator[tuple[int, int]]:
    """The first and the last of each run of rows without a gap."""
    if rows:
        for run in np.split(np.array(rows), np.flatnonzero(np.diff(rows) != 1) + 1):
            yield int(run[0]), int(run[-1])


def _drop_newest_version(path: Path) -> bool:
    """Go back by one version; False where there is none. Lance names them so that the newest comes first."""
    (path / "_versions" / "latest_version_hint.json").unlink(missing_ok=True)
    if not has_versions(path):
        return False
    min((path / "_versions").glob("*.manifest"), key=_age).unlink()
    return has_versions(path)


def _age(manifest: Path) -> int:
    """A number that is the smaller the newer a version is: Lance counts the names of many digits down."""
    number = int(manifest.stem)
    return number if len(manifest.stem) == 20 else -number
