"""Thumbnails: small WebP pictures, made when a picture is indexed and kept by its content.

A picture file is named by its sha256 alone, in whatever space it was indexed. A picture inside a document is
named by its place among the document's items too, which depends on how a space cuts documents. Losing them
loses nothing: `Collection.thumbnail` makes what is missing.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from PIL import Image

from searchkit.ingest.cost import Source
from searchkit.ingest.images import Picture, decode
from searchkit.registry import DOCUMENT_SUFFIXES
from searchkit.types import Item

SIDE = 320
"""Pixels of the longer side: sharp at 160 on a screen that shows two for one."""
QUALITY, EFFORT = 70, 1
"""At effort 4, WebP's default, the files are a sixth smaller and take more than twice the time."""
NAME = re.compile(r"[0-9a-f]{64}(-[0-9a-f]{8}-[0-9]{1,9})?")
"""The names of thumbnails: a content, and for a picture inside a document its space and place."""


def shrunk(image: Image.Image, side: int = SIDE) -> bytes:
    """A WebP of at most side × side pixels; `image` stays as it is."""
    across, down = fitting(image.size, side)
    small = image
    if (across, down) != image.size:  # as `thumbnail` does it, for which a whole copy would be needed
        small = image.resize((across, down), Image.Resampling.BICUBIC, reducing_gap=2.0)
    data = io.BytesIO()
    small.save(data, "WEBP", quality=QUALITY, method=EFFORT)
    return data.getvalue()


def fitting(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The largest size of the same shape within side × side, and never a larger one than `size`."""
    width, height = size
    if max(width, height) <= side:
        return size
    shape = width / height
    if shape > 1:
        return side, _nearest(side / shape, lambda down: abs(shape - side / down) if down else math.inf)
    return _nearest(side * shape, lambda across: abs(shape - across / side)), side


def _nearest(length: float, off: Callable[[int], float]) -> int:
    return max(min(math.floor(length), math.ceil(length), key=off), 1)


def from_file(data: Source, decoded: Picture) -> bytes:
    """The thumbnail of a picture file (`data`) that was `decoded` for a tower, as a WebP.

    Where a small tower made do with less than a thumbnail needs, the file is decoded once more: a vector must
    not depend on who wants thumbnails.
    """
    wanted = min(SIDE, max(decoded.width, decoded.height))
    if max(decoded.image.size) >= wanted:
        return shrunk(decoded.image)
    shorter = SIDE * min(decoded.width, decoded.height) // max(decoded.width, decoded.height)
    return shrunk(decode(data, name="picture", at_least=max(1, shorter)).image)


def is_inside(path: str) -> bool:
    """Whether a picture with this path lies inside a document."""
    return os.path.splitext(path)[1].lower() in DOCUMENT_SUFFIXES


def name_of(item: Item, space: str) -> str:
    """The name of a picture's thumbnail; it matches `NAME`."""
    return f"{item.sha256}-{_short(space)}-{item.ordinal}" if is_inside(item.path) else item.sha256


def _short(space: str) -> str:
    return hashlib.sha256(space.encode()).hexdigest()[:8]


class Thumbs:
    """The thumbnails of a collection, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """The file that keeps the thumbnail of this name. Raises ValueError for what is no such name."""
        if NAME.fullmatch(name) is None:
            raise ValueError(f"{name!r} names no thumbnail")
        return self.folder / name[:2] / f"{name}.webp"

    def get(self, name: str) -> bytes | None:
        """The WebP of a thumbnail; None where it is not there. A link in its place is not followed."""
        try:
            with os.fdopen(os.open(self.path(name), os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                return file.read()
        except OSError:
            return None

    def keep(self, name: str, data: bytes) -> None:
        """Write a thumbnail, whole or not at all. A disk that refuses costs a thumbnail, not a run."""
        path = self.path(name)
        scratch = path.with_suffix(f".{os.getpid()}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(data)
            scratch.replace(path)
        except OSError:
            with suppress(OSError):
                scratch.unlink(missing_ok=True)

    def drop(self, contents: Iterable[str]) -> None:
        """Remove all thumbnails of these contents, by their sha256."""
        for sha256 in contents:
            self.path(sha256).unlink(missing_ok=True)
            for file in (self.folder / sha256[:2]).glob(f"{sha256}-*"):
                file.unlink(missing_ok=True)

    def drop_space(self, space: str) -> None:
        """Remove the thumbnails of pictures in documents as this space numbered them."""
        for file in self.folder.glob(f"*/*-{_short(space)}-*.webp"):
            file.unlink(missing_ok=True)
