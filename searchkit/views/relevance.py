"""The heat of a picture: how well each part of it fits a text.

The picture is covered with overlapping windows of half its sides, each encoded as a picture of its own, and a
cell is as warm as the windows over it fit the text. That works for every encoder with an image tower, and
means the same for each. A transformer's patch tokens tell less: each of them has seen the whole picture.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps

from searchkit.collection.previews import decoded
from searchkit.errors import BadInput
from searchkit.ingest.images import enough
from searchkit.ingest.thumbs import EFFORT, QUALITY
from searchkit.types import Item, Kind, Vectors

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

CELLS = 6
"""Cells along each side of the grid."""
WINDOW = 3
"""Cells along each side of a window; so there are 16 windows."""
FLAT = 0.05
"""A range of cosines below this one is not stretched from black to white."""
DARK = 0.3
"""The brightness that is left where a picture fits least."""


def heat(library: Collection | OpenSpace, item: Item, text: str) -> np.ndarray:
    """The heat of a picture for a text: (CELLS, CELLS) float32 cosines, rows from the top.

        heat[cell] = mean of cos(v(w), q) over the windows w that cover the cell

    The text goes through the adapter in use, as in a search. Raises `BadInput` for an item that is no picture
    and for an empty text, `Unreadable` for a picture that has changed.
    """
    if item.kind is not Kind.IMAGE:
        raise BadInput(f"{item.path} is no picture", hint="give the item of a picture")
    if not text.strip():
        raise BadInput("there are no words to look for in the picture", hint="give a text")
    active = library.current
    encoder = active.encoder
    picture = decoded(library, item, enough(encoder.record.pixels * CELLS // WINDOW)).image
    parts = [encoder.prepare_image(picture.crop(box)) for box in windows(*picture.size)]
    question = encoder.encode_text([encoder.record.as_query(text)])
    if active.adapter is not None:
        question = active.adapter(question, "text", Kind.IMAGE)
    return spread(encoder.encode_images(parts) @ question[0])  # (windows, dim) @ (dim,) -> (windows,)


def windows(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """The windows in pixels, (left, top, right, bottom), row by row; none is empty.

    >>> windows(600, 300)[1], len(windows(600, 300))
    ((100, 0, 400, 150), 16)
    """
    across, down = _edges(width), _edges(height)
    return [(left, top, right, bottom) for top, bottom in down for left, right in across]


def _edges(side: int) -> list[tuple[int, int]]:
    starts = [side * n // CELLS for n in range(CELLS - WINDOW + 1)]
    return [(start, max(start + 1, side * (n + WINDOW) // CELLS)) for n, start in enumerate(starts)]


def spread(scores: Vectors) -> np.ndarray:
    """The mean score of the windows over each cell: (windows,) in the order of `windows` → (CELLS, CELLS).

    >>> spread(np.array([1.0] + [0.0] * 15))[:2, :2].tolist()
    [[1.0, 0.5], [0.5, 0.25]]
    """
    total, count = np.zeros((CELLS, CELLS), np.float32), np.zeros((CELLS, CELLS), np.float32)
    positions = CELLS - WINDOW + 1
    for n, score in enumerate(scores):
        row, column = divmod(n, positions)
        covered = slice(row, row + WINDOW), slice(column, column + WINDOW)
        total[covered] += score
        count[covered] += 1
    mean: np.ndarray = total / count
    return mean


def warm(grid: np.ndarray) -> np.ndarray:
    """The grid in [0, 1]: 0 where the text fits least, 1 where best; 0.5 where cells hardly differ.

    >>> warm(np.array([[0.1, 0.3]])).tolist(), warm(np.array([[0.2, 0.2]])).tolist()
    ([[0.0, 1.0]], [[0.5, 0.5]])
    """
    low, high = float(grid.min()), float(grid.max())
    middle, span = (low + high) / 2, max(high - low, FLAT)
    scaled: np.ndarray = ((grid - middle) / span + 0.5).clip(0, 1)
    return scaled


def shown(picture: bytes, grid: np.ndarray) -> bytes:
    """A WebP of the picture, bright and in colour where the text fits, dark and grey where it does not."""
    with Image.open(io.BytesIO(picture)) as opened:
        image = opened.convert("RGB")
    levels = Image.fromarray((warm(grid) * 255).round().astype(np.uint8))
    mask = levels.resize(image.size, Image.Resampling.BICUBIC)
    grey = ImageOps.grayscale(image).point(lambda value: value * DARK).convert("RGB")
    mixed = Image.composite(image, grey, mask)
    data = io.BytesIO()
    mixed.save(data, "WEBP", quality=QUALITY, method=EFFORT)
    return data.getvalue()


def warmest(grid: np.ndarray) -> tuple[int, int]:
    """The ninth of a picture that fits best, as (row, column).

    >>> warmest(np.arange(36).reshape(6, 6))
    (2, 2)
    """
    third = CELLS // 3
    row, column = divmod(int(grid.reshape(3, third, 3, third).mean(axis=(1, 3)).argmax()), 3)
    return row, column
