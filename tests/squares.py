"""Squares of four colours, captioned: a data set so plain that a tower learns it in seconds."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220), "white": (240, 240, 240)}


def coloured(colour: str, seed: int) -> bytes:
    """A PNG of 24 × 24 pixels in that colour, with noise."""
    noise = np.random.default_rng(seed).integers(-15, 15, (24, 24, 3))
    pixels = np.clip(np.array(COLOURS[colour]) + noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def write_captioned(folder: Path) -> tuple[list[str], list[bytes]]:
    """Write captioned.parquet, twelve squares of each colour; returns their colours and their PNGs."""
    names = list(COLOURS) * 12
    images = [coloured(name, seed) for seed, name in enumerate(names)]
    captions = [[f"a {name} square", f"{name} all over"] for name in names]
    pq.write_table(pa.table({"image": images, "captions": captions}), folder / "captioned.parquet")
    return names, images
