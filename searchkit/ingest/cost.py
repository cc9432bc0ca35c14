"""What decoding a picture takes, told before: a small file may ask for hours, or for all of the memory."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from searchkit.errors import Unreadable
from searchkit.parsers.regular import opened_regular, regular

Source = bytes | Path
"""A picture file's content, or where it is."""

DECODERS = {"WEBP": 17, "AVIF": 10, "HEIF": 8}
"""Bytes a pixel that the decoders of some formats take, beside the picture itself."""
PIXEL = 4
"""Bytes of a pixel as Pillow keeps RGB."""
MODES = {"RGB": 0, "1": 1, "L": 1, "P": 1, "RGBA": 4, "CMYK": 4, "YCbCr": 4}
OTHER_MODE = 8
"""Bytes a pixel more while a picture of another mode becomes RGB; `MODES` has those of the usual modes."""
TURNED, TRANSPARENT = 4, 8
"""Bytes a pixel more while a picture is turned upright, and while a transparent colour is filled in."""
COEFFICIENT = 2
MAX_SCANNED = 10_000_000_000
"""Pixels of a JPEG in scans, times the scans: the decoder goes through a billion or two in a second."""
MAX_READS = 2_000_000
"""The most reads of one file, which take some seconds: its parts may be as small as can be."""
SCAN = b"\xff\xda"
CHUNK = 1 << 20
ORIENTATION, BITS, SAMPLES, TILE_WIDTH, TILE_LENGTH = 0x0112, 258, 277, 322, 323


LARGE = 32 << 20
"""Bytes of a file from which it is decoded where it is, not from memory."""


def content(path: Path, *, size: int | None = None) -> Source:
    """A picture file's bytes, or of a large one its place; `size` as in `opened_regular`. Raises
    `Unreadable`."""
    try:
        with opened_regular(path, size=size) as file:
            large = os.fstat(file.fileno()).st_size > LARGE
            return path if large else file.read(LARGE)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error


class _Counted:
    reads = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS:
            raise ValueError(f"more than {MAX_READS:,} parts")
        return super().read(size)  # type: ignore[misc, no-any-return]


class _Bytes(_Counted, io.BytesIO):
    pass


class _File(_Counted, io.FileIO):
    pass


def opened(source: Source) -> BinaryIO:
    """Its content as a file of which only so many parts are read: then reading raises ValueError."""
    return _File(regular(source)) if isinstance(source, Path) else _Bytes(source)


def memory(image: Image.Image, whole: tuple[int, int], source: Source) -> int:
    """Bytes that an open picture takes at most until it is upright RGB; it is of size `whole` in the file,
    and set to be decoded at the size that it says."""
    held = len(source) if isinstance(source, bytes) else 0
    if not held and image.format in DECODERS:  # which read the whole file
        held = source.stat().st_size  # type: ignore[union-attr]
    a_pixel = DECODERS.get(image.format or "", PIXEL) + MODES.get(image.mode, OTHER_MODE)
    a_pixel += TRANSPARENT if "transparency" in image.info else 0
    a_pixel += TURNED if image.getexif().get(ORIENTATION, 1) in range(2, 9) else 0
    return held + image.width * image.height * a_pixel + _coefficients(image, whole) + _tile(image)


def refuse_scans(image: Image.Image, whole: tuple[int, int], file: BinaryIO) -> None:
    """Raises ValueError for a JPEG that is drawn again and again."""
    if not image.info.get("progressive"):
        return
    at, scans, end = file.tell(), 0, b""
    file.seek(0)
    while piece := file.read(CHUNK):
        scans += (end + piece).count(SCAN)
        end = piece[-1:]
    file.seek(at)
    if scans * whole[0] * whole[1] > MAX_SCANNED:
        raise ValueError(f"drawn {scans:,} times")


def _coefficients(image: Image.Image, whole: tuple[int, int]) -> int:
    """Bytes of the coefficients of a JPEG in scans: all are kept until the last has been read."""
    if not image.info.get("progressive"):
        return 0
    layers: list[tuple[int, int, int, int]] = getattr(image, "layer", [])
    across, down = max((one[1] for one in layers), default=1), max((one[2] for one in layers), default=1)
    share = sum(one[1] * one[2] for one in layers) / (across * down)
    return int(COEFFICIENT * share * whole[0] * whole[1])


def _tile(image: Image.Image) -> int:
    """What a format decodes at once, beside the picture: a TIFF's tiles may be larger than it is, and a jump
    in a packed BMP as high as 255 rows."""
    if image.format == "BMP":
        return 256 * image.width
    tags: Any = getattr(image, "tag_v2", {})
    across, down = _number(tags.get(TILE_WIDTH)), _number(tags.get(TILE_LENGTH))
    return across * down * _number(tags.get(SAMPLES)) * max(_number(tags.get(BITS)) // 8, 1)


def _number(value: Any) -> int:
    """A tag of one number, or of several: then the largest. A missing one is 0."""
    numbers = value if isinstance(value, tuple) else (value,)
    return max((int(one) for one in numbers if isinstance(one, int)), default=0)
