"""Who may read a collection: its owner alone, unless its folder lets others in."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""Every right of the group and of everybody."""

_lock = threading.Lock()
_inside = 0
_before = 0


def make_private(root: Path) -> None:
    """Make the folder of a new collection, or take an empty one, and let nobody but its owner in. A folder of
    another user keeps its rights."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):
        root.chmod(0o700)


@contextmanager
def as_private_as(root: Path) -> Iterator[None]:
    """Within, what this process creates gives others no right that the folder does not give them.

    The mask is the process's, so other threads have it too for that time; what they create may be more
    private than it would have been, never less.
    """
    global _inside, _before
    with _lock:
        now = os.umask(OTHERS)
        _before = now if _inside == 0 else _before
        _inside += 1
        os.umask(now | (OTHERS & ~_mode(root)))
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                os.umask(_before)


def open_to_others(root: Path) -> list[Path]:
    """Return what somebody other than the owner may read, write or enter, the folder itself included; nothing
    where they may not even enter the folder."""
    if os.name != "posix" or not _mode(root) & OTHERS:
        return []
    return [path for path in (root, *root.rglob("*")) if _mode(path) & OTHERS]


def close_to_others(paths: list[Path]) -> bool:
    """Take every right of others away; False where that is not this user's to do."""
    try:
        for path in paths:
            with suppress(FileNotFoundError):  # it went since
                path.chmod(_mode(path) & ~OTHERS)
    except PermissionError:
        return False
    return True


def _mode(path: Path) -> int:
    """Return the rights of a file or folder; none of a link, whose own count for nothing, or what is gone."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    return 0 if stat.S_ISLNK(found.st_mode) else stat.S_IMODE(found.st_mode)
