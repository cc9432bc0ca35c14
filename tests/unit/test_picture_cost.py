"""What a picture takes is told before it is decoded; all together take no more than there is room for."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from searchkit.errors import Unreadable
from searchkit.ingest import cost, images
from searchkit.ingest.images import decode, decode_file, decoding
from searchkit.ingest.room import Room
from searchkit.ingest.thumbs import fitting, shrunk

MEASURE = """
import json, re, sys
from pathlib import Path
from searchkit.ingest.images import _Header

def most():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

data = Path(sys.argv[1]).read_bytes()
before = most()
header = _Header(data, "x", int(sys.argv[2]))
header.decoded()
print(json.dumps([header.memory, most() - before]))
"""
SLACK = 25_000_000
"""Bytes: what libraries are loaded with, and blocks of a row or a stripe."""
WAYS = {
    "RGB.png": ("RGB", {"compress_level": 1}),
    "RGBA.png": ("RGBA", {"compress_level": 1}),
    "P.png": ("P", {"transparency": 3}),
    "LA.png": ("LA", {"compress_level": 1}),
    "I.png": ("I;16", {"compress_level": 1}),
    "RGB.jpg": ("RGB", {}),
    "CMYK.jpg": ("CMYK", {}),
    "scans.jpg": ("RGB", {"progressive": True, "subsampling": 0}),
    "RGB.webp": ("RGB", {"method": 0}),
    "RGBA.webp": ("RGBA", {"method": 0}),
    "RGB.avif": ("RGB", {"speed": 10}),
    "RGBA.avif": ("RGBA", {"speed": 10}),
    "RGB.tif": ("RGB", {"compression": "tiff_lzw"}),
    "F.tif": ("F", {}),
    "P.gif": ("P", {}),
}


def picture(mode: str, size: tuple[int, int]) -> Image.Image:
    colours = np.random.default_rng(7).integers(0, 255, (24, 32, 4), dtype=np.uint8)
    large = Image.fromarray(colours).resize(size, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return large.convert("L").convert("I;16")
    return large.convert("RGB").convert(mode) if mode in ("CMYK", "P", "F") else large.convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by Linux")
@pytest.mark.parametrize(
    ("name", "at_least"), [*((name, 0) for name in WAYS), ("RGB.jpg", 300), ("scans.jpg", 300)]
)
def test_no_picture_takes_more_than_was_told(name: str, at_least: int, tmp_path: Path) -> None:
    mode, options = WAYS[name]
    picture(mode, (3600, 2800)).save(tmp_path / name, **options)  # type: ignore[arg-type]
    command = [sys.executable, "-c", MEASURE, str(tmp_path / name), str(at_least)]
    told, taken = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert taken < told + SLACK
    if told > 4 * SLACK:
        assert taken > told / 3, "nothing is refused that would fit well"


def test_a_small_file_of_a_picture_that_would_take_gigabytes_is_refused() -> None:
    data = encoded(Image.new("RGBA", (9_000, 9_000), (9, 9, 9, 9)), "PNG")
    with pytest.raises(Unreadable, match=r"x takes 648 MB of memory to decode, more than 480") as caught:
        decode(data, name="x")
    assert caught.value.hint == "save it smaller"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_large_jpeg_is_decoded_smaller() -> None:
    data = encoded(Image.new("RGB", (12_000, 11_000), "red"), "JPEG")
    with pytest.raises(Unreadable, match="530 MB of memory"):
        decode(data, name="x")
    assert decode(data, name="x", at_least=300).image.size == (1500, 1375)


def test_a_jpeg_that_is_drawn_hundreds_of_times_is_refused() -> None:
    data = encoded(Image.new("RGB", (6000, 6000), "red"), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    assert decode(data[:-2] + 3 * last + data[-2:], name="x", at_least=300).width == 6000
    with pytest.raises(Unreadable, match="x is damaged: drawn 410 times"):
        decode(data[:-2] + 400 * last + data[-2:], name="x", at_least=300)


def test_a_picture_of_millions_of_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "MAX_READS", 1000)
    data = encoded(Image.new("RGB", (20, 20)), "PNG")
    header = data[:33]  # signature and IHDR
    small = b"\0\0\0\0" + b"teXt" + zlib.crc32(b"teXt").to_bytes(4, "big")
    with pytest.raises(Unreadable, match="x is damaged"):
        decode(header + 2000 * small + data[33:], name="x")
    assert decode(data, name="x").width == 20


def test_a_large_file_is_decoded_from_where_it_is_to_the_same_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "AVIF"):
        path = tmp_path / f"file.{kind.lower()}"
        path.write_bytes(encoded(picture("RGB", (300, 200)), kind))
        monkeypatch.setattr(cost, "LARGE", 1 << 20)
        read = decode_file(path)
        monkeypatch.setattr(cost, "LARGE", 0)
        in_place = decode_file(path)
        assert (in_place.width, in_place.height, in_place.taken) == (read.width, read.height, read.taken)
        assert in_place.image.tobytes() == read.image.tobytes()


def test_pictures_that_do_not_fit_together_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(Image.new("RGB", (500, 500), "red"), "PNG")
    monkeypatch.setattr(images, "ROOM", Room(2_500_000))  # each takes a million
    inside, most, lock = 0, 0, threading.Lock()

    def one(_: int) -> int:
        nonlocal inside, most
        with decoding(data, name="x") as found:
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.02)
            with lock:
                inside -= 1
            return found.width

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == [500] * 24
    assert most == 2


def test_room_comes_back_when_something_fails() -> None:
    room = Room(100)
    for _ in range(5):
        with pytest.raises(RuntimeError), room.of(80):
            raise RuntimeError
    with room.of(1000):  # more than there is: all of it
        pass


@given(st.integers(1, 9000), st.integers(1, 9000), st.sampled_from([1, 7, 320, 1600]))
def test_a_thumbnail_has_the_size_that_pillow_gives_it(width: int, height: int, side: int) -> None:
    given = Image.new("1", (1, 1))
    given._size = (width, height)  # what it says is all that is looked at

    class Sized(Image.Image):
        def resize(self, size: tuple[int, int], *rest: object, **options: object) -> Image.Image:  # type: ignore[override]
            made = Image.new("1", (1, 1))
            made._size = size
            return made

    given.__class__ = Sized
    given.thumbnail((side, side))
    assert fitting((width, height), side) == given._size


@pytest.mark.parametrize("size", [(640, 480), (333, 2000), (320, 320), (20, 10), (1000, 3)])
def test_a_thumbnail_is_what_pillow_makes(size: tuple[int, int]) -> None:
    image = picture("RGB", size)
    expected = image.copy()
    expected.thumbnail((320, 320))
    assert shrunk(image) == encoded(expected, "WEBP", quality=70, method=1)
    assert image.size == size


def test_transparency_is_shown_on_white_as_a_separate_mask_would() -> None:
    image = picture("RGBA", (97, 61))
    expected = Image.new("RGB", image.size, "white")
    expected.paste(image, mask=image.getchannel("A"))
    assert decode(encoded(image, "PNG"), name="x").image.tobytes() == expected.tobytes()
