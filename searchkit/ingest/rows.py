"""What encoding makes of files: rows, which are items with their vectors, ready to be written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from searchkit.ingest.documents import Piece, Pixels
from searchkit.ingest.ids import item_id
from searchkit.ingest.load import Loaded
from searchkit.types import OCR_HEADING, FileEntry, Item, Kind, Vectors


@dataclass(frozen=True, slots=True)
class Rows:
    """Items of one file and their vectors, (len(items), dim) float32 of unit length, in the same order."""

    items: list[Item]
    vectors: Vectors
    thumbnails: list[tuple[Item, bytes]]
    """The WebP of each picture among the items."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A file whose content was read.

    Without `rows` the space holds the content at another place, and its rows there are to be copied.
    """

    entry: FileEntry
    sha256: str
    kind: Kind
    rows: Rows | None
    is_new: bool
    """Whether the content was encoded for this file; else it is a copy of another file."""
    left_out: Counter[str]
    """What cannot be found, by the names of `types.LEFT_OUT`."""
    read: Counter[str]
    """What OCR has read: "pages" and "pictures"."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that are written together."""

    files: list[Encoded]


@dataclass(frozen=True, slots=True)
class LongDocument:
    """A document whose rows come in parts of at least `encode.PART` items, each encoded when it is asked for.

    The iteration raises `Unreadable` where the document breaks, and `Stopped`; the counts of `file` are
    complete when it has ended. Without `parts` the space holds the content, whose rows are to be copied.
    """

    file: Encoded
    parts: Iterator[Rows] | None


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file that was written again with the content that the space holds of it."""

    entry: FileEntry


def described(loaded: Loaded, *, is_new: bool) -> Encoded:
    """What was read of a file, without its pieces and without rows."""
    return Encoded(
        loaded.entry,
        loaded.sha256,
        loaded.kind,
        rows=None,
        is_new=is_new,
        left_out=loaded.left_out,
        read=loaded.read,
    )


def thumbnails_of(items: Sequence[Item], pieces: Sequence[Piece]) -> list[tuple[Item, bytes]]:
    """The WebP of each piece that is a picture, with its item; both are in the same order."""
    return [
        (item, piece.thumbnail)
        for item, piece in zip(items, pieces, strict=True)
        if isinstance(piece, Pixels) and piece.thumbnail
    ]


def items_of(source: str, loaded: Loaded, pieces: Sequence[Piece], *, first: int = 0) -> list[Item]:
    """The items of some pieces of a content, numbered from `first`, at the place of the file."""
    entry = loaded.entry
    common = {
        "path": entry.path,
        "source": source,
        "sha256": loaded.sha256,
        "mtime": entry.mtime_ns / 1e9,
        "size": entry.size,
    }
    return [
        Item(
            id=item_id(entry.path, loaded.sha256, ordinal),
            ordinal=ordinal,
            page=piece.page,
            **_columns(piece),
            **common,  # type: ignore[arg-type]
        )
        for ordinal, piece in enumerate(pieces, start=first)
    ]


def _columns(piece: Piece) -> dict[str, Any]:
    """The columns of an item that depend on the kind of its piece."""
    if isinstance(piece, Pixels):
        kind = Kind.IMAGE
        return {"kind": kind, "width": piece.width, "height": piece.height, "taken": piece.taken}
    return {
        "kind": Kind.PASSAGE,
        "start": piece.start,
        "end": piece.end,
        "text": piece.text,
        "heading": OCR_HEADING if piece.ocr else piece.context,
    }
