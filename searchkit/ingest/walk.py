"""The walk: which files a source holds, and which of its folders could not be read."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from searchkit.errors import BadInput
from searchkit.types import FileEntry

LATEST = 2**63 - 1
"""The latest time of a file, in nanoseconds: the year 2262. SQL's integers hold none beyond."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A folder or link that the walk could not enter. Nothing is known of what lies below."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that the walk takes. Hidden names are left out; patterns are gitignore's, relative to the
    source."""

    wanted: Callable[[str], bool]
    """Whether files of this suffix, in lower case and with its dot, can be indexed."""
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    apart: frozenset[str] = frozenset()
    """Paths that are sources of their own: the walk of a source around them leaves them out."""

    @property
    def partial(self) -> bool:
        """Whether patterns leave something out."""
        return bool(self.include or self.exclude)

    def matcher(self, root: str) -> Callable[[str, bool], bool]:
        """A function of (path, is a folder) that says whether to look at it."""
        include, exclude = _spec(self.include, "--include"), _spec(self.exclude, "--exclude")

        def takes(path: str, folder: bool) -> bool:
            name = os.path.basename(path)
            relative = os.path.relpath(path, root).encode("utf-8", "replace").decode()
            if name.startswith(".") or path in self.apart or exclude.match_file(relative + "/" * folder):
                return False
            if folder:
                return True
            if self.include and not include.match_file(relative):
                return False
            return self.wanted(os.path.splitext(name)[1].lower())

        return takes

    def reaches(self, root: str, path: str) -> bool:
        """Whether the walk of the source `root` would come to this path in it, if there is anything."""
        if path == root:
            return True
        takes = self.matcher(root)
        parent = os.path.dirname(path)
        while len(parent) > len(root):
            if not takes(parent, True):
                return False
            parent = os.path.dirname(parent)
        return takes(path, os.path.isdir(path)) or not os.path.lexists(path)


def walk(
    root: str,
    selection: Selection,
    *,
    start: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[FileEntry | Problem]:
    """Yield every file that the selection takes of the source `root`, or of its part `start`: a folder's
    files in order of name, then those of the folders in it.

    Links to folders are followed unless they lead back to a folder that encloses them. `stop` is asked before
    each folder, also where no folder holds a file that is taken.
    """
    takes = selection.matcher(root if os.path.isdir(root) else os.path.dirname(root))
    begin = start or root
    try:
        info = os.stat(begin)
    except OSError as error:
        yield Problem(begin, _reason(error))
        return
    if not stat.S_ISDIR(info.st_mode):
        yield _file(begin, info)
        return
    # a stack instead of recursion: folders may be nested deeper than Python's calls
    folders = [(begin, frozenset({_identity(info)}))]
    while folders and not stop():
        folder, above = folders.pop()
        inside: list[tuple[str, frozenset[tuple[int, int]]]] = []
        for entry in _listing(folder, takes):
            if isinstance(entry, Problem):
                yield entry
                continue
            path, info = entry
            if not stat.S_ISDIR(info.st_mode):
                yield _file(path, info)
            elif _identity(info) in above:
                yield Problem(path, "symbolic link loop: it leads to a folder that contains it")
            else:
                inside.append((path, above | {_identity(info)}))
        folders += reversed(inside)


def entry_of(path: str) -> FileEntry | None:
    """A file as it is now; None when there is no file to look at."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return _file(path, info) if stat.S_ISREG(info.st_mode) else None


def _listing(
    folder: str, takes: Callable[[str, bool], bool]
) -> Iterator[tuple[str, os.stat_result] | Problem]:
    """The folders and wanted files right in a folder, links followed, in order of name."""
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda e: os.fsencode(e.name))
    except OSError as error:
        yield Problem(folder, _reason(error))
        return
    for entry in entries:
        try:
            info = entry.stat()
        except OSError as error:
            if _matters(entry, takes) and (entry.is_symlink() or error.errno != errno.ENOENT):
                yield Problem(entry.path, f"{'broken link: ' * entry.is_symlink()}{_reason(error)}")
            continue  # otherwise it has gone since the listing
        folder_like = stat.S_ISDIR(info.st_mode)
        if (folder_like or stat.S_ISREG(info.st_mode)) and takes(entry.path, folder_like):
            yield entry.path, info


def _matters(entry: os.DirEntry[str], takes: Callable[[str, bool], bool]) -> bool:
    """Whether something that cannot be looked at might be, or hold, a file to index: then it is not gone.

    A link without a suffix is taken for one to a folder, such as a disk that is not there today.
    """
    if entry.is_symlink() and not os.path.splitext(entry.name)[1]:
        return takes(entry.path, True)
    return takes(entry.path, entry.is_dir(follow_symlinks=False))


def _file(path: str, info: os.stat_result) -> FileEntry:
    return FileEntry(path, info.st_size, min(info.st_mtime_ns, LATEST))


def _identity(info: os.stat_result) -> tuple[int, int]:
    return info.st_dev, info.st_ino


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _spec(patterns: Sequence[str], option: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise BadInput(f"{option}: {error}", hint="patterns are written as in .gitignore") from error
