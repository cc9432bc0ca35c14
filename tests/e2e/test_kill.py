"""kill -9 at any instant: what is there afterwards is what a run that nobody disturbed would have made."""

from __future__ import annotations

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
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searchkit.collection import Collection
from searchkit.doctor import examine
from searchkit.spaces import spaces

SCRIPT = Path(__file__).with_name("nursery.py")
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


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path / "errors")
    yield made
    made.close()


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
        self.kills = 0
        self.notes = folder / "notes"
        self.notes.mkdir(parents=True)
        self.catalog = "" if database.startswith("sqlite") else database
        for number in range(NOTES):
            (self.notes / f"{number:03}.txt").write_text(f"note {number} about thing{number}\n")

    def tasks(self, name: str, catalog: str) -> Iterator[dict[str, Any]]:
        common = {"root": str(self.folder / name), "notes": str(self.notes), "catalog": catalog}
        common |= {"log": str(self.folder / f"{name}.log"), "pause": PAUSE}
        for what in ("index", "compact", "change", "queue", "worker", "switch", "remove", "doctor"):
            yield {**common, "do": what, "name": "007.txt", "lease": 0.5}

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

    def disturbed(self, budget: int) -> None:
        """Each piece of work is killed again and again, up to `budget` times in all, then let through."""
        for task in self.tasks("killed", self.catalog):
            if task["do"] == "change":
                self.change()
                continue
            longest = 0.8
            share = budget // 7 + 1
            for _ in range(min(share, budget - self.kills)):
                if task["do"] == "remove" and not self._has("007.txt"):
                    break
                began = time.monotonic()
                if self.nursery.run(task, kill_after=self.chance.uniform(0, longest)):
                    longest = max(0.05, time.monotonic() - began)
                    if task["do"] in ("index", "switch", "remove"):
                        break
                else:
                    self.kills += 1
            if task["do"] != "remove" or self._has("007.txt"):
                self.nursery.run(task)
            if task["do"] == "remove":
                (self.notes / "007.txt").unlink()  # or the next run would index it again

    def _has(self, name: str) -> bool:
        with Collection.open(self.folder / "killed", create=False) as library:
            return any(Path(asset.path).name == name for asset in library.assets())

    def undisturbed(self) -> None:
        shutil.rmtree(self.notes)
        self.notes.mkdir()
        for number in range(NOTES):
            (self.notes / f"{number:03}.txt").write_text(f"note {number} about thing{number}\n")
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
        often = Counter((self.folder / "killed.log").read_text().split("\n"))
        once = Counter((self.folder / "whole.log").read_text().split("\n"))
        del often[""], once[""]
        assert set(often) == set(once), "something was lost, or invented"
        twice = sum((often - once).values())
        print(f"{self.kills} kills, {twice} texts encoded again")
        assert twice <= self.kills * BATCH, f"{twice} texts were encoded again after {self.kills} kills"


def test_a_handful_of_kills_leaves_no_trace(tmp_path: Path, nursery: Nursery) -> None:
    scenario = Scenario(tmp_path / "a", nursery, "sqlite", seed=11)
    scenario.disturbed(budget=9)
    scenario.undisturbed()
    scenario.compare()
    assert scenario.kills >= 5


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(5))
def test_forty_kills_leave_no_trace(tmp_path: Path, nursery: Nursery, database: str, round_: int) -> None:
    """Ten of these, on two engines: together at least 200 kills."""
    scenario = Scenario(tmp_path / "a", nursery, database, seed=100 + round_)
    scenario.disturbed(budget=40)
    while scenario.kills < 20:  # what is left is done quickly: look again and again
        for what in ("index", "compact", "doctor", "queue", "worker"):
            task = next(t for t in scenario.tasks("killed", scenario.catalog) if t["do"] == what)
            scenario.kills += not nursery.run(task, kill_after=scenario.chance.uniform(0, 0.3))
    scenario.undisturbed()
    scenario.compare()
