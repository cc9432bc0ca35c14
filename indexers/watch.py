"""Keep a collection up to date: queue what the system says has changed, look at everything now and then, and
work at the queue.

One thread does what is queued. Others look at folders meanwhile, so that no change waits for a look, however
long that takes; dropping what is gone is a look too. A look only queues, or drops what is not there at the
time, so it undoes nothing of what a change did while it went on.
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
"""Seconds between two looks at a source whose changes nobody reports: a network drive, one that is away, a
single file."""
STEP = 0.2
"""Seconds between two questions whether to stop."""
BEAT = 2.0
"""Seconds between two looks into the queue, which others fill too."""


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
    """Index the paths, then keep all sources up to date until `stop()` is true: at once where the system
    reports changes, and by looking at everything `every` so many seconds. With `poll` nothing is reported.
    `runtime` says on what the encoder runs.

    The collection is made when it is not there. While another process writes to it this one waits; errors of
    searchkit are raised. `on_report` is called after every look and every change, from the thread that called
    this.
    """
    over = threading.Event()
    how = How(batch_size, threads, stop=lambda: stop() or over.is_set())
    with Collection.open(collection, runtime=runtime) as library, ThreadPoolExecutor(2, "look") as beside:
        watching = _Watching(library, how, on_report, beside, poll=poll)
        try:
            watching.run(paths, every)
        finally:
            over.set()  # for the looks that go on
            watching.events.close()


class _Watching:
    """One run of `watch`."""

    def __init__(
        self,
        library: Collection,
        how: How,
        on_report: Callable[[IndexReport], object],
        beside: ThreadPoolExecutor,
        *,
        poll: bool,
    ) -> None:
        self.library, self.how, self.on_report, self.beside, self.poll = library, how, on_report, beside, poll
        self.events = Events()
        # to compact after each file is much work where a collection is large, and the next file waits for it
        self.worker = Worker(library, how, eager=False, kinds=("file", "refresh"), on_report=self._add)
        self.files: set[str] = set()
        self.folders: set[str] = set()
        """What has changed and is not queued: files, and what is none, or not any more…"""
        self.noticed: set[str] = set()
        """…and what of that is being looked at."""
        self.wanted: deque[tuple[Sequence[str], bool]] = deque()
        """Looks to come: at these paths, or at all sources; and whether to tell of it if nothing is found."""
        self.polled: list[str] = []
        self.running: dict[str, Future[IndexReport]] = {}
        self.busy = self.tell = False
        self.missed = False
        """Something was queued: to be dropped, it may be."""
        self.done, self.began = IndexReport(), 0.0
        """What was done since the last report, and when that began."""
        self.whole = self.looked = self.swept = self.beaten = time.monotonic()
        """When everything was looked at, a part of it, what is gone, and the queue."""

    def run(self, paths: Sequence[str], every: float) -> None:
        if not paths:
            self._patiently(self._follow)
            self.wanted.clear()  # the first look is at all of them
        self.wanted.append((paths, True))
        while not self.how.stop():
            self._patiently(lambda: self._step(every))

    def _patiently(self, do: Callable[[], object]) -> None:
        """Where the collection, or its catalog, is not to be had, wait: what is to be done is still known."""
        try:
            do()
        except CollectionLocked as error:
            logger.info("waiting: %s", error)
            self.worker.wait(BEAT)
        except UNAVAILABLE as error:
            logger.warning("waiting: %s", error)
            self.worker.wait(BEAT)

    def _step(self, every: float) -> None:
        for path in self.events.get(0 if self.busy else STEP):
            (self.files if os.path.isfile(path) else self.folders).add(path)
        if self.files:
            self._add(IndexReport(queued=notice(self.library, self.files)))
            self.files = set()
        for name in [name for name, future in self.running.items() if future.done()]:
            self._end(name)
        self._begin(every)
        if self.how.stop():
            return
        if self.busy or time.monotonic() - self.beaten >= BEAT:  # others queue, and some waits for its time
            self.beaten = time.monotonic()
            self.busy = self.worker.turn()
        if self.tell and not self.busy:
            self._report()

    def _begin(self, every: float) -> None:
        """Look at what is to be looked at: at one thing at a time, but new folders wait for nothing."""
        now = time.monotonic()
        if self.folders and "folders" not in self.running:
            self.noticed, self.folders = self.folders, set()
            self._start("folders", self._notice)
        if "look" in self.running or "sweep" in self.running:
            return
        if now - self.swept >= (BEAT if self.missed else POLL) and not (self.running or self.busy):
            self.swept, self.missed = now, False  # after files and new folders, which may hold what moved
            self._start("sweep", self._sweep)
        elif self.wanted:
            self._start("look", self._look)
        elif now - self.whole >= every:
            self.whole = now
            self.wanted.append(((), True))
        elif self.polled and now - self.looked >= min(POLL, every):
            self.looked = now
            self.wanted.append((self.polled, True))

    def _start(self, name: str, find: Callable[[], IndexReport]) -> None:
        began = time.monotonic()

        def timed() -> IndexReport:
            report = find()
            report.seconds = time.monotonic() - began
            return report

        self.running[name] = self.beside.submit(timed)

    def _look(self) -> IndexReport:
        paths, _ = self.wanted[0]
        return enqueue(self.library, *paths, stop=self.how.stop)

    def _notice(self) -> IndexReport:
        return IndexReport(queued=notice(self.library, self.noticed, stop=self.how.stop))

    def _sweep(self) -> IndexReport:
        """Drop what is gone; with a worker of its own, since it walks through whole sources."""
        done: list[IndexReport] = []
        Worker(self.library, self.how, kinds=("sweep",), on_report=done.append).drain()
        return reduce(merged, done, IndexReport())

    def _end(self, name: str) -> None:
        """Take what was found; what could not be looked at is kept for another time."""
        try:
            found = self.running.pop(name).result()
        except (CollectionLocked, *UNAVAILABLE):
            self.folders |= self.noticed if name == "folders" else set()
            raise
        self.missed = self.missed or found.queued > 0
        if name != "look":
            self._add(found)
            return
        paths, tell = self.wanted.popleft()
        self._add(found, tell=tell)
        self.looked = time.monotonic()
        self.whole = self.whole if paths else self.looked
        self._follow()

    def _add(self, report: IndexReport, *, tell: bool = False) -> None:
        """To what there is to tell: something was found or done, or is to be told anyway."""
        if not self.tell:
            self.began = time.monotonic() - report.seconds
        self.busy = self.busy or report.queued > 0
        did = report.queued or report.indexed or report.reused or report.deleted or report.warnings
        self.tell = self.tell or tell or bool(did)
        if self.tell:
            self.done = merged(self.done, report)

    def _report(self) -> None:
        self.done.failed = len(self.library.catalog.failures())
        self.done.seconds = time.monotonic() - self.began
        done, self.done, self.tell = self.done, IndexReport(), False
        self.on_report(done)

    def _follow(self) -> None:
        """Watch the sources that report changes; the others are looked at more often."""
        sources = self.library.catalog.sources()
        live = [s.path for s in sources if not self.poll and s.state == "ready" and reports(s.path)]
        if self.events.follow(live) and live:
            self.wanted.append((live, False))  # what changed between the look and now
        live = [] if self.events.failed else live
        self.polled = [s.path for s in sources if s.path not in live]
