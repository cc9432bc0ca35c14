"""A process that has imported everything and forks one for each piece of work it reads a line about: tests
can kill hundreds without waiting for hundreds of interpreters. No table is open when it forks.

A line in: {"do": NAME, "root": …, "notes": …, "log": …, …}. Lines out: "pid N" and "ended CODE".
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import lancedb  # noqa: F401
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401

import searchkit.collection.doctor
import searchkit.collection.jobs
import searchkit.collection.library
import searchkit.collection.lock
import searchkit.collection.spaces
import searchkit.indexers.worker
import searchkit.stores.faiss
import searchkit.stores.lance
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.types import Vectors

BATCH = 6


class Logging(Hashing):
    """Writes down every note that it encodes, before it does."""

    def __init__(self, log: str, dim: int = 64, pause: float = 0.0, back: float = 0.0) -> None:
        super().__init__(dim)
        self._back = back
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._pause = pause

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        notes = [f"{self.dim} {text.split()[1]}\n" for text in texts if text.startswith("note")]
        os.write(self._log, "".join(notes).encode())
        if notes:
            time.sleep(self._pause)
        if notes and self._back:
            set_clock_back(self._back)
            self._back = 0.0
        return super().encode_text(texts)


def set_clock_back(seconds: float) -> None:
    """For this process the machine's clock jumps."""
    real = time.time
    time.time = lambda: real() - seconds


def work(task: dict[str, str]) -> None:
    if "clock" in task:
        set_clock_back(float(task["clock"]))
    encoder = Logging(task["log"], pause=float(task.get("pause", 0)), back=float(task.get("back", 0)))
    root, notes = Path(task["root"]), task["notes"]
    catalog = task.get("catalog", "")
    try:
        library = Collection.open(root, catalog=catalog, create=False)
        if library.manifest.encoder == "hashing":
            library = Collection.open(root, encoder=encoder)
    except searchkit.errors.CollectionMissing:
        library = Collection.open(root, encoder=encoder, catalog=catalog)
    kind = task["do"]
    if kind == "index":
        library.add(notes, batch_size=BATCH, prune=True)
    elif kind == "queue":
        searchkit.collection.jobs.enqueue(library, notes)
    elif kind == "worker":
        how = searchkit.collection.jobs.How(BATCH, 2, lease=float(task.get("lease", 1)))
        searchkit.indexers.worker.Worker(library, how).run(once=True)
    elif kind == "switch":
        other = Logging(task["log"], 32)
        if library.manifest.space != other.space.key:
            searchkit.collection.spaces.refill(library, other, batch_size=BATCH)
    elif kind == "compact":
        with searchkit.collection.lock.writing(root):
            library.refresh()
    elif kind == "remove":
        library.remove(Path(notes) / task["name"])
    elif kind == "doctor":
        searchkit.collection.doctor.examine(library, fix=True)
    else:
        raise ValueError(kind)


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(task)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.write(1, f"pid {child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(1, f"ended {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
