"""The inputs of speed measurements: pictures with a photograph's statistics, short queries, full passages."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from searchkit.errors import BadInput
from searchkit.ingest.chunk import TokenWindow
from searchkit.ingest.chunking import settled
from searchkit.ingest.images import SUFFIXES
from searchkit.ingest.walk import Selection, walk
from searchkit.protocols import Encoder
from searchkit.search.confidence import neutral_queries
from searchkit.types import DEFAULTS, Document, FileEntry

WIDTH, HEIGHT = 1024, 768
QUALITY = 90
SLOPE = 1.4
"""The exponent of the spectrum: photographs have 1 to 1.5; with this one, 12 megapixels take 2.5 MB."""
MEAN, CONTRAST, COLOUR = 118.0, 50.0, 12.0
"""Grey levels: mean and deviation of the brightness, and the deviation of a channel from it."""
SHIFT = 17
"""Pixels by which a picture is shifted to make another one: no multiple of JPEG's 8, nor of a patch."""
PICTURES = Selection(SUFFIXES.__contains__)


# pictures


def write_pictures(
    folder: Path, count: int, *, size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 0, distinct: int = 8
) -> None:
    """Writes `count` JPEGs of (width, height) to a new folder: `distinct` pictures, and shifted copies."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    made = [picture(rng, *size) for _ in range(min(count, distinct))]
    for number in range(count):
        # a picture is periodic, so the shift makes no seam
        shifted = np.roll(made[number % distinct], SHIFT * (number // distinct), axis=1)
        Image.fromarray(shifted).save(folder / f"{number:06}.jpg", quality=QUALITY)


def picture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """A random picture, (height, width, 3) uint8.

    It is made of fields whose amplitude falls as 1 / frequency**SLOPE: one for the brightness and two smaller
    ones for the colour.
    """
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    frequency = np.hypot(rows, columns)  # (height, width // 2 + 1), cycles a pixel
    frequency[0, 0] = np.inf  # the mean is 0

    def field() -> np.ndarray:
        real, imaginary = rng.standard_normal((2, *frequency.shape))
        values = np.fft.irfft2((real + 1j * imaginary) / frequency**SLOPE, (height, width))
        unit: np.ndarray = values / values.std()
        return unit

    bright, red, blue = MEAN + CONTRAST * field(), COLOUR * field(), COLOUR * field()
    pixels: np.ndarray = np.stack([bright + red, bright - (red + blue) / 2, bright + blue], axis=-1)
    return pixels.clip(0, 255).astype(np.uint8)


def link_pictures(paths: Sequence[str | Path], folder: Path, count: int) -> None:
    """Makes a folder of links to the first `count` pictures at or below these paths, as the walk finds them.

    Raises `BadInput` for a path that is not there and where there is no picture at all.
    """
    folder.mkdir(parents=True)
    starts = [os.path.abspath(Path(path).expanduser()) for path in paths]
    for start in starts:
        if not os.path.lexists(start):
            raise BadInput(f"{start} does not exist", hint="check the spelling")
    for number, path in enumerate(islice(_pictures(starts), count)):
        link = folder / f"{number:06}{os.path.splitext(path)[1]}"
        try:
            link.symlink_to(path)
        except OSError:  # not everybody may make links on Windows
            shutil.copyfile(path, link)
    if not any(folder.iterdir()):
        raise BadInput(f"there is no picture in {', '.join(starts)}", hint="without a PATH, some are made")


def _pictures(starts: Sequence[str]) -> Iterator[str]:
    for start in starts:
        for entry in walk(start, PICTURES):
            if isinstance(entry, FileEntry) and os.path.splitext(entry.path)[1].lower() in SUFFIXES:
                yield entry.path


# texts


def queries(encoder: Encoder, count: int) -> list[str]:
    """`count` short questions with the encoder's prompt, no two alike."""
    phrases = neutral_queries()
    return [encoder.record.as_query(f"{phrases[n % len(phrases)]} {n}") for n in range(count)]


def passages(encoder: Encoder, count: int) -> tuple[list[str], int]:
    """`count` passages of the greatest length that indexing cuts, and that length in tokens."""
    tokens = settled(DEFAULTS, encoder).tokens
    assert tokens is not None
    words = " ".join(neutral_queries()).split()
    random.Random(0).shuffle(words)
    # without sentences and lines there is no better place to cut than where the window ends
    text = Document(" ".join(words * (1 + count * tokens // len(words))))
    window = TokenWindow(offsets=encoder.token_offsets, tokens=tokens, overlap=0)
    return [encoder.record.as_passage(passage.text) for passage in window(text)][:count], tokens
