"""Sums of files that never change once they are written, by which rot is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path


def file_sum(file: Path) -> str:
    """The sha256 of a file, in hexadecimal. Raises OSError."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def sums_of(folder: Path, files: Iterable[Path], known: Mapping[str, str] | None = None) -> dict[str, str]:
    """The sums of files by their place below a folder. What is `known` is not read again: a file that has
    rotted since would pass for sound."""
    known = known or {}
    names = {file.relative_to(folder).as_posix(): file for file in files}
    return {name: known.get(name) or file_sum(file) for name, file in sorted(names.items())}


def damaged(folder: Path, sums: Mapping[str, str], *, up_to: int | None = None) -> list[str]:
    """The files below a folder that are gone or differ from their sums, by name; those of more than `up_to`
    bytes are taken for sound."""
    return [name for name, kept in sums.items() if not _is_sound(folder / name, kept, up_to)]


def _is_sound(file: Path, kept: str, up_to: int | None) -> bool:
    try:
        return (up_to is not None and file.stat().st_size > up_to) or file_sum(file) == kept
    except OSError:
        return False
