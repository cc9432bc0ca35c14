"""What one file may cost before it is refused, and what libraries raise turned into a reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from searchkit.errors import Unreadable

MB = 1024 * 1024

MEMORY = 400_000_000
"""Bytes that a process that reads files may have beyond what it begins with."""
TEXT_SECONDS = 20.0
"""Of processor time, for the text of one document…"""
PICTURE_SECONDS = 10.0
"""…and for finding the pictures in it. A PDF has more for each picture that it gives."""

MAX_CHARACTERS = 64 * MB
"""Of text in one document: some fifty times the Bible."""
MAX_CELLS = 5_000_000
"""Of one spreadsheet, empty ones within its rows included: a larger one is a database."""

MAX_MEMBERS = 10_000
"""Files in one archive."""
MAX_UNPACKED = 512 * MB
"""All members of an archive together…"""
MAX_XML = 128 * MB
"""…and those among them that become trees in memory…"""
MAX_TAGS = 5_000_000
"""…which take some 200 bytes for each tag or attribute, however short it is written."""
MAX_RATIO = 200
"""Text packs 3 to 50 times smaller; deflate ends at 1,032, where only bombs are…"""
RATIO_FROM = 4 * MB
"""…or members so small that it does not matter."""

MAX_PIXELS = 40_000_000
"""Of a page that is drawn, and of a picture in a PDF that has to be encoded anew…"""
MAX_DOTS = 100_000_000
"""…unless it is black and white, as scanned plans are, or a JPEG, which is given as it is."""


@contextmanager
def one_file(path: Path) -> Iterator[None]:
    """Whatever a library raises on a broken file becomes `Unreadable`, naming the file."""
    try:
        yield
    except Unreadable:
        raise
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror or error}") from error
    except MemoryError as error:
        raise Unreadable(over_memory(path)) from error
    except RecursionError as error:
        raise Unreadable(f"{path} nests too deep") from error
    # Parsers of XML, archives and mail raise almost anything on hostile bytes.
    except Exception as error:
        raise Unreadable(f"{path} is damaged: {type(error).__name__}: {error}") from error


def over_memory(path: Path | str) -> str:
    """What is said of a file that broke its budget of memory."""
    return f"{path} takes more than {MEMORY // 10**6} MB of memory to read"


def over_time(path: Path | str, seconds: float) -> str:
    """What is said of a file that broke its budget of time."""
    return f"{path} takes more than {seconds:.0f} s of processor time to read"


def too_much(path: Path | str, what: str) -> Unreadable:
    """For the caller to raise: `what` says the amount and the limit."""
    return Unreadable(f"{path} has {what}", hint="split it into smaller files")
