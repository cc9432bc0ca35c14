"""Plain text, and how bytes become text for every format that is written as text."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers.regular import opened_regular
from searchkit.protocols import Parser
from searchkit.types import Document

MAX_BYTES = 256 * 1024 * 1024
"""More than this in one file is a dump, not a document; it is refused before it fills the memory."""

PIECE = 4 * 1024 * 1024
"""Bytes that are decoded at once where the whole text is not needed yet."""

BOMS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

CONTROLS = re.compile("[\0-\x07\x0e-\x1a\x1c-\x1f\x7f-\x84\x86-\x9f]")
"""Not among them: tab, line ends, backspace (manual pages) and escape (coloured logs)."""
MAX_CONTROLS = 0.02
MAX_HIGH_BYTES = 0.3
"""Accents in a western language stay far below; Cyrillic, Greek or Chinese in an old encoding, far above."""


class TextParser(Parser):
    """The text as it is in the file: `open(path, newline="", encoding=…).read()[start:end]` is a passage."""

    name = "searchkit text 1"
    suffixes = frozenset({".txt", ".text", ".log", ".rst"})

    def parse(self, path: Path) -> Document:
        return Document(read_text(path))


def read_text(path: Path) -> str:
    """The decoded file with its line ends untouched. Raises `Unreadable`, also when it is blank."""
    text = decode(read_bytes(path), name=str(path))
    if not text or text.isspace():
        raise Unreadable(f"{path} has no text")
    return text


def read_bytes(path: Path) -> bytes:
    """The whole file, up to `MAX_BYTES`. Raises `Unreadable`."""
    with opened_regular(path) as file:
        try:
            data = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise Unreadable(
            f"{path} has more than {MAX_BYTES >> 20} MB of text", hint="split it into smaller files"
        )
    return data


def decode(data: bytes, *, name: str) -> str:
    """Bytes to text, without their byte-order mark; `name` is for the message.

    Raises `Unreadable` for what is not text, or is in an encoding that cannot be told from others.
    """
    encoding = guess_encoding(data)
    try:
        if len(data) > MAX_BYTES // 4:
            _refuse_wide(data, encoding, name)
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"{name} is damaged: it is not valid {encoding} at byte {error.start}") from error
    most = int(MAX_CONTROLS * len(text))
    if sum(1 for _ in islice(CONTROLS.finditer(text), most + 1)) > most:
        raise Unreadable(f"{name} is binary, not text")
    if encoding in ("cp1252", "latin-1") and _high_bytes(data) > MAX_HIGH_BYTES:
        raise Unreadable(f"{name} is in an encoding that cannot be recognised", hint="save it as UTF-8")
    return text


def guess_encoding(data: bytes) -> str:
    """A byte-order mark decides; then UTF-16 if it shows, UTF-8 if it is valid, else a western code page."""
    for mark, encoding in BOMS:
        if data.startswith(mark):
            return encoding
    # ASCII written as UTF-16 is valid UTF-8, full of NULs: so this look comes first.
    even, odd = data[0::2].count(0), data[1::2].count(0)
    if len(data) % 2 == 0 and max(even, odd) > len(data) // 20 and max(even, odd) > 10 * min(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    for encoding in ("utf-8", "cp1252"):
        try:
            for _ in _pieces(data, encoding):
                pass
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _pieces(data: bytes, encoding: str) -> Iterator[str]:
    """The text piece by piece: in one, letters beyond Latin-1 make all others two or four times as large."""
    decoder = codecs.getincrementaldecoder(encoding)()
    view = memoryview(data)
    for at in range(0, len(data), PIECE):
        yield decoder.decode(view[at : at + PIECE], at + PIECE >= len(data))


def _refuse_wide(data: bytes, encoding: str, name: str) -> None:
    length = width = 0
    for piece in _pieces(data, encoding):
        length += len(piece)
        if piece:  # a letter takes 1, 2 or 4 bytes
            width = max(width, (sys.getsizeof(piece + piece) - sys.getsizeof(piece)) // len(piece))
        if length * width > MAX_BYTES:
            raise Unreadable(
                f"{name} takes more than {MAX_BYTES >> 20} MB of memory as text",
                hint="split it into smaller files",
            )


def _high_bytes(data: bytes) -> float:
    """The share of bytes that are not ASCII."""
    return len(data.translate(None, bytes(range(128)))) / len(data)
