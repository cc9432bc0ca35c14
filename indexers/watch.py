"""Keep a collection up to date: queue what the system says has changed, look at everything now and then, and
work at the queue."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from searchkit.catalog.connect import UNAVAILABLE
from searchkit.collection import Collection
from searchkit.errors import CollectionLocked
from searchkit.indexers.events import Events, reports
from searchkit.indexers.worker import Worker
from searchkit.registry import AUTO
from searchkit.types import IndexReport, Runtime
from searchkit.work import How, enqueue, merged, notice

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
    with Collection.open(collection, runtime=runtime) as library:
        how = How(batch_size, threads, stop=stop)
        watching = _Watching(library, how, on_report, poll)
        try:
            watching.run(paths, every)
        finally:
            watching.events.close()


class _Watching:
    """One run of `watch`."""

    def __init__(
        self, library: Collection, how: How, on_report: Callable[[IndexReport], object], poll: bool
    ) -> None:
        self.library, self.stop, self.on_report, self.poll = library, how.stop, on_report, poll
        self.done = IndexReport()
        # to do that after each file is much work where a collection is large, and the next file waits for it
        self.worker = Worker(library, how, eager=False, on_report=self._note)
        self.events = Events()
        self.polled: list[str] = []

    def run(self, paths: Sequence[str], every: float) -> None:
        while not self.stop():
            if not self._look(paths):
                self.worker.wait(BEAT)
                continue
            paths = ()  # they are sources now
            self._follow()
            self._attend(time.monotonic() + every, min(POLL, every))

    def _attend(self, end: float, pause: float) -> None:
        """Until `end`, take up what is reported; every `pause`, look where nothing is."""
        polled = drained = time.monotonic()
        while not self.stop() and (left := end - time.monotonic()) > 0:
            changed = self.events.get(min(left, STEP))
            if changed and not self.stop():
                self._report(lambda: IndexReport(queued=notice(self.library, changed)))  # noqa: B023
            elif self.polled and time.monotonic() - polled >= pause:
                self._look(self.polled)
                polled = time.monotonic()
                self._follow()
            elif time.monotonic() - drained >= BEAT:
                drained = time.monotonic()
                self.worker.drain()  # what others queued, and what waited for another attempt

    def _look(self, paths: Sequence[str], *, tell: bool = True) -> bool:
        return self._report(lambda: enqueue(self.library, *paths, stop=self.stop), tell=tell)

    def _report(self, find: Callable[[], IndexReport], *, tell: bool = True) -> bool:
        """Queue what `find` finds, do it, and tell, or only if there was something; False when the collection
        or its catalog was not to be had."""
        began = time.monotonic()
        self.done = IndexReport()
        try:
            found = find()
        except CollectionLocked as error:
            logger.info("waiting: %s", error)
            return False
        except UNAVAILABLE as error:
            logger.warning("waiting: %s", error)
            return False
        self.worker.drain()
        if not self.stop() and (tell or found.queued):
            report = merged(found, self.done)
            report.failed = len(self.library.catalog.failures())
            report.seconds = time.monotonic() - began
            self.on_report(report)
        return True

    def _note(self, report: IndexReport) -> None:
        self.done = merged(self.done, report)

    def _follow(self) -> None:
        """Watch the sources that report changes; the others are looked at more often."""
        sources = self.library.catalog.sources()
        live = [s.path for s in sources if not self.poll and s.state == "ready" and reports(s.path)]
        if self.events.follow(live):
            self._look(live, tell=False)  # what changed between the look and now
        live = [] if self.events.failed else live
        self.polled = [s.path for s in sources if s.path not in live]
