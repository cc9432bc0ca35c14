"""Pieces of work on a collection that are killed at any instant, and the same undisturbed, to compare."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.catalog.catalog import Catalog
from searchkit.catalog.connect import sqlite_url
from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.spaces import spaces

SCRIPT = Path(__file__).parent / "e2e" / "nursery.py"
BATCH = 6
NOTES = 60
PAUSE = "0.01"
"""Seconds that a batch takes to encode at least: so much of a run is spent inside one."""


class Nursery:
    """Pieces of work in processes of their own, killed on request."""

    def __init__(self, errors: Path) -> None:
        self.errors, self._log = errors, errors.open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def begin(self, task: dict[str, Any]) -> int:
        """Returns the pid once the work has started."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(task) + "\n")
        self.process.stdin.flush()
        return int(self._line().split()[1])

    def run(self, task: dict[str, Any], *, kill_after: float | None = None) -> bool:
        """Whether it came to its end. It may be killed any time from before it opens the collection."""
        pid = self.begin(task)
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it has ended, and its number is nobody's yet
                os.kill(pid, signal.SIGKILL)
        code = int(self._line().split()[1])
        assert code == 0 or (code == -signal.SIGKILL and kill_after is not None), self.errors.read_text()
        return code == 0

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        self._log.close()


def state(root: Path) -> dict[str, Any]:
    """All that the catalog, the tables and the disk say of a collection, of every space."""
    with Collection.open(root, create=False) as library:
        assert examine(library, fix=False) == []
        found: dict[str, Any] = {"active": library.manifest.space, "manifest": library.manifest.encoder}
        found["jobs"] = {k: n for k, n in library.catalog.jobs.counts(library.manifest.space).items() if n}
        found["jobs"].pop("done", None)
        for row in spaces(library):
            store = library.store_of(row.space)
            ids = sorted(store.ids())
            found[row.space] = {
                "assets": [
                    (Path(a.path).name, a.encoded, a.items) for a in library.catalog.assets(row.space)
                ],
                "ids": ids,
                "vectors": np.round(store.vectors(ids), 4).tolist(),
                "references": {
                    asked: (round(r.level, 5), round(r.deviation, 5), r.queries)  # a sum in another order
                    for asked, r in library.catalog.references(row.space).items()
                },
            }
        found["tables"] = sorted(p.name for p in (root / "lance").iterdir())
        return found


class Scenario:
    """One collection on its way from empty over a change of model to a removal, and the same undisturbed."""

    def __init__(self, folder: Path, nursery: Nursery, database: str, seed: int) -> None:
        self.folder, self.nursery, self.chance = folder, nursery, random.Random(seed)
        self.kills: Counter[str] = Counter()
        """By what was killed."""
        self.again = 0
        """Texts that were encoded more than once, in all runs together."""
        self.notes = folder / "notes"
        self.catalog = "" if database.startswith("sqlite") else database
        self._contents: dict[str, str] = {}
        self._fresh()

    def _fresh(self) -> None:
        shutil.rmtree(self.notes, ignore_errors=True)
        self.notes.mkdir(parents=True)
        for number in range(NOTES):
            (self.notes / f"{number:03}.txt").write_text(f"note {number} about thing{number}\n")
        self._hash()

    def tasks(self, name: str, catalog: str) -> Iterator[dict[str, Any]]:
        common = {"root": str(self.folder / name), "notes": str(self.notes), "catalog": catalog}
        common |= {"log": str(self.folder / f"{name}.log"), "pause": PAUSE}
        for what in ("index", "compact", "change", "queue", "worker", "switch", "remove", "doctor"):
            yield {**common, "do": what, "name": "007.txt", "lease": 60}

    def change(self) -> None:
        """Ten notes move, ten change, two go, ten come."""
        (self.notes / "moved").mkdir(exist_ok=True)
        for number in range(10, 20):
            here = self.notes / f"{number:03}.txt"
            if here.exists():
                here.rename(self.notes / "moved" / here.name)
        for number in range(20, 30):
            (self.notes / f"{number:03}.txt").write_text(f"note {1000 + number} changed\n")
        for number in (30, 31):
            (self.notes / f"{number:03}.txt").unlink(missing_ok=True)
        for number in range(100, 110):
            (self.notes / f"{number}.txt").write_text(f"note {number} new\n")
        self._hash()

    def _hash(self) -> None:
        for file in self.notes.rglob("*.txt"):
            content = file.read_bytes()
            self._contents[content.split()[1].decode()] = hashlib.sha256(content).hexdigest()

    def disturbed(self, budget: int) -> None:
        """Each piece of work is killed again and again, up to `budget` times in all, then let through."""
        for task in self.tasks("killed", self.catalog):
            if task["do"] == "change":
                self.change()
                continue
            longest = 0.8
            share = budget // 7 + 1
            for _ in range(min(share, budget - self.kills.total())):
                if task["do"] == "remove" and not self._has("007.txt"):
                    break
                began = time.monotonic()
                if self._killed(task, self.chance.uniform(0, longest)):
                    continue
                longest = max(0.05, time.monotonic() - began)
                if task["do"] in ("index", "switch", "remove"):
                    break
            if task["do"] != "remove" or self._has("007.txt"):
                self.nursery.run(task)
            if task["do"] == "remove":
                (self.notes / "007.txt").unlink()  # or the next run would index it again

    def disturb_more(self, kills: int) -> None:
        """What is left is done quickly: look again and again, until there are so many kills in all."""
        tasks = {task["do"]: task for task in self.tasks("killed", self.catalog)}
        while self.kills.total() < kills:
            for what in ("index", "compact", "doctor", "queue", "worker"):
                self._killed(tasks[what], self.chance.uniform(0, 0.3))

    def _killed(self, task: dict[str, Any], after: float) -> bool:
        """Run it, to be killed after so many seconds; False when it had ended by then. Of what a run that is
        killed has encoded it may lose one batch."""
        before = len(self._encoded("killed"))
        if self.nursery.run(task, kill_after=after):
            return False
        self.kills[task["do"]] += 1
        kept = self._kept()
        lost = [line for line in self._encoded("killed")[before:] if line not in kept]
        assert len(lost) <= BATCH, f"{task['do']} had encoded {lost} and lost it"
        return True

    def _encoded(self, name: str) -> list[str]:
        log = self.folder / f"{name}.log"
        return log.read_text().splitlines() if log.exists() else []

    def _kept(self) -> set[str]:
        """Lines of the log whose notes the catalog says to be in the space of that dimension."""
        root = self.folder / "killed"
        if not (root / "collection.toml").exists():
            return set()
        with closing(Catalog(self.catalog or sqlite_url(root / "catalog.sqlite"))) as catalog:
            held = {r.space.dim: set(catalog.contents(r.space.key)) for r in catalog.spaces()}
        return {
            f"{dim} {number}"
            for number, sha256 in self._contents.items()
            for dim in held
            if sha256 in held[dim]
        }

    def _has(self, name: str) -> bool:
        with Collection.open(self.folder / "killed", create=False) as library:
            return any(Path(asset.path).name == name for asset in library.assets())

    def undisturbed(self) -> None:
        self._fresh()
        for task in self.tasks("whole", ""):
            if task["do"] == "change":
                self.change()
            else:
                assert self.nursery.run(task)

    def compare(self) -> None:
        killed, whole = state(self.folder / "killed"), state(self.folder / "whole")
        assert killed.keys() == whole.keys()
        for key in whole:
            assert killed[key] == whole[key], key
        often, once = Counter(self._encoded("killed")), Counter(self._encoded("whole"))
        assert set(often) == set(once), "something was lost, or invented"
        self.again = sum((often - once).values())
        assert self.again <= self.kills.total() * BATCH
