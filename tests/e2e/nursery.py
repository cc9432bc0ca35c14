"""A process that has imported everything and forks one that does a piece of work for each line it reads: tests
can kill hundreds of processes without waiting for hundreds of interpreters.

A line in: {"do": NAME, "root": …, "notes": …, "log": …, …}. Lines out: "pid N", "started", and "ended CODE".
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import alembic.command
import lancedb  # noqa: F401
import lancedb.background_loop
import sqlalchemy.dialects.postgresql.psycopg
import sqlalchemy.dialects.sqlite  # noqa: F401

import searchkit.collection
import searchkit.doctor
import searchkit.indexers.worker
import searchkit.spaces
import searchkit.stores.faiss
import searchkit.stores.lance
import searchkit.work  # noqa: F401
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.types import Vectors

BATCH = 6


class Logging(Hashing):
    """Writes down every note that it encodes, before it does."""

    def __init__(self, log: str, dim: int = 64, pause: float = 0.0) -> None:
        super().__init__(dim)
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._pause = pause

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        notes = [f"{self.dim} {text.split()[1]}\n" for text in texts if text.startswith("note")]
        os.write(self._log, "".join(notes).encode())
        if notes:
            time.sleep(self._pause)
        return super().encode_text(texts)


def work(task: dict[str, str]) -> None:
    encoder = Logging(task["log"], pause=float(task.get("pause", 0)))
    root, notes = Path(task["root"]), task["notes"]
    catalog = task.get("catalog", "")
    try:
        library = Collection.open(root, catalog=catalog, create=False)
        if library.manifest.encoder == "hashing":
            library = Collection.open(root, encoder=encoder)
    except searchkit.errors.CollectionMissing:
        library = Collection.open(root, encoder=encoder, catalog=catalog)
    print("started", flush=True)
    kind = task["do"]
    if kind == "index":
        library.add(notes, batch_size=BATCH, prune=True)
    elif kind == "queue":
        searchkit.work.enqueue(library, notes)
    elif kind == "worker":
        how = searchkit.work.How(BATCH, 2, lease=float(task.get("lease", 1)))
        searchkit.indexers.worker.Worker(library, how).run(once=True)
    elif kind == "switch":
        other = Logging(task["log"], 32)
        if library.manifest.space != other.space.key:
            searchkit.spaces.refill(library, other, batch_size=BATCH)
    elif kind == "compact":
        with searchkit.place.writing(root):
            library.refresh()
    elif kind == "remove":
        library.remove(Path(notes) / task["name"])
    elif kind == "doctor":
        searchkit.doctor.examine(library, fix=True)
    else:
        raise ValueError(kind)


def main() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                # the thread that drives lancedb did not come along
                lancedb.background_loop.LOOP.__init__()  # type: ignore[misc]
                work(task)
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        print(f"pid {child}", flush=True)
        _, status = os.waitpid(child, 0)
        print(f"ended {os.waitstatus_to_exitcode(status)}", flush=True)


if __name__ == "__main__":
    main()
