"""A worker: claims jobs, does them, and leaves nothing half done when it ends."""

from __future__ import annotations

import errno
import logging
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from searchkit.catalog.connect import UNAVAILABLE
from searchkit.catalog.holder import this_process
from searchkit.catalog.jobs import KINDS, Job
from searchkit.collection import Collection
from searchkit.collection.jobs import How, LeaseLost, perform
from searchkit.collection.lock import writing
from searchkit.collection.open_space import OpenSpace
from searchkit.errors import CollectionLocked, SearchkitError
from searchkit.indexers.memory import resident
from searchkit.types import IndexReport

logger = logging.getLogger(__name__)

BATCHES = 4
"""Batches that are claimed at once, so that files are read while others are encoded."""
IDLE = 1.0
"""Seconds between two readings of an empty queue."""
STEP = 0.1
"""Seconds after which a pause asks whether to stop, and the first pause after an error of the machine."""
LONGEST_PAUSE = 60.0
"""Seconds that such a pause, which doubles each time, may last."""
HARD = 1.5
"""Multiple of the memory limit beyond which a worker ends in the middle of a batch, as if it were killed."""
WATCH = 0.25
"""Seconds between two readings of the memory."""
FULL = 75
"""The exit code of a worker that has grown too large: start another (`supervise` does)."""
MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE}
"""Error numbers that the machine is to blame for, not a job."""


class Worker:
    """Does the jobs of the active space, whichever that is at the time of each claim."""

    def __init__(
        self,
        library: Collection,
        how: How,
        *,
        megabytes: int = 0,
        eager: bool = True,
        kinds: Sequence[str] = KINDS,
        on_report: Callable[[IndexReport], object] = lambda report: None,
    ) -> None:
        self._library, self._how, self._megabytes = library, how, megabytes
        self._eager = eager
        """Whether to compact and measure as soon as nothing else is left, not only when that is due."""
        self._kinds, self._on_report = kinds, on_report
        self._name = this_process()
        self._owed: list[Job] = []
        """Jobs still to be given back, since the catalog did not answer."""
        self._pause = STEP
        self._ready = False

    def run(self, *, once: bool = False) -> int:
        """Work until it is told to stop, or with `once` until nothing is waiting. Returns 0, or `FULL`."""
        while not self._how.stop():
            if self._megabytes and (size := resident()) > self._megabytes:
                logger.warning("%d MB in memory, more than %d: ending", size, self._megabytes)
                return FULL
            if self.turn():
                continue
            if once and self._nothing_waits():
                break
            self.wait(random.uniform(0.5, 1.0) * IDLE)
        return 0

    def drain(self) -> None:
        """Work until the queue has nothing to claim."""
        while not self._how.stop() and self.turn():
            pass

    def turn(self) -> bool:
        """Claim jobs and do them; False when there were none, or the catalog does not answer."""
        library = self._library.current
        queue = library.catalog.jobs
        try:
            if self._owed:
                queue.release(self._owed)
                self._owed = []
            most, lease = BATCHES * self._how.batch_size, self._how.lease
            claimed = queue.claim(
                self._name, library.manifest.space, most, lease=lease, eager=self._eager, kinds=self._kinds
            )
        except UNAVAILABLE as error:
            self._rest(error)
            return False
        if not claimed:
            return False
        with self._beating(library, claimed):
            self._perform(library, claimed)
        return True

    def _perform(self, library: OpenSpace, claimed: Sequence[Job]) -> None:
        queue = library.catalog.jobs
        try:
            if not self._ready:
                with writing(library.root, brief=True, stop=self._how.stop):
                    _ = library.store  # made by one process: its key must be declared before the first row
                self._ready = True
            self._on_report(perform(library, claimed, self._how))
            self._pause = STEP
        except LeaseLost:
            logger.warning("a claim ran out before its work was done: others have it")
        except (CollectionLocked, KeyboardInterrupt):
            self._give_back(library, claimed)
        except SearchkitError:  # no model, another format: no job will fare better
            self._give_back(library, claimed)
            raise
        except Exception as error:
            if _is_the_machine(error):
                self._give_back(library, claimed)
                self._rest(error)
                return
            logger.warning("a batch failed, its files are tried one by one: %s", error)
            queue.retry(claimed, f"{type(error).__name__}: {error}")

    def _give_back(self, library: OpenSpace, claimed: Sequence[Job]) -> None:
        try:
            library.catalog.jobs.release(claimed)
        except UNAVAILABLE:
            self._owed += claimed

    def _rest(self, error: Exception) -> None:
        """Wait until the machine may have recovered, longer each time."""
        logger.warning("waiting %.1f s: %s", self._pause, str(error).splitlines()[0] if str(error) else error)
        self.wait(self._pause)
        self._pause = min(LONGEST_PAUSE, 2 * self._pause)

    def _nothing_waits(self) -> bool:
        library = self._library.current
        try:
            return library.catalog.jobs.left(library.manifest.space)[0] == 0
        except UNAVAILABLE:
            return False

    def wait(self, seconds: float) -> None:
        """Wait for so many seconds, or until it is told to stop."""
        end = time.monotonic() + seconds
        while not self._how.stop() and (left := end - time.monotonic()) > 0:
            time.sleep(min(STEP, left))

    @contextmanager
    def _beating(self, library: OpenSpace, claimed: Sequence[Job]) -> Iterator[None]:
        """Renew the leases of the claims while they are worked at, and watch the memory meanwhile."""
        over = threading.Event()

        def beat() -> None:
            last = time.monotonic()
            while not over.wait(min(WATCH, self._how.lease / 3)):
                if self._megabytes and (size := resident()) > HARD * self._megabytes:
                    logger.error("%d MB in memory in the middle of a batch: ending at once", size)
                    os._exit(FULL)
                if time.monotonic() - last >= self._how.lease / 3:
                    last = time.monotonic()
                    with suppress(*UNAVAILABLE):
                        library.catalog.jobs.heartbeat(claimed, lease=self._how.lease)

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def supervise(arguments: Sequence[str], workers: int, stop: Callable[[], bool]) -> int:
    """Run this many `searchkit ARGUMENTS` and start another for each that dies or has grown too large.

    Returns 0 when all have ended well, else the exit code of one that cannot work.
    """
    # -P: a file in the current folder that is named like a module must not be imported
    command = [sys.executable, "-P", "-c", "from searchkit.cli.main import main; main()", *arguments]
    running = [subprocess.Popen(command) for _ in range(workers)]
    stopped = False
    worst = 0
    while running:
        if stop() and not stopped:
            stopped = True
            for process in running:
                process.terminate()
        for process in list(running):
            code = process.poll()
            if code is None:
                continue
            running.remove(process)
            if (code == FULL or code < 0) and not stopped:
                logger.warning("a worker ended with %d: starting another", code)
                running.append(subprocess.Popen(command))
            elif not stopped:
                worst = worst or code
        time.sleep(STEP)
    return worst


def _is_the_machine(error: Exception) -> bool:
    """Tell whether the machine is to blame and no job: a full disk, a stopped database."""
    if isinstance(error, UNAVAILABLE):
        return True
    return (isinstance(error, OSError) and error.errno in MACHINE) or "No space left" in str(error)
