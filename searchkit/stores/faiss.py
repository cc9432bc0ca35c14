"""The accelerator: an exact FAISS index a kind, memory-mapped, rebuilt from the store, disposable.

It answers for the version of the store that it was built from; what is newer is searched in the store and
merged, what is gone is not found there and drops out. An id decides its vector for ever, so nothing in it
can be stale.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from searchkit.errors import BadInput
from searchkit.stores.lance import LanceStore
from searchkit.types import Candidate, Kind

try:
    import faiss
except ImportError as error:  # two packages bring this module; an extra chooses one
    raise BadInput(
        "FAISS is not installed", hint="pip install 'searchkit[cpu]' (or 'searchkit[gpu]')"
    ) from error

MIN_ROWS = 2000
"""Below this the store's own scan takes a few milliseconds."""


@dataclass(frozen=True, slots=True)
class _Shelf:
    index: faiss.Index
    ids: np.ndarray


class Accelerator:
    """`folder` holds one sub-folder a build and `current.json`, which names the one in use."""

    def __init__(self, folder: Path, store: LanceStore) -> None:
        self._folder, self._store = folder, store
        self._shelves: dict[Kind, _Shelf] = {}
        self._version: int | None = None
        self._load()

    @property
    def version(self) -> int | None:
        """The store's version that it covers; None while there is none."""
        return self._version

    def search(self, vector: np.ndarray, k: int, *, kind: Kind) -> list[Candidate]:
        """The k nearest of a kind, exactly, the store's newer rows included."""
        shelf = self._shelves[kind]
        found: list[Candidate] = []
        wanted = k
        while len(shelf.ids):  # FAISS cannot be asked for the nearest of nothing
            scores, rows = shelf.index.search(vector[None].astype(np.float32), min(wanted, len(shelf.ids)))
            ids = [shelf.ids[row].decode() for row in rows[0]]
            alive = {item.id: item for item in self._store.get(ids)}
            found = [Candidate(alive[i], float(s)) for i, s in zip(ids, scores[0], strict=True) if i in alive]
            if len(found) >= k or wanted >= len(shelf.ids):
                break
            wanted = max(2 * wanted, 2 * k)  # deleted items took places: look further down
        if self._store.version != self._version:
            newer = self._store.search(vector, k, kind=kind, newer_than=self._version)
            known = {c.item.id for c in found}
            found += [c for c in newer if c.item.id not in known]
        return sorted(found, key=lambda c: (-c.score, c.item.id))[:k]

    def rebuild(self) -> bool:
        """Build from the store as it is now, and use that; False when the store is too small to want it."""
        version, total = self._store.version, self._store.count()
        if total < MIN_ROWS:
            return False
        scratch = self._folder / f"build-{version}.tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        for kind in Kind:
            index = faiss.IndexFlatIP(self._store.dim)
            ids: list[str] = []
            for batch, vectors in self._store.scan(kind=kind):
                index.add(np.ascontiguousarray(vectors))
                ids += batch
            faiss.write_index(index, str(scratch / f"{kind.value}.faiss"))
            np.save(scratch / f"{kind.value}.npy", np.array([i.encode() for i in ids], dtype="S64"))
        final = self._folder / f"build-{version}"
        shutil.rmtree(final, ignore_errors=True)
        scratch.rename(final)
        pointer = self._folder / "current.tmp"
        pointer.write_text(json.dumps({"build": final.name, "version": version}))
        pointer.replace(self._folder / "current.json")
        self._load()
        for old in self._folder.glob("build-*"):
            if old != final:
                shutil.rmtree(old, ignore_errors=True)
        return True

    def _load(self) -> None:
        """Map what `current.json` names. Anything wrong with it means that there is no accelerator."""
        self._shelves, self._version = {}, None
        try:
            current = json.loads((self._folder / "current.json").read_text())
            build, version = self._folder / current["build"], int(current["version"])
            shelves = {
                kind: _Shelf(
                    faiss.read_index(str(build / f"{kind.value}.faiss"), faiss.IO_FLAG_MMAP_IFC),
                    np.load(build / f"{kind.value}.npy", mmap_mode="r"),
                )
                for kind in Kind
            }
        except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError):
            return
        if any(s.index.d != self._store.dim or s.index.ntotal != len(s.ids) for s in shelves.values()):
            return
        if version > self._store.version:
            return  # the store was put back to an older state
        faiss.omp_set_num_threads(1)  # a single query is faster on one thread while torch holds the others
        self._shelves, self._version = shelves, version
