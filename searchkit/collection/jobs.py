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
from searchkit.collection.indexing import ingest_into, select, targets
from searchkit.collection.library import Collection
from searchkit.collection.lock import writing
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.upkeep import refresh, sweep
from searchkit.ingest.load import decoder_of
from searchkit.ingest.run import Options
from searchkit.ingest.scan import scopes
from searchkit.ingest.walk import entry_of
from searchkit.types import FileEntry, IndexReport

__all__ = ["ASKED", "How", "LeaseLost", "enqueue", "merged", "notice", "perform"]

Turn = Callable[[], AbstractContextManager[object]]
"""A context that is entered to write: one worker at a time."""


class LeaseLost(Exception):
    """The claims ran out while the work was under way: others have it now."""


@dataclass(frozen=True, slots=True)
class How:
    """How a worker does jobs: its batches, its threads, and when it counts as dead."""

    batch_size: int = 32
    threads: int = 2
    lease: float = 60.0
    """Seconds of silence after which a worker counts as dead."""
    stop: Callable[[], bool] = lambda: False


def enqueue(
    library: Collection | OpenSpace,
    *paths: str | Path,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    retry_failed: bool = False,
    priority: int = SWEPT,
    stop: Callable[[], bool] = lambda: False,
) -> IndexReport:
    """Look at these folders and files, at all sources without any, and queue what is due; `report.queued`
    counts it. Raises `BadInput` for a path that does not exist and never did."""
    space = library.current
    with writing(space.root, brief=True, stop=stop):
        named = targets(space, paths)
    selection, left_out = select(space, include, exclude)
    ingest = ingest_into(space, Options(retry_failed=retry_failed, stop=stop))
    swept: list[Source] = []
    for source, scope in named:
        due, gone = ingest.look(source, selection, scope=scope)
        if retry_failed:  # whoever gets the job asks the ledger again
            space.catalog.clear_failures([entry.path for entry in due])
        ingest.report.queued += _put(space, source, due, priority)
        swept += [source] * gone
    ingest.report.queued += _put_sweeps(space, swept, priority)
    ingest.report.warnings += left_out()
    ingest.report.failed = len(space.catalog.failures())
    return ingest.report


def notice(
    library: Collection | OpenSpace, paths: Iterable[str], *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Queue what changed at these paths, of whichever sources they are; returns how much that is."""
    space = library.current
    sources = space.catalog.sources()
    selection, _ = select(space)
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
            due, gone = ingest_into(space, Options(stop=stop)).look(source, selection, scope=path)
            changed.setdefault(source, []).extend(due)
            swept += [source] * gone
        elif source not in swept and _knows(space, path):
            swept.append(source)
    queued = sum(_put(space, source, entries, NOTICED) for source, entries in changed.items())
    return queued + _put_sweeps(space, swept, NOTICED)


def _put(space: OpenSpace, source: Source, due: Sequence[FileEntry], priority: int) -> int:
    works = [Work(e.path, source.id, e.size, e.mtime_ns, decoder_of(e.path)) for e in due]
    return space.catalog.jobs.enqueue(space.manifest.space, works, priority=priority) if works else 0


def _put_sweeps(space: OpenSpace, sources: Iterable[Source], priority: int) -> int:
    """After the files of all sources: a file that moved is to be copied before it is missed."""
    works = [Work(source.path, source.id) for source in dict.fromkeys(sources)]
    if not works:
        return 0
    return space.catalog.jobs.enqueue(space.manifest.space, works, kind="sweep", priority=priority)


def _knows(space: OpenSpace, path: str) -> bool:
    known = next(iter(space.catalog.assets(under=path)), None)
    return known is not None or bool(space.catalog.failures(under=path))


def perform(library: Collection | OpenSpace, jobs: Sequence[Job], how: How) -> IndexReport:
    """Do these claimed jobs, all of one kind, and end them in the queue; when `how.stop()` becomes true the
    batch under way is finished and the rest goes back. What goes wrong with the batch is raised."""
    space = library.current
    queue = space.catalog.jobs

    @contextmanager
    def exclusive() -> Iterator[None]:
        with writing(space.root, brief=True, stop=how.stop):
            held = queue.heartbeat(jobs, lease=how.lease)
            if not held:
                raise LeaseLost
            yield

    report = IndexReport()
    if jobs[0].kind == "refresh":
        with exclusive():
            sweep(space)  # what a killed worker left
            refresh(space)
        queue.finish(jobs)
        return report
    sources = {source.id: source for source in space.catalog.sources()}
    for number in sorted({job.source_id or 0 for job in jobs}):
        mine = [job for job in jobs if job.source_id == number]
        source = sources.get(number)
        if source is None:
            queue.finish(mine)  # the source was removed
        elif mine[0].kind == "sweep":
            report = merged(report, _sweep(space, source, mine, how, exclusive))
        else:
            report = merged(report, _index(space, source, mine, how, exclusive))
    return report


def _index(space: OpenSpace, source: Source, jobs: Sequence[Job], how: How, turn: Turn) -> IndexReport:
    queue = space.catalog.jobs
    waiting: dict[str, list[Job]] = {}
    for job in jobs:
        waiting.setdefault(job.path, []).append(job)

    def written(paths: Sequence[str]) -> None:
        queue.finish([job for path in paths for job in waiting.pop(path, ())])

    options = Options(
        how.batch_size, how.threads, stop=how.stop, exclusive=turn, on_written=written, shared=True
    )
    ingest = ingest_into(space, options)
    ingest.update(source, list(waiting))
    rest = [job for some in waiting.values() for job in some]
    if rest and ingest.report.interrupted:
        queue.release(rest)
    elif rest:  # unchanged, failed and noted, or not there
        queue.finish(rest)
    if space.catalog.tombstones():  # what the changed files held before must not be found any more
        with writing(space.root, brief=True, stop=how.stop):
            sweep(space)
    return ingest.report


def _sweep(space: OpenSpace, source: Source, jobs: Sequence[Job], how: How, turn: Turn) -> IndexReport:
    queue = space.catalog.jobs
    ingest = ingest_into(space, Options(stop=how.stop, exclusive=turn))
    ingest.drop_gone(source, select(space)[0])
    if ingest.report.interrupted:
        queue.release(jobs)
        return ingest.report
    with turn():
        sweep(space)
    queue.finish(jobs)
    return ingest.report


def merged(one: IndexReport, other: IndexReport) -> IndexReport:
    """What two runs did, together."""
    both: dict[str, Any] = {}
    for field in fields(IndexReport):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        both[field.name] = (mine or theirs) if isinstance(mine, bool) else mine + theirs
    return IndexReport(**both)
