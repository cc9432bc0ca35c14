"""The plan of a search: the cheapest way to find the nearest.

| the collection                  | no filter                      | with a filter                           |
|---------------------------------|--------------------------------|-----------------------------------------|
| has no accelerator (it is small)| the store compares all         | the store compares what the filter keeps|
| has one, up to date             | FAISS                          | the store filters, FAISS compares those |
| has one, the store has changed  | FAISS, and the store's newer   | the store compares what the filter keeps|
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from searchkit.protocols import VectorStore
from searchkit.types import Candidate, Kind

if TYPE_CHECKING:
    from searchkit.stores.faiss import Accelerator

FILTERS = 8
"""Filters whose rows are remembered: a person who pages, or changes the words, keeps the filter."""


class Planner:
    """Finds the nearest of one kind, and remembers the rows that the last filters keep."""

    def __init__(self, store: VectorStore, accelerator: Accelerator) -> None:
        self._store, self._accelerator = store, accelerator
        self._kept: OrderedDict[tuple[int, Kind, str], np.ndarray] = OrderedDict()

    def search(
        self, vector: np.ndarray, k: int, *, kind: Kind, where: str | None = None
    ) -> tuple[list[Candidate], Callable[[], str]]:
        """The k nearest to a (dim,) unit vector, and a function that says how they were found. Raises
        `BadInput` for a filter that cannot be read."""
        fast = self._accelerator
        if where is None and fast.version is not None:
            return fast.search(vector, k, kind=kind), lambda: f"FAISS {self._tuning(kind)}{self._newer()}"
        if where is None:
            return self._store.search(vector, k, kind=kind), lambda: "the store compares all, exactly"
        if fast.version is None or not fast.is_current:
            nearest = self._store.search(vector, k, kind=kind, where=where)
            return nearest, lambda: "the store compares what the filter keeps, exactly"
        rows = self._rows(where, kind)
        nearest = fast.search(vector, k, kind=kind, among=rows)
        return nearest, lambda: f"FAISS compares the {len(rows)} that the filter keeps"

    def _tuning(self, kind: Kind) -> str:
        tuning = self._accelerator.describe(kind)
        if tuning.exact:
            return "compares all, exactly"
        lists, candidates = f"{tuning.nprobe} lists", f"{tuning.k_factor} candidates a hit"
        return f"{tuning.index}, {lists}, {candidates}, recall {tuning.recall:.3f}"

    def _newer(self) -> str:
        return "" if self._accelerator.is_current else "; the store compares what is newer"

    def _rows(self, where: str, kind: Kind) -> np.ndarray:
        key = (self._store.version, kind, where)
        if key not in self._kept:
            self._kept[key] = self._store.rows_where(where, kind=kind)
            while len(self._kept) > FILTERS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]
