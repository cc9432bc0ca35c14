"""Changes below folders, as the operating system reports them."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, Queue

import watchfiles

logger = logging.getLogger(__name__)

DEBOUNCE = 400
"""Milliseconds for which changes are collected before they are handed on."""
REMOTE = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "lustre", "vboxsf", "drvfs", "fuse.sshfs")
"""Beginnings of the names of file systems that report only what this machine changed itself."""
MOUNTS = Path("/proc/self/mountinfo")
"""File in which Linux lists the mounted file systems."""


class Events:
    """Changes below the folders that were last given to `follow`, collected by a thread."""

    def __init__(self) -> None:
        self._changed: Queue[list[str]] = Queue()
        self._folders: tuple[str, ...] = ()
        self._end, self._ready = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.failed = False
        """Whether the system has refused to watch so many folders."""

    def follow(self, folders: Sequence[str]) -> bool:
        """Watch these folders from its return on; tell whether they are others than before."""
        watched = tuple(sorted(folders))
        if watched == self._folders or self.failed:
            return False
        self.close()
        self._folders, self._end, self._ready = watched, threading.Event(), threading.Event()
        if watched:
            arguments = watched, self._end, self._ready
            self._thread = threading.Thread(target=self._run, args=arguments, daemon=True)
            self._thread.start()
            self._ready.wait()
        return True

    def get(self, timeout: float) -> list[str]:
        """Return all paths at which something has changed; none after `timeout` seconds without a change."""
        paths: list[str] = []
        try:
            paths += self._changed.get(timeout=timeout)
            while True:
                paths += self._changed.get_nowait()
        except Empty:
            return paths

    def close(self) -> None:
        """End the thread, and watch nothing."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._folders, self._thread = (), None

    def _run(self, folders: tuple[str, ...], end: threading.Event, ready: threading.Event) -> None:
        try:
            for changes in watchfiles.watch(
                *folders,
                watch_filter=None,
                debounce=DEBOUNCE,
                stop_event=end,
                rust_timeout=500,
                yield_on_timeout=True,
                raise_interrupt=False,
                ignore_permission_denied=True,
            ):
                ready.set()
                if changes:
                    self._changed.put([path for _, path in changes])
        except (OSError, RuntimeError) as error:  # too many folders for the system, or one has gone
            if not end.is_set() and all(map(os.path.isdir, folders)):
                self.failed = True
                logger.warning("changes are looked for instead of reported: %s", error)
        finally:
            ready.set()


def reports(folder: str) -> bool:
    """Tell whether the system reports all changes below a folder: it does not report another machine's."""
    return os.path.isdir(folder) and not _file_system(os.path.realpath(folder)).startswith(REMOTE)


def _file_system(path: str) -> str:
    """Return the kind of file system that a path is on; "" where the system does not tell."""
    best, kind = "", ""
    try:
        lines = MOUNTS.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split()[4].encode("utf-8", "surrogateescape").decode("unicode_escape", "replace")
        inside = path == point or path.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split()[0]
    return kind
