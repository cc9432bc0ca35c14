"""From files to upright RGB, format by format, and every way in which a file is not a picture."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.errors import Unreadable
from searchkit.ingest.images import FORMATS, MAX_PIXELS, SUFFIXES, Picture, decode, decode_bytes, decode_file

ORIENTATION = 0x0112
UNDONE_BY = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How upright pixels were turned before they were stored under each orientation."""


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png(kind: int, bits: int, samples: np.ndarray, *, transparent: bytes = b"", size: int = 0) -> bytes:
    """A PNG by hand, for what Pillow does not write: (h, w, channels) samples of one PNG colour type."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = (size, size) if size else samples.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(">u2" if bits == 16 else "u1").tobytes() for row in samples)
    body = chunk(b"tRNS", transparent) if transparent else b""
    body += chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8))


def corners(picture: Picture) -> list[tuple[int, ...]]:
    """The colours of the four quarters: top left, top right, bottom left, bottom right."""
    image = picture.image
    return [
        image.getpixel((round(image.width * x), round(image.height * y)))  # type: ignore[misc]
        for y in (0.25, 0.75)
        for x in (0.25, 0.75)
    ]


def near(a: object, b: object, *, by: float) -> bool:
    return bool(np.abs(np.asarray(a, float) - np.asarray(b, float)).max() <= by)


QUARTERS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]


# formats


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_every_format_is_decoded(quarters: Image.Image, tmp_path: Path, form: str) -> None:
    assert form in FORMATS
    path = tmp_path / "no suffix tells what it is"
    path.write_bytes(encoded(quarters, form))
    picture = decode_file(path)
    assert picture.image.mode == "RGB" and (picture.width, picture.height) == picture.image.size == (60, 40)
    assert near(corners(picture), QUARTERS, by=6)
    assert near(decode_bytes(path.read_bytes()), picture.image, by=0)


def test_of_a_moving_picture_the_first_frame_is_taken(quarters: Image.Image) -> None:
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(quarters, form, save_all=True, append_images=[Image.new("RGB", (60, 40), "black")] * 2)
        assert near(corners(decode(data, name="x")), QUARTERS, by=6), form


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "YCbCr", "I", "F"])
def test_every_colour_mode_becomes_rgb(quarters: Image.Image, mode: str) -> None:
    picture = decode(encoded(quarters.convert("RGB").convert(mode), "TIFF"), name="x")
    luma = [76, 150, 29, 255]
    seen = [round(0.299 * r + 0.587 * g + 0.114 * b) for r, g, b in corners(picture)]
    if mode == "1":  # dithered: dots of black and white
        assert set(map(tuple, np.asarray(picture.image).reshape(-1, 3).tolist())) == {(0,) * 3, (255,) * 3}
    elif mode in "IF":  # stretched to the whole range
        assert near(seen, [(v - 29) * 255 / (255 - 29) for v in luma], by=2)
    else:
        assert near(seen, luma, by=3)


def test_cmyk_jpeg_has_its_colours_in_full_and_in_draft(quarters: Image.Image) -> None:
    large = quarters.resize((600, 400), Image.Resampling.NEAREST).convert("CMYK")
    data = encoded(large, "JPEG", quality=95)
    for at_least in (0, 64):
        assert near(corners(decode(data, name="x", at_least=at_least)), QUARTERS, by=6)


# sixteen bits


def ramp() -> np.ndarray:
    """(16, 64) from black to white in 16 bits."""
    return np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (16, 1))


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_sixteen_bit_grey_is_scaled_and_not_clipped(form: str) -> None:
    decoded = np.asarray(decode(encoded(Image.fromarray(ramp()), form), name="x").image)
    assert near(decoded[:, :, 0], ramp() / 257, by=1)
    assert (decoded[..., :1] == decoded).all()


def test_sixteen_bit_grey_in_the_other_byte_order_is_the_same() -> None:
    big = Image.frombytes("I;16B", (64, 16), ramp().astype(">u2").tobytes())
    decoded = np.asarray(decode(encoded(big, "TIFF"), name="x").image)
    assert near(decoded[:, :, 0], ramp() / 257, by=1)


def test_sixteen_bit_colour_and_transparency_are_scaled() -> None:
    grey = ramp()[:, :, None]
    colour = np.asarray(decode(png(2, 16, np.repeat(grey, 3, axis=2)), name="x").image)
    assert near(colour[:, :, 1], ramp() / 257, by=1)
    opaque = np.concatenate([grey, np.full_like(grey, 65535)], axis=2)
    assert near(np.asarray(decode(png(4, 16, opaque), name="x").image)[:, :, 1], ramp() / 257, by=1)


# transparency


def test_transparency_is_shown_on_white(quarters: Image.Image) -> None:
    clear = quarters.copy()
    clear.putalpha(Image.new("L", clear.size, 0))
    half = Image.new("RGBA", (8, 8), (0, 0, 0, 128))
    for form in ("PNG", "WEBP", "AVIF", "TIFF"):
        assert near(corners(decode(encoded(clear, form), name="x")), [(255,) * 3] * 4, by=2), form
    assert near(corners(decode(encoded(half, "PNG"), name="x")), [(127,) * 3] * 4, by=1)


@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_a_transparent_palette_colour_is_white(quarters: Image.Image, form: str) -> None:
    palette = quarters.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    data = encoded(palette, form, transparency=palette.getpixel((5, 5)))
    assert corners(decode(data, name="x")) == [(255, 255, 255), *QUARTERS[1:]]


def test_a_palette_with_degrees_of_transparency_is_blended(quarters: Image.Image) -> None:
    palette = quarters.convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    data = encoded(palette, "PNG", transparency=bytes([128] * 256))
    assert near(corners(decode(data, name="x"))[0], (255, 127, 127), by=1)


def test_a_transparent_colour_of_a_picture_without_alpha_is_white() -> None:
    grey = np.kron(np.array([[0, 9], [200, 255]]), np.ones((4, 4), int))[:, :, None]
    assert corners(decode(png(0, 8, grey, transparent=struct.pack(">H", 0)), name="x"))[0] == (255, 255, 255)
    colour = np.zeros((8, 8, 3), int)
    colour[:4, :4] = (10, 20, 30)
    data = png(2, 8, colour, transparent=struct.pack(">HHH", 10, 20, 30))
    assert corners(decode(data, name="x"))[:2] == [(255, 255, 255), (0, 0, 0)]


# orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_a_turned_picture_is_made_upright(quarters: Image.Image, form: str, orientation: int) -> None:
    how = UNDONE_BY[orientation]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = quarters if how is None else quarters.transpose(how)
    picture = decode(encoded(stored, form, exif=exif), name="x")
    assert (picture.width, picture.height) == picture.image.size == (60, 40)
    assert near(corners(picture), QUARTERS, by=12)


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_turned_photo_decoded_small_keeps_its_full_upright_size(
    quarters: Image.Image, orientation: int
) -> None:
    how = UNDONE_BY[orientation]
    large = quarters.resize((1200, 800), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    picture = decode(
        encoded(large if how is None else large.transpose(how), "JPEG", exif=exif), name="x", at_least=100
    )
    assert (picture.width, picture.height) == (1200, 800) and picture.image.size == (150, 100)
    assert near(corners(picture), QUARTERS, by=6)


@pytest.mark.parametrize("junk", [b"garbage" * 9, b"MM\0*\0\0\x10\x08" * 2])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_photo_with_damaged_exif_is_still_a_photo(quarters: Image.Image, junk: bytes) -> None:
    data = encoded(quarters, "JPEG", exif=b"Exif\0\0" + junk)
    assert near(corners(decode(data, name="x")), QUARTERS, by=6)


# drafts


@pytest.mark.parametrize("at_least", [32, 100, 300, 5000])
def test_a_draft_is_never_smaller_than_asked_and_close_to_the_full_picture(at_least: int) -> None:
    waves = np.sin(np.linspace(0, 9, 900))[None, :, None] * np.cos(np.linspace(0, 7, 700))[:, None, None]
    image = Image.fromarray((127 + 120 * waves * np.array([1, -1, 0.5])).astype(np.uint8))
    data = encoded(image, "JPEG", quality=92)
    full, draft = decode(data, name="x"), decode(data, name="x", at_least=at_least)
    assert min(draft.image.size) >= min(at_least, 700) and (draft.width, draft.height) == (900, 700)
    assert (draft.image.size < full.image.size) == (at_least < 350)
    small = [np.asarray(p.image.resize((32, 32), Image.Resampling.BOX), float) for p in (full, draft)]
    assert np.abs(small[0] - small[1]).mean() < 2


# what is refused


def test_a_truncated_jpeg_is_refused_at_full_size_and_in_draft() -> None:
    data = encoded(noise(400, 300), "JPEG")
    for end in (len(data) // 4, len(data) // 2, len(data) - 200):
        for at_least in (0, 32):
            with pytest.raises(Unreadable, match="truncated"):
                decode(data[:end], name="x", at_least=at_least)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF"])
def test_half_a_file_is_refused_in_every_format(form: str) -> None:
    data = encoded(noise(200, 100), form)
    for end in (len(data) // 2, 20):
        with pytest.raises(Unreadable, match=r"holiday\.pic"):
            decode(data[:end], name="holiday.pic")


def test_nothing_is_refused() -> None:
    with pytest.raises(Unreadable, match=r"x is empty \(0 bytes\)"):
        decode(b"", name="x")


@pytest.mark.parametrize("junk", [b"hello", b"\0" * 1000, bytes(range(256)) * 9, b"<html>", b"%PDF-1.7\n"])
def test_junk_is_refused_with_the_formats_that_are_known(junk: bytes) -> None:
    with pytest.raises(Unreadable, match=r"not a picture in a known format.*JPEG"):
        decode(junk, name="x")


def test_a_picture_too_large_to_hold_is_refused_before_it_is_decoded() -> None:
    side = int(MAX_PIXELS**0.5) + 2
    with pytest.raises(Unreadable, match="more than 179 megapixels"):
        decode(png(0, 8, np.zeros((0, 0, 1)), size=side), name="x")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".eps"])
def test_postscript_is_refused_under_any_name(quarters: Image.Image, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"drawing{suffix}"
    path.write_bytes(encoded(quarters, "EPS"))
    with pytest.raises(Unreadable, match="not a picture in a known format"):
        decode_file(path)


def test_a_file_that_cannot_be_read_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="No such file"):
        decode_file(tmp_path / "gone.png")
    with pytest.raises(Unreadable, match="Is a directory"):
        decode_file(tmp_path)


def test_suffixes_are_lower_case_with_their_dot() -> None:
    assert all(suffix[0] == "." and suffix == suffix.lower() for suffix in SUFFIXES)
    assert {".jpg", ".png", ".gif", ".webp", ".avif", ".tiff", ".bmp"} <= SUFFIXES
