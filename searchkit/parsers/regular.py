"""The one way in which a file of somebody's folder is opened: regular files only, and without waiting."""

from __future__ import annotations

import errno
import os
import stat
from io import BufferedReader
from pathlib import Path

from searchkit.errors import Unreadable


def opened_regular(path: str | Path, *, size: int | None = None) -> BufferedReader:
    """Return the file, open for reading. `size` is the number of bytes that it has to have; None is any.

    What stands in a file's place, or is led to by a link, may never answer (a FIFO), or never end (a device):
    nothing but a regular file is opened. Links are followed, as the walk follows them; whoever opens a file
    again compares its sha256 with the one that was indexed. Raises `Unreadable`.
    """
    return os.fdopen(regular(path, size=size), "rb")


def regular(path: str | Path, *, size: int | None = None) -> int:
    """Return the descriptor of a regular file, as `opened_regular` opens it."""
    try:
        _refuse_others(path, os.stat(path), size)  # opening a device may do something by itself
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        try:
            _refuse_others(path, os.fstat(descriptor), size)  # it may have been replaced in between
        except BaseException:
            os.close(descriptor)
            raise
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a NUL in the name
        raise Unreadable(f"cannot read {path!r}: {error}") from error
    return descriptor


def bytes_of(path: str | Path, *, most: int, size: int | None = None) -> bytes:
    """Return the content of a regular file. Raises `Unreadable`, also for more than `most` bytes."""
    with opened_regular(path, size=size) as file:
        try:
            data = file.read(most + 1)
        except OSError as error:
            raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    if len(data) > most:
        raise Unreadable(f"{path} is too large")
    return data


def _refuse_others(path: str | Path, found: os.stat_result, size: int | None) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path} is no regular file")
    if size is not None and found.st_size != size:
        raise Unreadable(f"{os.path.basename(path)} has changed since it was indexed", hint="searchkit index")
