"""`searchkit status`"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json
from searchkit.cli.progress import stopping
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

BEAT = 1.0
"""Seconds between two looks at the queue."""


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
    from searchkit.stores.words import PLAIN
    from searchkit.types import LEFT_OUT

    with Collection.open(settings.collection, create=False) as library:
        if watch:
            return _watch(library, as_json)
        found = library.status()
    if as_json:
        output.records([found.to_json()])
        return 0
    rows = [
        ("collection", found.root),
        ("encoder", found.encoder),
        ("images", found.images),
        ("documents", f"{found.documents} ({found.passages} passages, {found.pictures} pictures)"),
        ("passages by", found.chunking),
        ("words by", "themselves" if found.language == PLAIN else f"{found.language.title()} stems"),
        ("failed", f"{found.failed}" + " (searchkit doctor lists them)" * bool(found.failed)),
        ("searched by", "FAISS" if found.accelerated else "the store itself"),
        ("size", f"{found.megabytes} MB"),
    ]
    rows += [("by OCR", f"{found.passages_by_ocr} passages ({found.ocr or 'off'})")] * bool(
        found.ocr or found.passages_by_ocr
    )
    rows += [("queue", _words(found.jobs))] * bool(found.jobs)
    rows += [("not findable", f"{count} {LEFT_OUT[name]}") for name, count in found.left_out.items()]
    rows += [("source", f"{source.path} ({source.state}, {source.files} files)") for source in found.sources]
    output.table(rows)
    return 0


def _watch(library: Collection, as_json: bool) -> int:
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
    """Files by what has become of their jobs."""
    return ", ".join(f"{state} {jobs.get(state, 0)}" for state in ("waiting", "running", "done", "dead"))
