"""Indexing by jobs: what is due goes into the queue, and whoever claims it does it. A process that dies takes
nothing with it; several share the work and write in turns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from searchkit.catalog.catalog import Source
from searchkit.catalog.jobs import ASKED, NOTICED, SWEPT, Job, Work
from searchkit.collection.library import Collection
from searchkit.collection.lock import writing
from searchkit.ingest.load import decoder_of
from searchkit.ingest.pipeline import Options, scopes
from searchkit.ingest.walk import entry_of
from searchkit.types import FileEntry, IndexReport

__all__ = ["ASKED", "How", "LeaseLost", "enqueue", "merged", "notice", "perform"]

Turn = Callable[[], AbstractContextManager[object]]
"""Entered to write: one worker at a time."""


class LeaseLost(Exception):
    """The claims ran out while the work was under way: others have it now."""


@dataclass(frozen=True, slots=True)
class How:
    """How a worker goes about it."""

    batch_size: int = 32
    threads: int = 2
    lease: float = 60.0
    """Seconds of silence after which a worker counts as dead."""
    stop: Callable[[], bool] = lambda: False


def enqueue(
    library: Collection,
    *paths: str | Path,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    retry_failed: bool = False,
    priority: int = SWEPT,
    stop: Callable[[], bool] = lambda: False,
) -> IndexReport:
    """Look at these folders and files, at all sources without any, and queue what is due; `report.queued`
    counts it. Raises `BadInput` for a path that does not exist and never did."""
    library = library.current
    with writing(library.root, brief=True, stop=stop):
        targets = library.targets(paths)
    selection, left_out = library.selection(include, exclude)
    ingest = library.ingest(Options(retry_failed=retry_failed, stop=stop))
    swept: list[Source] = []
    for source, scope in targets:
        due, gone = ingest.look(source, selection, scope=scope)
        if retry_failed:  # whoever gets the job asks the ledger again
            library.catalog.clear_failures([entry.path for entry in due])
        ingest.report.queued += _put(library, source, due, priority)
        swept += [source] * gone
    ingest.report.queued += _put_sweeps(library, swept, priority)
    ingest.report.warnings += left_out()
    ingest.report.failed = len(library.catalog.failures())
    return ingest.report


def notice(library: Collection, paths: Iterable[str], *, stop: Callable[[], bool] = lambda: False) -> int:
    """Queue what changed at these paths, of whichever sources they are; returns how much that is."""
    library = library.current
    sources = library.catalog.sources()
    selection, _ = library.selection()
    changed: dict[Source, list[FileEntry]] = {}
    swept: list[Source] = []
    for path in sorted(set(paths)):
        source, _ = scopes(sources, path)
        if source is None or not selection.reaches(source.path, path):
            continue
        entry = entry_of(path)
        if entry is not None:
            changed.setdefault(source, []).append(entry)
        elif os.path.isdir(path):  # files may have been written into it before anyone watched it
            due, gone = library.ingest(Options(stop=stop)).look(source, selection, scope=path)
            changed.setdefault(source, []).extend(due)
            swept += [source] * gone
        elif source not in swept and _knows(library, path):
            swept.append(source)
    queued = sum(_put(library, source, entries, NOTICED) for source, entries in changed.items())
    return queued + _put_sweeps(library, swept, NOTICED)


def _put(library: Collection, source: Source, due: Sequence[FileEntry], priority: int) -> int:
    works = [Work(e.path, source.id, e.size, e.mtime_ns, decoder_of(e.path)) for e in due]
    return library.catalog.jobs.enqueue(library.manifest.space, works, priority=priority) if works else 0


def _put_sweeps(library: Collection, sources: Iterable[Source], priority: int) -> int:
    """After the files of all sources: a file that moved is to be copied before it is missed."""
    works = [Work(source.path, source.id) for source in dict.fromkeys(sources)]
    if not works:
        return 0
    return library.catalog.jobs.enqueue(library.manifest.space, works, kind="sweep", priority=priority)


def _knows(library: Collection, path: str) -> bool:
    known = next(iter(library.catalog.assets(under=path)), None)
    return known is not None or bool(library.catalog.failures(under=path))


def perform(library: Collection, jobs: Sequence[Job], how: How) -> IndexReport:
    """Do these claimed jobs, all of one kind, and end them in the queue; when `how.stop()` becomes true the
    batch under way is finished and the rest goes back. What goes wrong with the batch is raised."""
    queue = library.catalog.jobs

    @contextmanager
    def exclusive() -> Iterator[None]:
        with writing(library.root, brief=True, stop=how.stop):
            held = queue.heartbeat(jobs, lease=how.lease)
            if not held:
                raise LeaseLost
            yield

    report = IndexReport()
    if jobs[0].kind == "refresh":
        with exclusive():
            library.sweep_tombstones()  # what a killed worker left
            library.refresh()
        queue.finish(jobs)
        return report
    sources = {source.id: source for source in library.catalog.sources()}
    for number in sorted({job.source_id or 0 for job in jobs}):
        mine = [job for job in jobs if job.source_id == number]
        source = sources.get(number)
        if source is None:
            queue.finish(mine)  # the source was removed
        elif mine[0].kind == "sweep":
            report = merged(report, _sweep(library, source, mine, how, exclusive))
        else:
            report = merged(report, _index(library, source, mine, how, exclusive))
    return report


def _index(library: Collection, source: Source, jobs: Sequence[Job], how: How, turn: Turn) -> IndexReport:
    queue = library.catalog.jobs
    waiting: dict[str, list[Job]] = {}
    for job in jobs:
        waiting.setdefault(job.path, []).append(job)

    def written(paths: Sequence[str]) -> None:
        queue.finish([job for path in paths for job in waiting.pop(path, ())])

    options = Options(
        how.batch_size, how.threads, stop=how.stop, exclusive=turn, on_written=written, shared=True
    )
    ingest = library.ingest(options)
    ingest.update(source, list(waiting))
    rest = [job for some in waiting.values() for job in some]
    if rest and ingest.report.interrupted:
        queue.release(rest)
    elif rest:  # unchanged, failed and noted, or not there
        queue.finish(rest)
    if library.catalog.tombstones():  # what the changed files held before must not be found any more
        with writing(library.root, brief=True, stop=how.stop):
            library.sweep_tombstones()
    return ingest.report


def _sweep(library: Collection, source: Source, jobs: Sequence[Job], how: How, turn: Turn) -> IndexReport:
    queue = library.catalog.jobs
    ingest = library.ingest(Options(stop=how.stop, exclusive=turn))
    ingest.drop_gone(source, library.selection()[0])
    if ingest.report.interrupted:
        queue.release(jobs)
        return ingest.report
    with turn():
        library.sweep_tombstones()
    queue.finish(jobs)
    return ingest.report


def merged(one: IndexReport, other: IndexReport) -> IndexReport:
    """What two runs did, together."""
    both: dict[str, Any] = {}
    for field in fields(IndexReport):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        both[field.name] = (mine or theirs) if isinstance(mine, bool) else mine + theirs
    return IndexReport(**both)
