"""A shelf: one memory-mapped FAISS index over items of one kind, with the items beside it."""

from __future__ import annotations

import json
import mmap
import os
import threading
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import BadInput
from searchkit.types import Candidate, Item, Kind, Vectors

try:
    import faiss as installed
except ImportError as error:  # two packages bring this module; an extra chooses one
    raise BadInput(
        "FAISS is not installed", hint="pip install 'searchkit[cpu]' (or 'searchkit[gpu]')"
    ) from error

faiss: Any = installed
"""Its classes get arguments in Python that their types do not know."""

GONE = -1
"""The row of an item that was deleted, or written again, since the shelf was made."""
NAMES = Item._fields
"""The order in which an item is written; the id comes first, then the kind."""
KINDS = {kind.value: kind for kind in Kind}
DECODE = json.JSONDecoder().raw_decode
MAPPED = 2**26
"""Bytes of items up to which they are mapped, a quarter of a million pictures or 50,000 passages: ten are
read in a third of the time."""

Batches = Iterable[tuple[np.ndarray, list[Item], Vectors]]
"""(n,) rows of the store, n items, (n, dim) vectors."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The parameters of a search in an index, and the recall that they reach."""

    index: str
    """The index as a FAISS factory string; "Flat" is exact."""
    nprobe: int = 0
    """Lists that are looked into."""
    k_factor: int = 1
    """Candidates by their 4-bit codes for each hit that is wanted; codes of 8 or 16 bits decide."""
    recall: float = 1.0
    """The recall@10 on questions held out when the index was made."""

    @property
    def exact(self) -> bool:
        return self.nprobe == 0


class _Lines:
    """A file of ASCII that is read in places, and mapped while it is small: the system keeps sixteen pages of
    a mapped file in memory for each that is touched, and the items of a collection lie everywhere."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        self._turn = threading.Lock()
        weakref.finalize(self, self._file.close)
        small = 0 < self.size <= MAPPED  # what is empty cannot be mapped
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ) if small else None

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def read(self, start: int, end: int) -> str:
        if self._map is not None:
            return self._map[start:end].decode("ascii")
        if hasattr(os, "pread"):  # half the time, and any number of threads at once
            return os.pread(self._file.fileno(), end - start, start).decode("ascii")
        with self._turn:
            self._file.seek(start)
            return self._file.read(end - start).decode("ascii")


@dataclass(frozen=True)
class Shelf:
    """An index and (n,) arrays by place in it; `rows[place]` is the row of the store, or GONE."""

    index: Any
    tuning: Tuning
    ids: np.ndarray
    rows: np.ndarray
    _ends: np.ndarray
    _items: _Lines

    @cached_property
    def _all(self) -> np.ndarray | None:
        """The (n,) bool mask of what is not gone; None where nothing is gone."""
        there = self.rows != GONE
        return None if there.all() else there

    @cached_property
    def _usual(self) -> tuple[int, Any]:
        """The number of items that can be found, and the parameters of a search for them."""
        if self._all is None:
            return len(self.rows), self._parameters(None)
        return int(self._all.sum()), self._parameters(_selector(self._all))

    def search(self, vector: np.ndarray, k: int, among: np.ndarray | None = None) -> list[tuple[float, int]]:
        """The (score, place) of the k nearest to a (dim,) unit vector, the best first. `among` these (m,)
        rows of the store, ascending, all are compared, else as many as the tuning says."""
        count, parameters = self._usual
        index = self.index
        if among is not None:
            kept = self._at(among)
            count, parameters = len(kept), None
            if count:
                mask = np.zeros(len(self.rows), bool)
                mask[kept] = True
                index, parameters = self._compared(), faiss.SearchParameters(sel=_selector(mask))
        k = min(k, count)
        if k == 0:  # FAISS cannot be question for the nearest of nothing
            return []
        # a query is faster on one thread while torch holds the others; whoever asks has a number of its own
        faiss.omp_set_num_threads(1)
        question = np.ascontiguousarray(vector[None], np.float32)
        scores, places = index.search(question, k, params=parameters)
        if places[0, -1] < 0:  # the lists that were looked into hold too few
            everything = None if self._all is None else faiss.SearchParameters(sel=_selector(self._all))
            scores, places = self._compared().search(question, k, params=everything)
        return list(zip(scores[0].tolist(), places[0].tolist(), strict=True))

    def candidates(self, hits: Iterable[tuple[float, int]]) -> list[Candidate]:
        """The candidates of hits that `search` gave."""
        ends, read, made = self._ends.item, self._items.read, Item._make
        candidates = []
        for score, place in hits:
            row = DECODE(read(ends(place - 1) if place else 0, ends(place)))[0]
            row[1] = KINDS[row[1]]
            candidates.append(Candidate(made(row), score))
        return candidates

    def _compared(self) -> Any:
        """The index that holds every vector, in at least 8 bits a number."""
        return self.index if self.tuning.exact else faiss.downcast_index(self.index.refine_index)

    def _at(self, rows: np.ndarray) -> np.ndarray:
        """The places of those rows of the store that are on this shelf."""
        order, ordered = self._order
        at = np.minimum(np.searchsorted(ordered, rows), len(ordered) - 1)
        here = ordered[at] == rows if len(ordered) else np.zeros(len(rows), bool)
        places: np.ndarray = order[at[here]]
        return places

    @cached_property
    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        order = np.argsort(self.rows, kind="stable")
        return order, self.rows[order]

    def _parameters(self, selector: Any | None) -> Any:
        if self.tuning.exact:
            return faiss.SearchParameters(sel=selector) if selector else None
        return parameters(self.tuning.nprobe, self.tuning.k_factor, selector)


def parameters(nprobe: int, k_factor: int, selector: Any | None = None) -> Any:
    """FAISS's parameters of a search in an index that `lists.trained` made, in this version or one that kept
    all dimensions, among what the selector keeps."""
    lists = faiss.SearchParametersIVF(nprobe=nprobe, **({"sel": selector} if selector else {}))
    return faiss.IndexRefineSearchParameters(k_factor=k_factor, base_index_params=lists)


def fill(folder: Path, name: str, index: Any, batches: Batches) -> np.ndarray:
    """Add every vector to the index, write the items beside it, and give the (n,) rows."""
    rows: list[np.ndarray] = []
    ids: list[bytes] = []
    ends: list[int] = []
    with (folder / f"{name}.items").open("wb") as file:
        for batch, items, vectors in batches:
            index.add(np.ascontiguousarray(vectors))
            rows.append(batch)
            for item in items:
                plain = [getattr(item, field) for field in NAMES]
                file.write(json.dumps(plain).encode())  # ASCII, so that names that are not UTF-8 survive
                ends.append(file.tell())
                ids.append(item.id.encode())
    np.save(folder / f"{name}.ends.npy", np.array(ends, np.int64))
    np.save(folder / f"{name}.ids.npy", np.array(ids, "S64"))
    every = np.concatenate(rows) if rows else np.zeros(0, np.int64)
    np.save(folder / f"{name}.rows.npy", every)
    return every


def keep(folder: Path, name: str, index: Any, tuning: Tuning) -> None:
    """Write the index and its tuning."""
    faiss.write_index(index, str(folder / f"{name}.faiss"))
    plain = {field.name: getattr(tuning, field.name) for field in fields(tuning)}
    (folder / f"{name}.json").write_text(json.dumps({"fields": NAMES, "tuning": plain}))


def open_shelf(folder: Path, name: str, dim: int, *, rows: Path | None = None) -> Shelf:
    """A shelf that `fill` and `keep` wrote, mapped, not read; `rows` is a file of rows in place of its own.

    Raises OSError, ValueError, KeyError, TypeError or RuntimeError for files that are missing, damaged, or of
    another version.
    """
    card = json.loads((folder / f"{name}.json").read_text())
    if tuple(card["fields"]) != NAMES:
        raise ValueError(f"the items of {folder / name} were written by another version")
    items = _Lines(folder / f"{name}.items")
    shelf = Shelf(
        index=faiss.read_index(str(folder / f"{name}.faiss"), faiss.IO_FLAG_MMAP_IFC),
        tuning=Tuning(**card["tuning"]),
        ids=_mapped(folder / f"{name}.ids.npy"),
        rows=np.load(rows or folder / f"{name}.rows.npy"),
        _ends=_mapped(folder / f"{name}.ends.npy"),
        _items=items,
    )
    count = shelf.index.ntotal
    ends = int(shelf._ends[-1]) if count and len(shelf._ends) else 0
    if (
        shelf.index.d != dim
        or {len(shelf.ids), len(shelf.rows), len(shelf._ends)} != {count}
        or ends != items.size
    ):
        raise ValueError(f"the files of {folder / name} do not belong together")
    return shelf


def _mapped(file: Path) -> np.ndarray:
    """A mapped array of numpy's plain type: its own type for mapped files is slow to pick from."""
    array: np.ndarray = np.load(file, mmap_mode="r").view(np.ndarray)
    return array


def _selector(mask: np.ndarray) -> Any:
    return faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little"))
