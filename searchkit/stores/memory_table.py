"""The columns of a store in memory: SQLite evaluates filters, and its FTS5 finds words by BM25."""

from __future__ import annotations

import datetime as dt
import os
import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from searchkit.stores.conditions import refusal, typed
from searchkit.stores.words import PLAIN, name_words
from searchkit.types import FULL_TEXT, Item

COLUMNS = (*Item._fields, "name", "written")
TYPES = {"ordinal": "INTEGER", "label_confidence": "REAL", "written": "INTEGER"} | dict.fromkeys(
    ("mtime", "taken", "page", "start", "end", "width", "height", "size"), "INTEGER"
)
"""SQLite's type of each column that is no text. Times are microseconds since the epoch."""
STEMS = {"english": "porter unicode61", PLAIN: "unicode61"}
"""FTS5's tokenizer for each language of which it knows the stems."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
TOKEN = re.compile(
    r"""\b(?:timestamp|date)\s*'(?P<time>[^']*)' | '(?:[^']|'')*' | `[^`]*`
    | "(?P<name>[^"]*)" | \b(?P<end>end)\b""",
    re.IGNORECASE | re.VERBOSE,
)
"""What SQLite would read otherwise: times, and names that it takes for texts or for keywords."""
WORD = re.compile(r"[^\W_]+")


class MemoryTable:
    """The columns of items by row, in a database of its own. Texts of `language` are found by its stems."""

    def __init__(self, language: str) -> None:
        self.language = language if language in STEMS else PLAIN
        self._database = sqlite3.connect(":memory:", check_same_thread=False)
        self._database.create_function("like", 2, _like, deterministic=True)
        self._database.create_function("starts_with", 2, _starts_with, deterministic=True)
        columns = ", ".join(f"`{name}` {TYPES.get(name, 'TEXT')}" for name in COLUMNS)
        self._database.execute(f"CREATE TABLE items (row INTEGER PRIMARY KEY, {columns})")
        for column in FULL_TEXT:
            self._database.execute(
                f"CREATE VIRTUAL TABLE {column}_words USING fts5(words, tokenize = '{STEMS[self.language]}')"
            )

    def add(self, first: int, items: Sequence[Item], *, written: Sequence[int], gone: Sequence[int]) -> None:
        """Put n items into the rows from `first` on and take the rows `gone` out, all or nothing."""
        rows = [(row, *_columns(item), version) for row, (item, version) in _numbered(first, items, written)]
        marks = ", ".join("?" * len(rows[0])) if rows else ""
        with self._database:
            self._delete(gone)
            if rows:
                self._database.executemany(f"INSERT INTO items VALUES ({marks})", rows)
            for column in FULL_TEXT:
                self._database.execute(
                    f"INSERT INTO {column}_words (rowid, words) "
                    f"SELECT row, {column} FROM items WHERE row >= ? AND {column} IS NOT NULL",
                    (first,),
                )

    def delete(self, rows: Sequence[int]) -> None:
        """Take these rows out."""
        with self._database:
            self._delete(rows)

    def _delete(self, rows: Sequence[int]) -> None:
        numbers = [(row,) for row in rows]
        self._database.executemany("DELETE FROM items WHERE row = ?", numbers)
        for column in FULL_TEXT:
            self._database.executemany(f"DELETE FROM {column}_words WHERE rowid = ?", numbers)

    def speaks(self, language: str) -> bool:
        """Whether another table for this language would find the same words."""
        return self.language == (language if language in STEMS else PLAIN)

    def rows(self, where: str) -> np.ndarray:
        """The (n,) int64 rows that a filter keeps, ascending. Raises `BadInput`."""
        if re.fullmatch(r"[\s(]*[-+]?[\d.]+[\s)]*", where):
            raise refusal(where, "a number is no condition")
        try:
            # a value that is neither true nor false is shown, not taken for one of them
            rows = self._database.execute(
                f"SELECT row, {_translated(where)} AS kept FROM items WHERE kept != 0 ORDER BY row"
            ).fetchall()
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise refusal(where, str(error)) from error
        wrong = next((kept for _, kept in rows if kept != 1), None)
        if wrong is not None:
            raise refusal(where, f"it gives {wrong!r}, not true or false")
        return np.array([row for row, _ in rows], np.int64)

    def matches(self, words: str, column: str) -> tuple[np.ndarray, np.ndarray]:
        """The (n,) int64 rows that hold any of the words, and their (n,) float64 BM25, above 0."""
        phrases = " OR ".join(f'"{word}"' for word in WORD.findall(words))
        if not phrases:
            return np.zeros(0, np.int64), np.zeros(0)
        table = f"{column}_words"
        pairs = self._database.execute(
            f"SELECT rowid, -bm25({table}) FROM {table} WHERE {table} MATCH ?", (phrases,)
        ).fetchall()
        rows, scores = zip(*pairs, strict=True) if pairs else ((), ())
        return np.array(rows, np.int64), np.array(scores, np.float64)

    def labels_and_times(self) -> tuple[dict[str, int], float | None, float | None]:
        """As `VectorStore.labels_and_times`."""
        counts = self._database.execute(
            "SELECT label, count(*) FROM items WHERE label IS NOT NULL GROUP BY label ORDER BY 2 DESC, 1"
        ).fetchall()
        (times,) = self._database.execute(
            "SELECT min(coalesce(taken, mtime)), max(coalesce(taken, mtime)) FROM items"
        ).fetchall()
        first, last = (None if time is None else time / 1e6 for time in times)
        return dict(counts), first, last


def _numbered(
    first: int, items: Sequence[Item], written: Sequence[int]
) -> Iterable[tuple[int, tuple[Item, int]]]:
    return enumerate(zip(items, written, strict=True), start=first)


def _columns(item: Item) -> list[object]:
    """An item's fields as SQLite keeps them, and the words of its file's name."""
    path = os.fsencode(item.path).decode("utf-8", "replace")
    changed = {
        "kind": item.kind.value,
        "path": path,
        "source": os.fsencode(item.source).decode("utf-8", "replace"),
        "mtime": _microseconds(dt.datetime.fromtimestamp(item.mtime, dt.UTC)),
        "taken": None if item.taken is None else _microseconds(dt.datetime.fromtimestamp(item.taken, dt.UTC)),
        # the shortest decimal of the float32, so that it equals the same number in a filter
        "label_confidence": None
        if item.label_confidence is None
        else float(str(np.float32(item.label_confidence))),
    }
    return [*(item._asdict() | changed).values(), name_words(path)]


def _microseconds(moment: dt.datetime) -> int:
    return (moment - EPOCH) // dt.timedelta(microseconds=1)


def _translated(where: str) -> str:
    """A filter as SQLite reads it. Raises ValueError for a time that is none."""
    return f"({TOKEN.sub(_token, typed(where))})"


def _token(match: re.Match[str]) -> str:
    if match["time"] is not None:
        moment = dt.datetime.fromisoformat(match["time"].strip())
        return str(_microseconds(moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)))
    name = match["name"] or match["end"]
    return match[0] if name is None else f"`{name}`"


def _like(pattern: str | None, text: str | None) -> bool | None:
    return None if pattern is None or text is None else bool(_pattern(str(pattern)).fullmatch(str(text)))


@lru_cache(64)
def _pattern(pattern: str) -> re.Pattern[str]:
    """What LIKE means: `%` for any text, `_` for one character, `\\` before either as it is."""
    wild = {"%": ".*", "_": "."}
    parts = re.findall(r"\\[\\%_]|.", pattern, re.DOTALL)
    return re.compile("".join(wild.get(part) or re.escape(part[-1]) for part in parts), re.DOTALL)


def _starts_with(text: str | None, beginning: str | None) -> bool | None:
    return None if text is None or beginning is None else str(text).startswith(str(beginning))
