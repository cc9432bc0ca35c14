"""Keep a collection up to date by looking again and again."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from searchkit.collection import Collection
from searchkit.errors import CollectionLocked
from searchkit.types import IndexReport

logger = logging.getLogger(__name__)

STEP = 0.1
"""Seconds between two questions whether to stop."""


def watch(
    collection: str | None,
    paths: Sequence[str],
    *,
    every: float,
    stop: Callable[[], bool],
    on_report: Callable[[IndexReport], object],
) -> None:
    """Index the paths, then look at all sources again `every` so many seconds, until `stop()` is true.

    The collection is made when it is not there. While another process writes to it nothing is done, and
    the next sweep tries again; other errors of searchkit are raised. `on_report` is called after every
    sweep, from the thread that called this.
    """
    library: Collection | None = None
    due = tuple(paths)
    try:
        while not stop():
            try:
                library = library or Collection.open(collection)
                report = library.add(*due, stop=stop)
            except CollectionLocked as error:
                logger.info("waiting: %s", error)
            else:
                due = ()  # they are sources now
                on_report(report)
            _pause(every, stop)
    finally:
        if library is not None:
            library.close()


def _pause(seconds: float, stop: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(STEP, left))
