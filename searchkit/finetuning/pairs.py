"""Training pairs from a CSV, JSONL or parquet file: which text or picture should be found by which.

Columns, as they apply: `image`, `text`, `text2`, `image2` and `negatives`. A row with `text` and `image` is a
pair both ways (each should find the other), and so is one with `image` and `image2`; with `text` and `text2`
the first is a question and the second what answers it. `negatives` are texts that a row's question or picture
should *not* find. Pictures are paths, relative to the file; in parquet they may be bytes too.
"""

from __future__ import annotations

import csv
import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.errors import BadInput, Unreadable
from searchkit.parsers.regular import bytes_of
from searchkit.types import Kind

COLUMNS = ("image", "text", "text2", "image2", "negatives")
HARD_NEGATIVES = 7
"""Number of a row's negatives that are used, the first ones."""
MOST_BYTES = 1 << 30
"""The largest picture file of a pair."""
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a pair: a text, or a picture as a file or as the bytes of one."""

    text: str | None = None
    path: Path | None = None
    data: bytes | None = field(default=None, repr=False)

    @property
    def asks_with(self) -> str:
        """ "text" or "image": what the side is when it asks."""
        return "image" if self.text is None else "text"

    @property
    def kind(self) -> Kind:
        """The kind of item that the side is when it is found."""
        return Kind.IMAGE if self.text is None else Kind.PASSAGE

    def picture(self) -> bytes:
        """The bytes of a picture, read from its file where it is one. Raises `Unreadable`."""
        return bytes_of(self.path, most=MOST_BYTES) if self.path is not None else self.data or b""


@dataclass(frozen=True, slots=True)
class Direction:
    """A way of searching: what asks, and the kind of item that is to be found."""

    asked_with: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.asked_with}-{self.kind.value}"


@dataclass(frozen=True, slots=True)
class Pair:
    """One example: `query` should find `positive` and none of the `negatives`, which are rows of
    `Pairs.sides`."""

    query: int
    positive: int
    negatives: tuple[int, ...] = ()
    row: int = field(default=0, compare=False)
    """The first row of the file that says this."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row of the file that was left out, counted from 1, and why."""

    row: int
    reason: str


@dataclass(slots=True)
class Pairs:
    """All pairs of a file. Equal texts, and pictures of equal bytes, are one side."""

    name: str
    sides: list[Side] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    """sha256 of each side's content."""
    pairs: list[Pair] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)
    rows: int = 0

    def direction(self, pair: Pair) -> Direction:
        return Direction(self.sides[pair.query].asks_with, self.sides[pair.positive].kind)

    @property
    def fingerprint(self) -> str:
        """sha256 of what the pairs say: equal for equal contents in the same order, wherever they lie."""
        lines = (
            f"{self.keys[p.query]} {self.keys[p.positive]} {' '.join(self.keys[n] for n in p.negatives)}\n"
            for p in self.pairs
        )
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_pairs(path: Path) -> Pairs:
    """Read every pair of a file; a row that cannot be used is in `bad` with its reason and stops nothing.

    Raises `BadInput` for a file that cannot be read, has none of the columns, or gives no pair at all.
    """
    read = Pairs(path.name)
    known: dict[str, int] = {}

    def add(side: Side) -> int:
        text = side.text
        content = side.picture() if text is None else b"text " + text.encode("utf-8", "replace")
        key = hashlib.sha256(content).hexdigest()
        if key not in known:
            known[key] = len(read.sides)
            read.sides.append(side)
            read.keys.append(key)
        return known[key]

    seen: set[Pair] = set()
    for number, row in _rows(path):
        read.rows += 1
        try:
            if isinstance(row, str):
                raise ValueError(row)
            made = _pairs(row, path.parent, add, number)
        except (ValueError, Unreadable) as error:
            read.bad.append(BadRow(number, str(error)))
            continue
        read.pairs += [pair for pair in made if pair not in seen]
        seen.update(made)
    if not read.pairs:
        first = f"; row {read.bad[0].row}: {read.bad[0].reason}" if read.bad else ""
        raise BadInput(f"{path} holds no pair that can be used{first}", hint=f"columns: {', '.join(COLUMNS)}")
    return read


def _pairs(row: Mapping[str, Any], folder: Path, add: Callable[[Side], int], number: int) -> list[Pair]:
    """The pairs of one row of the file. Raises `ValueError` saying why there are none."""
    text, text2 = (_text(row.get(name), name) for name in ("text", "text2"))
    image, image2 = (_image(row.get(name), name, folder) for name in ("image", "image2"))
    ends = [("text", "image"), ("image", "text"), ("text", "text2"), ("image", "image2"), ("image2", "image")]
    given = {"text": text, "text2": text2, "image": image, "image2": image2}
    wanted = [(given[q], given[p]) for q, p in ends]
    whole = [(q, p) for q, p in wanted if q is not None and p is not None]
    if not whole:
        raise ValueError("needs two of image, text, text2 and image2 that belong together")
    wrong = _negatives(row.get("negatives"))
    made = []
    for query, positive in whole:
        against = wrong if positive.kind is Kind.PASSAGE else []
        made.append((add(query), add(positive), [add(Side(text=text)) for text in against]))
    if any(query == positive for query, positive, _ in made):
        raise ValueError("both ends of the pair are the same")
    return [
        Pair(q, p, tuple(n for n in dict.fromkeys(sides) if n not in (q, p)), number) for q, p, sides in made
    ]


def _text(cell: Any, name: str) -> Side | None:
    if cell is None or cell == "":
        return None
    if not isinstance(cell, str):
        raise ValueError(f"{name} is not a text")
    return Side(text=cell.strip()) if cell.strip() else None


def _image(cell: Any, name: str, folder: Path) -> Side | None:
    cell = cell.get("bytes") or cell.get("path") if isinstance(cell, dict) else cell
    if cell is None or cell in ("", b""):
        return None
    if isinstance(cell, bytes):
        return Side(data=cell)
    if not isinstance(cell, str):
        raise ValueError(f"{name} is neither a path nor the bytes of a picture")
    path = folder / cell.strip()
    try:
        there = path.is_file()
    except (OSError, ValueError):  # a name too long, or with a NUL
        there = False
    if not there:
        raise ValueError(f"{name} {cell.strip()[:200]} is not a file")
    return Side(path=path)


def _negatives(cell: Any) -> list[str]:
    """The texts of a cell: a list; in CSV a JSON list, or one text."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            cell = json.loads(cell)
        except ValueError:
            raise ValueError("negatives is not a JSON list") from None
    texts = [cell] if isinstance(cell, str) else cell or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("negatives is not a list of texts")
    return [text.strip() for text in texts if text.strip()][:HARD_NEGATIVES]


def _rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """The rows of a file with their numbers from 1; in place of a row that cannot be read, the reason."""
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise BadInput(f"{path} is no file of pairs", hint=f"one of: {', '.join(SUFFIXES)}")
    if not path.is_file():
        raise BadInput(f"there is no file {path}", hint="name a file of pairs: CSV, JSONL or parquet")
    try:
        yield from {"csv": _csv, "jsonl": _jsonl, "parquet": _parquet}[form](path)
    except (OSError, UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise BadInput(f"{path} cannot be read: {error}", hint="CSV and JSONL must be UTF-8") from error


def _csv(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    csv.field_size_limit(min(sys.maxsize, 1 << 30))  # a passage may be longer than the 128 kB allowed
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        _check_columns(path, reader.fieldnames or ())
        yield from enumerate(reader, start=1)


def _jsonl(path: Path) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate((line for line in file if line.strip()), start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                yield number, f"is not JSON: {error}"
                continue
            yield number, row if isinstance(row, dict) else "is not a JSON object"


def _parquet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        _check_columns(path, names)
        batches = file.iter_batches(512, columns=[name for name in names if name in COLUMNS])
        yield from enumerate((row for batch in batches for row in batch.to_pylist()), start=1)


def _check_columns(path: Path, names: Any) -> None:
    if len(set(COLUMNS[:4]) & set(names)) < 2:
        hint = "two at least of: image, text, text2, image2"
        raise BadInput(f"{path} has the columns {', '.join(names) or '(none)'}", hint=hint)
