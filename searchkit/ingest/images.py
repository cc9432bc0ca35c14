"""A picture file becomes upright RGB pixels, or a reason why it cannot."""

from __future__ import annotations

import datetime as dt
import errno
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import PIL
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from searchkit.errors import Unreadable
from searchkit.ingest.cost import Source, content, memory, opened, refuse_scans
from searchkit.ingest.room import Room

try:  # an extra: HEIC needs a decoder that Pillow does not bring
    import pi_heif
except ImportError:
    HEIF = False
else:
    pi_heif.register_heif_opener()
    HEIF = True

Image.init()  # registers every format's plugin, so that `formats` below finds them in any thread
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF") + (("HEIF",) if HEIF else ())
"""Named, because Pillow would otherwise try decoders that start other programs (EPS)."""

SUFFIXES = frozenset(
    [
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".mpo",
        ".png",
        ".webp",
        ".gif",
        ".tif",
        ".tiff",
        ".bmp",
        ".dib",
        ".avif",
    ]
    + ([".heic", ".heif"] if HEIF else [])
)
HEIC_SUFFIXES = frozenset({".heic", ".heif"})

DECODER = f"pillow {PIL.__version__}" + (f" pi-heif {pi_heif.__version__}" if HEIF else "")

MAX_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 89_478_485)
"""179 megapixels. Pillow refuses more than this; between half of it and this it only warns."""
ROOM = Room(480_000_000)
"""Bytes that the pictures which threads decode at the same time take, and one of them at most: 120 million
pixels, or 60 with transparency, or 28 of WebP; of a JPEG that is decoded smaller, those of the smaller."""
warnings.simplefilter("ignore", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class Picture:
    """Upright RGB `image`, perhaps decoded smaller; `width` and `height` are the full upright size."""

    image: Image.Image
    width: int
    height: int
    taken: float | None = None
    """Seconds since the epoch, as the EXIF says."""


ENOUGH = 1.45
"""A JPEG's shorter side is decoded to no less than this many times the side that the tower reads. At
1024×768 for 256 pixels that takes 5.5 ms in place of 13.9, and 12 megapixels, an eighth of whose side is
1.46 times that, 24 in place of 33; the vectors' cosine to those of the whole picture was 0.999 on average
(at 1.3 times 0.9989, at 1.15 times 0.996)."""


def enough(pixels: int) -> int:
    """Pixels of a picture's shorter side that a tower of `pixels` needs."""
    return int(ENOUGH * pixels)


def decode_file(path: str | Path, *, at_least: int = 0) -> Picture:
    """Decode a file; with `at_least`, a JPEG may come out scaled down to no less than that many pixels
    on its shorter side (12 megapixels decode 3.6× faster so).

    Raises `Unreadable` with the reason.
    """
    return decode(content(Path(path)), name=str(path), at_least=at_least)


def decode_bytes(data: bytes) -> Image.Image:
    """Upright RGB picture at full size from the bytes of a file. Raises `Unreadable`."""
    return decode(data, name="image").image


def decode(source: Source, *, name: str, at_least: int = 0) -> Picture:
    """As `decode_file`, from bytes too; `name` is for the message."""
    return _Header(source, name, at_least).decoded()


@contextmanager
def decoding(source: Source, *, name: str, at_least: int = 0) -> Iterator[Picture]:
    """The same, for a while: who would take more memory than others have left waits until they are done. No
    second one is to be asked for within, which could wait for ever."""
    header = _Header(source, name, at_least)
    with ROOM.of(header.memory):
        yield header.decoded()


class _Header:
    """A picture before it is decoded: what it is, and what that will take. Raises `Unreadable`."""

    def __init__(self, source: Source, name: str, at_least: int) -> None:
        if not source:
            raise Unreadable(f"{name} is empty (0 bytes)")
        self._name = name
        with _readable(name):
            self._file: BinaryIO = opened(source)
            try:
                self._image = image = Image.open(self._file, formats=FORMATS)
                whole = image.size
                self._size, self._taken = _upright_size(image), _taken(image)
                if at_least and image.format in ("JPEG", "MPO"):
                    image.draft("RGB", (at_least, at_least))
                refuse_scans(image, whole, self._file)
                self.memory = memory(image, whole, source)
                if self.memory > ROOM.size:
                    most = f"{self.memory / 1e6:.0f} MB of memory to decode, more than {ROOM.size / 1e6:.0f}"
                    raise Unreadable(f"{name} takes {most}", hint="save it smaller")
            except BaseException:
                self._file.close()
                raise

    def decoded(self) -> Picture:
        with _readable(self._name), self._file, self._image as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # without it a second copy of every picture
            return Picture(_rgb(image), *self._size, self._taken)


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Whatever is raised over a picture becomes `Unreadable`, naming it."""
    try:
        yield
    except Unreadable:
        raise
    except Image.DecompressionBombError as error:
        raise Unreadable(f"{name} has more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise Unreadable(f"{name} is not a picture in a known format ({known})") from error
    except OSError as error:
        if error.errno not in (None, errno.EINVAL):  # to which a damaged file can lead as well
            raise Unreadable(f"cannot read {name}: {error.strerror}") from error
        raise Unreadable(f"{name} is damaged: {error}") from error
    # Pillow's plugins raise almost anything on hostile bytes; this is the one boundary around one file.
    except Exception as error:
        raise Unreadable(f"{name} is damaged: {error}") from error


def _upright_size(image: Image.Image) -> tuple[int, int]:
    """Known before decoding. Of a TIFF, Pillow gives the size turned already."""
    turned = image.format != "TIFF" and image.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (image.height, image.width) if turned else image.size


def _taken(image: Image.Image) -> float | None:
    """EXIF's DateTimeOriginal, or DateTime; without OffsetTimeOriginal its local time counts as UTC."""
    try:
        exif = image.getexif()
        details = exif.get_ifd(ExifTags.IFD.Exif)
        said = str(details.get(ExifTags.Base.DateTimeOriginal) or exif.get(ExifTags.Base.DateTime) or "")
        zone = str(details.get(ExifTags.Base.OffsetTimeOriginal) or "+00:00").strip("\0 ")
        return dt.datetime.strptime(said.strip("\0 ") + zone, "%Y:%m:%d %H:%M:%S%z").timestamp()
    except Exception:  # cameras and editors write anything there; a picture without a date is a picture
        return None


def _rgb(image: Image.Image) -> Image.Image:
    """Any mode to RGB: 16 bits scaled, not clipped; transparency shown on white, as on paper."""
    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    elif image.mode in ("I", "F"):
        low, high = image.getextrema()
        scale = 255.0 / ((high - low) or 1)  # type: ignore[operator]
        image = image.point(lambda value: value * scale - low * scale).convert("L")  # type: ignore[operator]
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        rgba = image if image.mode == "RGBA" else image.convert("RGBA")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(rgba, mask=rgba)  # by its own transparency, without a copy of that
    return image if image.mode == "RGB" else image.convert("RGB")
