"""A look at the streams of a PDF before PDFium unpacks them: without memory, it ends the process."""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers.limits import MB, too_much

STREAM = re.compile(rb"(<<(?:(?!<<|stream).){0,2000})stream\r?\n", re.DOTALL)
"""The end of a stream's dictionary, and where its data begins."""
FLATE = re.compile(rb"/(?:FlateDecode|Fl)\b")
PICTURE = re.compile(rb"/Subtype\s*/Image\b")
SMALL = 512
"""Bytes, packed: less cannot unpack to more than half a megabyte."""
MAX_STREAM = 64 * MB
"""Unpacked. Pictures may be larger: they are not unpacked for the text, and their pixels are counted."""
MAX_PIECES = 50_000
"""Pieces of text in one stream: each takes PDFium about 3 kB. A dense page has 5,000."""
PIECE = re.compile(rb"T[jJ]\b")
CHUNK = 1 * MB


def refuse_bombs(data: mmap.mmap, *, path: Path) -> None:
    """Raises `Unreadable` for a PDF that packs one stream twice, or in which one unpacks to too much."""
    with memoryview(data) as view:
        _look_at_streams(data, view, path)


def _look_at_streams(data: mmap.mmap, view: memoryview, path: Path) -> None:
    end = -1
    for match in STREAM.finditer(data):
        packings = len(FLATE.findall(match[1]))
        if packings > 1:
            raise Unreadable(f"{path} packs a stream {packings} times, as bombs do")
        if end < match.end():  # not looked for again by each of the many that one may end
            end = data.find(b"endstream", match.end())
            end = len(data) if end < 0 else end
        if packings and end - match.end() >= SMALL and not PICTURE.search(match[1]):
            with view[match.end() : end] as packed:
                _unpack(packed, path)


def _unpack(packed: memoryview, path: Path) -> None:
    size = pieces = 0
    for piece in _unpacked(packed):
        size += len(piece)
        pieces += len(PIECE.findall(piece))
        if size > MAX_STREAM or pieces > MAX_PIECES:
            limits = f"{MAX_STREAM // MB} MB or {MAX_PIECES:,} pieces of text"
            raise too_much(path, f"a page that unpacks to more than {limits}")


def _unpacked(packed: memoryview) -> Iterator[bytes]:
    """First little at once: what is not packed at all shows that at its beginning."""
    unpacker = zlib.decompressobj()
    at, size = 0, SMALL
    try:
        while at < len(packed) and not unpacker.eof:
            with packed[at : at + size] as rest:
                piece = unpacker.decompress(rest, CHUNK)
            while piece:
                yield piece
                piece = unpacker.decompress(unpacker.unconsumed_tail, CHUNK)
            at, size = at + size, min(2 * size, CHUNK)
    except zlib.error:  # damaged, or encrypted: PDFium's to say
        return
