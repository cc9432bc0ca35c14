"""How much memory does compaction take, and does that grow with the table?

    python benchmarks/compaction.py --out benchmarks/results/compaction.json

Tables of made-up passages, 512 numbers and 600 letters each, in files of 2,048 rows. Of each a copy is
compacted in a process of its own: as a whole, which also makes the indexes; then, after 500 rows were added
in ten files each time, twice by joining what is new, and, when 1,500 are outside of the indexes, as a whole
again. Once as a worker does it (`indexers/memory.py`), once as Lance does by itself. What is told is the most
of its own memory that the process had during a compaction, beyond what it had before the first.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
from report import Arguments, publish

from searchkit.encoders.hashing import Hashing
from searchkit.stores.lance import LanceStore, give_back
from searchkit.types import Item, Kind

DIM = 512
FILE = 2048
WORDS = 50_000
ADDED = 500


def items(first: int, count: int) -> tuple[list[Item], np.ndarray]:
    """Return passages whose words are as frequent as real words, with unit vectors."""
    chance = np.random.default_rng(first)
    vectors = chance.standard_normal((count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ranks = np.minimum(chance.zipf(1.2, (count, 100)), WORDS)
    passages = []
    for row, number in enumerate(range(first, first + count)):
        text = " ".join(f"w{rank}" for rank in ranks[row])
        name = f"{number:020x}"
        passages.append(
            Item(
                f"{name}-{name}-0", Kind.PASSAGE, f"/notes/{number}.txt", "/notes", name, 0, 1.6e9, text=text
            )
        )
    return passages, vectors


def make(folder: Path, rows: int) -> None:
    store = LanceStore(folder, Hashing(DIM).space)
    for first in range(0, rows, FILE):
        some, vectors = items(first, min(FILE, rows - first))
        store._table.add(store._rows(some, vectors))  # no row is there yet: to merge would take an hour


def own() -> float:
    """Return the megabytes that belong to this process alone."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def measure(folder: Path, how: str) -> dict[str, dict[str, float]]:
    if how == "worker":
        from searchkit.indexers.memory import spare

        spare()
    store = LanceStore(folder, Hashing(DIM).space)
    rows, before = store.count(), own()
    figures = {}
    for number, name in enumerate(("as a whole", "joined", "joined again", "as a whole again")):
        if number:
            for first in range(0, ADDED, ADDED // 10):
                store.write(*items(rows + number * ADDED + first, ADDED // 10))
        most, over = own(), threading.Event()

        def look(over: threading.Event = over) -> None:
            nonlocal most
            while not over.wait(0.01):
                most = max(most, own())

        looking, began = threading.Thread(target=look), time.monotonic()
        looking.start()
        store.compact()
        seconds = time.monotonic() - began
        give_back()
        over.set()
        looking.join()
        figures[name] = {"megabytes": round(most - before, 1), "seconds": round(seconds, 1)}
    return figures


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[30_000, 100_000, 300_000])
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parsed()
    if options.measure:
        print(json.dumps(measure(Path(options.measure[0]), options.measure[1])))
        return
    figures: dict[str, Any] = {}
    for rows in options.rows:
        with tempfile.TemporaryDirectory() as scratch:
            made = Path(scratch) / "made"
            make(made, rows)
            for how in ("worker", "plain"):
                copy = Path(scratch) / how
                shutil.copytree(made, copy)
                command = [sys.executable, __file__, "--measure", str(copy), how]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
                shutil.rmtree(copy)
                figures[f"{rows} rows, {how}"] = json.loads(done.stdout)
                print(rows, how, figures[f"{rows} rows, {how}"], flush=True)
    publish(figures, options.out)


if __name__ == "__main__":
    main()
