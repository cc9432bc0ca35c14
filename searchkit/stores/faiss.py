"""The accelerator: FAISS over what the store holds, memory-mapped, rebuilt from it, disposable.

Each kind of item has a base, exact while it is small, and a small exact shelf of what was written since.
Both answer for one version of the store. When the store has changed, its newer rows are searched there and
merged, and what is gone drops out; an id decides its vector for ever, so nothing in an index can be stale.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import filelock
import numpy as np

from searchkit.errors import CollectionTooNew
from searchkit.protocols import VectorStore
from searchkit.stores.lists import Truth, trained, tuned
from searchkit.stores.shelf import GONE, Shelf, Tuning, faiss, fill, keep, open_shelf
from searchkit.stores.sums import damaged, sums_of
from searchkit.types import Candidate, Kind, Vectors

logger = logging.getLogger(__name__)

FORMAT = 2
MIN_ROWS = 2000
"""Rows of a store below which its own scan takes a few milliseconds, and no accelerator is built."""
EXACT_UP_TO = 50_000
"""Items of a kind up to which its base compares with all of them, which takes as long as encoding a word of
the question."""
SPARE = 20
"""Candidates more than are wanted that the store's vectors decide between, where a filter is: codes of 8 bits
a number, and sometimes of 16, put two that are equally near the wrong way round."""
CHECKED = 2**20
"""Bytes of a file up to which its sum is checked when it is opened, in a millisecond."""
FRESH = 0.01
"""The part of a large base that may be new or gone before it is built anew."""


@dataclass(frozen=True, slots=True)
class _Pointer:
    """`current.json`: which files are in use, and the version of the store that they answer for."""

    version: int
    base: str
    fresh: str | None
    sums: Mapping[str, str]
    """The sums of their files, by their place in the folder; none where an older version built them."""


class Accelerator:
    """The indexes of one store in a folder: one base, at most one shelf of what came after it, and
    `current.json`, which names them."""

    def __init__(self, folder: Path, store: VectorStore) -> None:
        self._folder, self._store = folder, store
        self._shelves: dict[Kind, list[Shelf]] = {}
        self._version: int | None = None
        self._stamp: int | None = None
        self.too_new: CollectionTooNew | None = None
        """The reason why it is neither used nor written over: a newer searchkit made it; None otherwise."""
        self._load()

    @property
    def version(self) -> int | None:
        """The version of the store that the indexes cover; None while there are none."""
        return self._version

    @property
    def is_current(self) -> bool:
        """Whether the indexes cover the store as it is; looks for a newer build where they do not."""
        if self._version != self._store.version and self._stamp != _stamp(self._folder):
            self._load()
        return self._version == self._store.version

    def describe(self, kind: Kind) -> Tuning:
        """The tuning of the base of a kind."""
        return self._shelves[kind][0].tuning

    def search(
        self, vector: np.ndarray, k: int, *, kind: Kind, among: np.ndarray | None = None
    ) -> list[Candidate]:
        """The k nearest of a kind to a (dim,) unit vector, the store's newer rows included: exactly, or with
        the recall that a large base was tuned to. `among` these (n,) rows of the store, ascending, it is
        exact, and must be `is_current`."""
        if not self.is_current:
            assert among is None
            return self._with_the_store(vector, k, kind)
        shelves = self._shelves[kind]
        short = among is not None and not shelves[0].tuning.exact
        wanted = k + SPARE if short else k
        hits = [(shelf, *hit) for shelf in shelves for hit in shelf.search(vector, wanted, among)]
        if not hits:
            return []
        if short:
            vectors = self._store.vectors_at([int(shelf.rows[place]) for shelf, _, place in hits])
            scores = (vectors @ vector).tolist()
            hits = [(shelf, score, place) for (shelf, _, place), score in zip(hits, scores, strict=True)]
        if short or len(shelves) > 1:
            hits.sort(key=lambda hit: -hit[1])
        best = hits[:k]
        candidates = [
            candidate
            for shelf in shelves
            for candidate in shelf.candidates(
                [(score, place) for here, score, place in best if here is shelf]
            )
        ]
        return _ordered(candidates)

    def _with_the_store(self, vector: np.ndarray, k: int, kind: Kind) -> list[Candidate]:
        """The nearest when the store has changed: what it still holds of the shelves, and its newer rows."""
        shelves = self._shelves.get(kind, [])
        total = sum(len(shelf.rows) for shelf in shelves)
        alive: list[Candidate] = []
        wanted = k
        while total:
            scores = {
                shelf.ids[place].decode(): score
                for shelf in shelves
                for score, place in shelf.search(vector, min(wanted, total))
            }
            alive = [Candidate(item, scores[item.id]) for item in self._store.get(list(scores))]
            if len(alive) >= k or wanted >= total:
                break
            wanted = max(2 * wanted, 2 * k)  # deleted items took places: look further down
        newer = self._store.search(vector, k, kind=kind, newer_than=self._version)
        written_again = {c.item.id for c in newer}
        return _ordered([*newer, *(c for c in alive if c.item.id not in written_again)])[:k]

    def damaged(self) -> list[str]:
        """The files in use that are gone or not what was built, by name: all of each is read."""
        pointer = self._pointer()
        if pointer is not None:
            return damaged(self._folder, pointer.sums)
        readable = self.too_new is not None or not any(self._folder.glob("base-*")) or _is_json(self._folder)
        return [] if readable else ["current.json"]

    # making it

    def refresh(self) -> None:
        """Bring the indexes to the store's version the short way: all anew where that is quick, else a shelf
        of what is new beside the base. Where a base has to be built first, `is_due` says so."""
        if not self._is_wanted() or self.is_current:
            return
        pointer = self._pointer()
        if self._is_large():
            if pointer is not None:
                with self._changing():
                    self._put(self._extended(pointer.base))
            return
        self.rebuild()

    def is_due(self) -> bool:
        """Whether `rebuild` would help: there is no base, or too much came and went since it was built."""
        if not self._is_wanted():
            return False
        if self._version is None:
            return True
        base = [shelves[0] for shelves in self._shelves.values()]
        changed = sum(int((shelf.rows == GONE).sum()) for shelf in base)
        changed += sum(len(s.rows) for shelves in self._shelves.values() for s in shelves[1:])
        return changed > max(MIN_ROWS, FRESH * sum(len(shelf.rows) for shelf in base))

    def rebuild(self, questions: Vectors | None = None) -> bool:
        """Build the base from the store as it is, and use it; False when the store is too small to need one,
        or another process builds. `questions` are (n, dim) vectors of texts such as will be asked: a large
        base is tuned on them beside its own items. That takes minutes; searches go on meanwhile."""
        if not self._is_wanted():
            return False
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(self._folder / "build.lock", thread_local=False)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            return False
        try:
            base = self._build(questions)
            with self._changing():
                self._put(self._extended(base))
        finally:
            lock.release()
            faiss.omp_set_num_threads(1)
        return True

    def _is_wanted(self) -> bool:
        return self._store.count() >= MIN_ROWS and self.too_new is None

    def _is_large(self) -> bool:
        return any(self._store.count(kind=kind) > EXACT_UP_TO for kind in Kind)

    def _build(self, questions: Vectors | None) -> str:
        """Write the base of every kind into a folder, and give its name."""
        version = self._store.version
        faiss.omp_set_num_threads(os.cpu_count() or 1)
        with self._scratch(f"base-{version}") as scratch:
            for kind in Kind:
                count, batches = self._store.count(kind=kind), self._store.rows_since(kind=kind)
                if count <= EXACT_UP_TO:
                    index, tuning = faiss.IndexFlatIP(self._store.dim), Tuning("Flat")
                    fill(scratch, kind.value, index, batches)
                else:
                    scan = (vectors for _, vectors in self._store.scan(kind=kind))
                    index, items = trained(self._store.dim, count, scan)
                    truth = Truth(items, items[:0] if questions is None else questions)
                    fill(scratch, kind.value, index, truth.watching(batches))
                    tuning = tuned(index, truth)
                    logger.info("%d of %s: %s", count, kind, tuning)
                keep(scratch, kind.value, index, tuning)
            (scratch / "version").write_text(str(version))
        return f"base-{version}"

    def _extended(self, base: str) -> _Pointer:
        """Write what a base needs to answer for the store as it is: the rows of its items, and a shelf of
        those that came since."""
        version, built = self._store.version, int((self._folder / base / "version").read_text())
        if version == built:
            return self._summed(version, base, None)
        with self._scratch(f"fresh-{version}") as scratch:
            for kind in Kind:
                ids = np.load(self._folder / base / f"{kind.value}.ids.npy")
                rows = self._store.rows_of([i.decode() for i in ids.tolist()], kind=kind, until=built)
                np.save(scratch / f"{kind.value}.base.npy", rows)
                index = faiss.IndexFlatIP(self._store.dim)
                fill(scratch, kind.value, index, self._store.rows_since(built, kind=kind))
                keep(scratch, kind.value, index, Tuning("Flat"))
        return self._summed(version, base, f"fresh-{version}")

    def _summed(self, version: int, base: str, fresh: str | None) -> _Pointer:
        """A pointer with the sums of its files; those of a base that is in use stay what they were."""
        before, folders = self._pointer(), [self._folder / name for name in (base, fresh) if name]
        same = before is not None and before.base == base and before.version < version
        files = [file for folder in folders for file in folder.iterdir()]
        kept = {n: s for n, s in before.sums.items() if n.startswith(f"{base}/")} if before and same else {}
        return _Pointer(version, base, fresh, sums_of(self._folder, files, kept))

    @contextmanager
    def _scratch(self, name: str) -> Iterator[Path]:
        """A folder to write in that gets its name when all is written."""
        scratch, final = self._folder / f"{name}.tmp", self._folder / name
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True)
        yield scratch
        shutil.rmtree(final, ignore_errors=True)
        scratch.rename(final)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Hold the lock under which one process at a time moves the pointer, for seconds at most."""
        with filelock.FileLock(self._folder / "current.lock", thread_local=False):
            yield

    def _put(self, pointer: _Pointer) -> None:
        scratch = self._folder / "current.tmp"
        scratch.write_text(json.dumps({"format": FORMAT, **asdict(pointer)}))
        scratch.replace(self._folder / "current.json")
        self._load()
        for old in self._folder.iterdir():
            if old.is_dir() and old.suffix != ".tmp" and old.name not in (pointer.base, pointer.fresh):
                shutil.rmtree(old, ignore_errors=True)

    # opening it

    def _pointer(self) -> _Pointer | None:
        self.too_new = None
        try:
            current = json.loads((self._folder / "current.json").read_text())
            if current["format"] > FORMAT:
                what, needs = f"the accelerator of {self._folder.name}", str(current.get("needs", ""))
                self.too_new = CollectionTooNew.of(what, found=current["format"], known=FORMAT, needs=needs)
                logger.warning("%s: the store answers by itself", self.too_new)
            if current["format"] != FORMAT:
                return None
            fresh = current["fresh"]
            return _Pointer(
                int(current["version"]),
                str(current["base"]),
                None if fresh is None else str(fresh),
                dict(current.get("sums") or {}),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _load(self) -> None:
        """Map what `current.json` names. Files that are missing or damaged count as no accelerator."""
        self._stamp = _stamp(self._folder)
        pointer = self._pointer()
        if pointer is not None and pointer.version > self._store.version:
            self._stamp = None  # the table is seen as it was a moment ago: look again
            if self._version is not None and self._version <= self._store.version:
                return
        shelves, version = self._mapped(pointer)
        self._shelves, self._version = shelves, version

    def _mapped(self, pointer: _Pointer | None) -> tuple[dict[Kind, list[Shelf]], int | None]:
        if pointer is None or pointer.version > self._store.version:  # the store was put back
            return {}, None
        base, dim = self._folder / pointer.base, self._store.dim
        fresh = self._folder / pointer.fresh if pointer.fresh else None
        shelves = {}
        if damaged(self._folder, pointer.sums, up_to=CHECKED):
            return {}, None
        try:
            for kind in Kind:
                rows = fresh / f"{kind.value}.base.npy" if fresh else None
                shelves[kind] = [open_shelf(base, kind.value, dim, rows=rows)]
                if fresh:
                    shelves[kind].append(open_shelf(fresh, kind.value, dim))
        except (OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError):
            return {}, None
        return shelves, pointer.version


def _ordered(candidates: list[Candidate]) -> list[Candidate]:
    return sorted(candidates, key=lambda c: (-c.score, c.item.id))


def _is_json(folder: Path) -> bool:
    """Whether `current.json` can be read, as it can where another version wrote it."""
    try:
        return bool(json.loads((folder / "current.json").read_text())["format"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _stamp(folder: Path) -> int | None:
    try:
        return (folder / "current.json").stat().st_mtime_ns
    except OSError:
        return None
