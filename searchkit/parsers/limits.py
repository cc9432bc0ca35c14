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
"""Seconds of processor time for the text of one document."""
PICTURE_SECONDS = 10.0
"""Seconds of processor time for finding the pictures in one. A PDF has more for each that it gives."""

MAX_CHARACTERS = 64 * MB
"""The longest text of one document: some fifty times the Bible."""
MAX_CELLS = 5_000_000
"""The most cells of one spreadsheet, empty ones within its rows included: a larger one is a database."""

MAX_MEMBERS = 10_000
"""Files in one archive."""
MAX_UNPACKED = 512 * MB
"""Bytes of all members of an archive together, unpacked."""
MAX_XML = 128 * MB
"""Bytes of those members that become trees in memory."""
MAX_TAGS = 5_000_000
"""The most tags and attributes of such a tree: each takes some 200 bytes, however short it is written."""
MAX_RATIO = 200
"""How much larger a member may become: text packs 3 to 50 times smaller, a bomb up to 1,032 times."""
RATIO_FROM = 4 * MB
"""Bytes from which on a member is held to `MAX_RATIO`; a smaller one does not matter."""

MAX_PIXELS = 40_000_000
"""The most pixels of a page that is drawn, and of a picture in a PDF that has to be encoded anew."""
MAX_DOTS = 100_000_000
"""The same for a black and white picture, as scanned plans are. A JPEG is given as it is."""


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
    """The error of a limit that was passed, for the caller to raise: `what` says the amount and the limit."""
    return Unreadable(f"{path} has {what}", hint="split it into smaller files")
