"""The walk: which files a source holds, and which of its folders could not be read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from searchkit.errors import BadInput
from searchkit.types import FileEntry


@dataclass(frozen=True, slots=True)
class Problem:
    """A folder or link that the walk could not enter. Nothing is known of what lies below."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What the walk looks at. Patterns are gitignore's, relative to the source; hidden names are left out."""

    wanted: Callable[[str], bool]
    """Says of a lower-case suffix with its dot whether such files can be indexed."""
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()
    apart: frozenset[str] = frozenset()
    """Paths that are sources of their own: what encloses them leaves them out."""

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


def walk(root: str, selection: Selection, *, start: str | None = None) -> Iterator[FileEntry | Problem]:
    """Every file of the source `root` that can be indexed, or of its part `start`; sorted within a folder.

    Links to folders are followed unless they lead back to a folder that encloses them.
    """
    takes = selection.matcher(root if os.path.isdir(root) else os.path.dirname(root))
    begin = start or root
    try:
        info = os.stat(begin)
    except OSError as error:
        yield Problem(begin, _reason(error))
        return
    if not stat.S_ISDIR(info.st_mode):
        yield FileEntry(begin, info.st_size, info.st_mtime_ns)
        return
    yield from _folder(begin, frozenset({(info.st_dev, info.st_ino)}), takes)


def _folder(
    folder: str, above: frozenset[tuple[int, int]], takes: Callable[[str, bool], bool]
) -> Iterator[FileEntry | Problem]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda e: os.fsencode(e.name))
    except OSError as error:
        yield Problem(folder, _reason(error))
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        try:
            info = entry.stat()
        except OSError as error:  # a link to nothing, a link to itself, a file gone since the listing
            if entry.is_symlink() and takes(entry.path, False):
                yield Problem(entry.path, f"broken link: {_reason(error)}")
            elif error.errno == 40:  # ELOOP
                yield Problem(entry.path, "symbolic link loop")
            continue
        if stat.S_ISDIR(info.st_mode):
            if not takes(entry.path, True):
                continue
            identity = (info.st_dev, info.st_ino)
            if identity in above:
                yield Problem(entry.path, "symbolic link loop: it leads to a folder that contains it")
                continue
            yield from _folder(entry.path, above | {identity}, takes)
        elif stat.S_ISREG(info.st_mode) and takes(entry.path, False):
            yield FileEntry(entry.path, info.st_size, info.st_mtime_ns)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _spec(patterns: Sequence[str], option: str) -> GitIgnoreSpec:
    try:
        return GitIgnoreSpec.from_lines(patterns)
    except ValueError as error:
        raise BadInput(f"{option}: {error}", hint="patterns are written as in .gitignore") from error
