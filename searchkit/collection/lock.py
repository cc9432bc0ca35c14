"""The lock that lets one process at a time write into a collection."""

from __future__ import annotations

import json
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from searchkit.collection.rights import as_private_as
from searchkit.errors import CollectionError, CollectionLocked

STEP = 0.02
"""Seconds between two tries for the lock."""
GRACE = 5.0
"""Seconds that a writer waits for a holder that is about to leave, or has just come."""
BRIEF = 60.0
"""Seconds in which a brief writer is certain to be through, the refresh of a large collection included."""


@contextmanager
def writing(
    root: Path, *, brief: bool = False, stop: Callable[[], bool] = lambda: False, name: str = "writer"
) -> Iterator[None]:
    """Hold the collection's write lock. The system releases it when the process dies, however it dies.

    Whoever writes for long holds it for long, and raises `CollectionLocked` at once, naming the holder, when
    another does. A `brief` writer, of one batch, waits for whoever it is, and is waited for by everyone; it
    raises some seconds after `stop()` has become true. What is created within is as private as the folder.
    """
    with as_private_as(root), _holding(root, name, brief=brief, stop=stop):
        yield


@contextmanager
def _holding(root: Path, name: str, *, brief: bool, stop: Callable[[], bool]) -> Iterator[None]:
    lock = filelock.FileLock(root / f"{name}.lock")
    holder = root / f"{name}.json"
    began = asked = time.monotonic()
    try:
        while True:
            try:
                lock.acquire(blocking=False)
                break
            except filelock.Timeout:
                now = time.monotonic()
                asked = asked if stop() else now
                patience = (now - asked < GRACE) if brief else now - began < _patience(holder)
                if not patience:
                    raise CollectionLocked(
                        f"{root} is being written by {_holder(holder)}",
                        hint="wait until it has finished, then run again",
                    ) from None
                time.sleep(random.uniform(0.5, 1.5) * STEP)
    except OSError as error:
        raise CollectionError(
            f"cannot write in {root}: {error.strerror}", hint="check who may write there"
        ) from error
    try:
        scratch = root / f"{name}.json.tmp"
        scratch.write_text(json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "brief": brief}))
        scratch.replace(holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _patience(holder: Path) -> float:
    """Seconds that a long writer waits for this holder."""
    try:
        return BRIEF if json.loads(holder.read_text()).get("brief") else 0.0
    except FileNotFoundError:
        return GRACE  # it has just come, or is about to leave
    except (OSError, ValueError, AttributeError):
        return 0.0


def _holder(path: Path) -> str:
    try:
        raw = json.loads(path.read_text())
        return f"process {raw['pid']} on {raw['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
