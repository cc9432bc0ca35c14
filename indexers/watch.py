"""Keep a collection up to date: queue reported changes, scan everything now and then, and work at the queue.

One thread does the queued jobs. Others scan folders meanwhile, so that no change waits for a scan, however
long that takes; a sweep, which drops what is gone, runs there too. A scan only queues, and a sweep only drops
what is not there at the time: neither undoes what a change did while it went on.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce

from searchkit.catalog.connect import UNAVAILABLE
from searchkit.collection import Collection
from searchkit.collection.jobs import How, enqueue, merged, notice
from searchkit.errors import CollectionLocked
from searchkit.indexers.events import Events, reports
from searchkit.indexers.worker import Worker
from searchkit.registry import AUTO
from searchkit.types import IndexReport, Runtime

logger = logging.getLogger(__name__)

POLL = 10.0
"""Seconds between two scans of a source whose changes nobody reports: a network drive, one that is offline, a
single file."""
STEP = 0.2
"""Seconds for which it waits for changes before it asks whether to stop."""
BEAT = 2.0
"""Seconds between two readings of the queue, which others fill too."""


def watch(
    collection: str | None,
    paths: Sequence[str],
    *,
    every: float,
    stop: Callable[[], bool],
    on_report: Callable[[IndexReport], object],
    poll: bool = False,
    batch_size: int = 32,
    threads: int = 2,
    runtime: Runtime = AUTO,
) -> None:
    """Index the paths, then keep all sources up to date until `stop()` is true.

    A change is indexed at once where the system reports it, and everything is scanned `every` so many
    seconds; with `poll` the system's reports are not used. `runtime` says where the encoder runs. The
    collection is made when it is not there. While another process writes to it this one waits; errors of
    searchkit are raised. `on_report` is called after every scan and every change, in the calling thread.
    """
    over = threading.Event()
    how = How(batch_size, threads, stop=lambda: stop() or over.is_set())
    with Collection.open(collection, runtime=runtime) as library, ThreadPoolExecutor(2, "scan") as pool:
        watching = _Watching(library, how, on_report, pool, poll=poll)
        try:
            watching.run(paths, every)
        finally:
            over.set()  # for the scans that go on
            watching.events.close()


class _Watching:
    """One run of `watch`."""

    def __init__(
        self,
        library: Collection,
        how: How,
        on_report: Callable[[IndexReport], object],
        pool: ThreadPoolExecutor,
        *,
        poll: bool,
    ) -> None:
        self.library, self.how, self.on_report, self.pool, self.poll = library, how, on_report, pool, poll
        self.events = Events()
        # to compact after each file is much work where a collection is large, and the next file waits for it
        self.worker = Worker(library, how, eager=False, kinds=("file", "refresh"), on_report=self._add)
        self.changed_files: set[str] = set()
        """Files that have changed and are not queued."""
        self.changed_folders: set[str] = set()
        """Changed paths that are not queued and are no files: new folders, and files that are gone."""
        self.noticed: set[str] = set()
        """Changed folders that are being scanned."""
        self.scans: deque[tuple[Sequence[str], bool]] = deque()
        """Scans to come: the paths (none: all sources), and whether to report a scan that finds nothing."""
        self.polled: list[str] = []
        """Sources whose changes nobody reports."""
        self.running: dict[str, Future[IndexReport]] = {}
        """"folders", "scan" and "sweep" → the one that goes on in the pool."""
        self.busy = False
        """Whether the queue may hold more to do."""
        self.to_report = False
        """Whether `done` is to be reported when the queue is empty."""
        self.sweep_soon = False
        """Whether something was queued since the last sweep: there may be jobs to drop files."""
        self.done, self.began = IndexReport(), 0.0
        """What was done since the last report, and when that began."""
        self.scanned_all = self.scanned = self.swept = self.worked = time.monotonic()
        """Times of the last scan of everything, any scan, the last sweep and the last turn at the queue."""

    def run(self, paths: Sequence[str], every: float) -> None:
        """Scan the paths, or all sources without any, then go on until it is told to stop."""
        if not paths:
            self._patiently(self._follow)
            self.scans.clear()  # the first scan is of all of them
        self.scans.append((paths, True))
        while not self.how.stop():
            self._patiently(lambda: self._step(every))

    def _patiently(self, do: Callable[[], object]) -> None:
        """Do something; wait a little where another process holds the collection or the catalog is away."""
        try:
            do()
        except CollectionLocked as error:
            logger.info("waiting: %s", error)
            self.worker.wait(BEAT)
        except UNAVAILABLE as error:
            logger.warning("waiting: %s", error)
            self.worker.wait(BEAT)

    def _step(self, every: float) -> None:
        """Queue what has changed, take in the scans that have ended, begin others, and do some jobs."""
        for path in self.events.get(0 if self.busy else STEP):
            (self.changed_files if os.path.isfile(path) else self.changed_folders).add(path)
        if self.changed_files:
            self._add(IndexReport(queued=notice(self.library, self.changed_files)))
            self.changed_files = set()
        for name in [name for name, future in self.running.items() if future.done()]:
            self._end(name)
        self._begin(every)
        if self.how.stop():
            return
        if self.busy or time.monotonic() - self.worked >= BEAT:  # others queue too, and some jobs wait
            self.worked = time.monotonic()
            self.busy = self.worker.turn()
        if self.to_report and not self.busy:
            self._report()

    def _begin(self, every: float) -> None:
        """Begin what is due: one scan or sweep at a time, but new folders wait for neither."""
        now = time.monotonic()
        if self.changed_folders and "folders" not in self.running:
            self.noticed, self.changed_folders = self.changed_folders, set()
            self._start("folders", self._notice)
        if "scan" in self.running or "sweep" in self.running:
            return
        if now - self.swept >= (BEAT if self.sweep_soon else POLL) and not (self.running or self.busy):
            self.swept, self.sweep_soon = now, False  # after files and new folders, which may hold what moved
            self._start("sweep", self._sweep)
        elif self.scans:
            self._start("scan", self._scan)
        elif now - self.scanned_all >= every:
            self.scanned_all = now
            self.scans.append(((), True))
        elif self.polled and now - self.scanned >= min(POLL, every):
            self.scanned = now
            self.scans.append((self.polled, True))

    def _start(self, name: str, work: Callable[[], IndexReport]) -> None:
        began = time.monotonic()

        def timed() -> IndexReport:
            report = work()
            report.seconds = time.monotonic() - began
            return report

        self.running[name] = self.pool.submit(timed)

    def _scan(self) -> IndexReport:
        paths, _ = self.scans[0]
        return enqueue(self.library, *paths, stop=self.how.stop)

    def _notice(self) -> IndexReport:
        return IndexReport(queued=notice(self.library, self.noticed, stop=self.how.stop))

    def _sweep(self) -> IndexReport:
        """Drop what is gone, with a worker of its own, since that walks through whole sources."""
        done: list[IndexReport] = []
        Worker(self.library, self.how, kinds=("sweep",), on_report=done.append).drain()
        return reduce(merged, done, IndexReport())

    def _end(self, name: str) -> None:
        """Take in the report of what has ended; folders that could not be scanned are scanned later."""
        try:
            report = self.running.pop(name).result()
        except (CollectionLocked, *UNAVAILABLE):
            self.changed_folders |= self.noticed if name == "folders" else set()
            raise
        self.sweep_soon = self.sweep_soon or report.queued > 0
        if name != "scan":
            self._add(report)
            return
        paths, always_report = self.scans.popleft()
        self._add(report, always_report=always_report)
        self.scanned = time.monotonic()
        self.scanned_all = self.scanned_all if paths else self.scanned
        self._follow()

    def _add(self, report: IndexReport, *, always_report: bool = False) -> None:
        """Add a report to what was done since the last one, unless nothing was and it need not be told."""
        if not self.to_report:
            self.began = time.monotonic() - report.seconds
        self.busy = self.busy or report.queued > 0
        changed = report.queued or report.indexed or report.reused or report.deleted or report.warnings
        self.to_report = self.to_report or always_report or bool(changed)
        if self.to_report:
            self.done = merged(self.done, report)

    def _report(self) -> None:
        """Report what was done, with the number of files that have failed, and begin anew."""
        self.done.failed = len(self.library.catalog.failures())
        self.done.seconds = time.monotonic() - self.began
        done, self.done, self.to_report = self.done, IndexReport(), False
        self.on_report(done)

    def _follow(self) -> None:
        """Watch the sources whose changes are reported; the others are scanned more often."""
        sources = self.library.catalog.sources()
        live = [s.path for s in sources if not self.poll and s.state == "ready" and reports(s.path)]
        if self.events.follow(live) and live:
            self.scans.append((live, False))  # what changed between the scan and now
        live = [] if self.events.failed else live
        self.polled = [s.path for s in sources if s.path not in live]
