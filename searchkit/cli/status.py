"""`searchkit status`"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json
from searchkit.cli.progress import stopping
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.status import Status

BEAT = 1.0
"""Seconds between two readings of the queue."""


def status(
    watch: Annotated[
        bool, typer.Option("--watch", help="Say how the queue gets on, at each change, until Ctrl-C.")
    ] = False,
    collection: CollectionName = None,
    as_json: Json = False,
) -> int:
    """Say what a collection holds, and what is queued."""
    settings = load(collection=collection)
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False) as library:
        if watch:
            return _watch(library, as_json)
        current = library.status()
    if as_json:
        output.records([current.to_json()])
    else:
        output.table(_rows(current))
    return 0


def _rows(status: Status) -> list[tuple[str, object]]:
    """Return the name and the value of every line, leaving out what there is nothing to say of."""
    from searchkit.stores.words import PLAIN
    from searchkit.types import LEFT_OUT

    ocr = f"{status.passages_by_ocr} passages ({status.ocr or 'off'})"
    rows: list[tuple[str, object]] = [
        ("collection", status.root),
        ("encoder", status.encoder),
        ("images", status.images),
        ("documents", f"{status.documents} ({status.passages} passages, {status.pictures} pictures)"),
        ("passages by", status.chunking),
        ("words by", "themselves" if status.language == PLAIN else f"{status.language.title()} stems"),
        ("failed", f"{status.failed}" + " (searchkit doctor lists them)" * bool(status.failed)),
        ("searched by", "FAISS" if status.accelerated else "the store itself"),
        ("size", f"{status.megabytes} MB"),
    ]
    rows += [("by OCR", ocr)] * bool(status.ocr or status.passages_by_ocr)
    rows += [("queue", _words(status.jobs))] * bool(status.jobs)
    rows += [("not findable", f"{count} {LEFT_OUT[name]}") for name, count in status.left_out.items()]
    rows += [("source", f"{source.path} ({source.state}, {source.files} files)") for source in status.sources]
    return rows


def _watch(library: Collection, as_json: bool) -> int:
    """Print the state of the queue at each change until Ctrl-C."""
    from searchkit.types import JSON_SCHEMA

    shown: Mapping[str, int] | None = None
    with stopping() as stop:
        while not stop():
            jobs = library.catalog.jobs.counts(library.current.manifest.space)
            if jobs != shown:
                shown = jobs
                if as_json:
                    output.records([{"schema": JSON_SCHEMA, "jobs": jobs}])
                else:
                    output.lines([f"{time.strftime('%H:%M:%S')}  {_words(jobs)}"])
            time.sleep(BEAT)
    return output.INTERRUPTED


def _words(jobs: Mapping[str, int]) -> str:
    """Say how many files wait, run, are done and are dead."""
    return ", ".join(f"{state} {jobs.get(state, 0)}" for state in ("waiting", "running", "done", "dead"))
