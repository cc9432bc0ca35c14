"""From a picture file to upright RGB pixels, or a reason why not."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import PIL
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from searchkit.errors import Unreadable

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
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    return decode(data, name=str(path), at_least=at_least)


def decode_bytes(data: bytes) -> Image.Image:
    """Upright RGB picture at full size from the bytes of a file. Raises `Unreadable`."""
    return decode(data, name="image").image


def decode(data: bytes, *, name: str, at_least: int = 0) -> Picture:
    """As `decode_file`, from bytes; `name` is for the message."""
    if not data:
        raise Unreadable(f"{name} is empty (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            full, taken = _upright_size(image), _taken(image)
            if at_least and image.format in ("JPEG", "MPO"):
                image.draft("RGB", (at_least, at_least))
            image.load()
            ImageOps.exif_transpose(image, in_place=True)  # without it a second copy of every picture
            return Picture(_rgb(image), *full, taken)
    except Image.DecompressionBombError as error:
        raise Unreadable(f"{name} has more than {MAX_PIXELS / 1e6:.0f} megapixels") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise Unreadable(f"{name} is not a picture in a known format ({known})") from error
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
        rgba = image.convert("RGBA")
        image = Image.new("RGB", rgba.size, "white")
        image.paste(rgba, mask=rgba.getchannel("A"))
    return image if image.mode == "RGB" else image.convert("RGB")
