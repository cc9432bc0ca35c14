"""Golden vectors: what an encoder makes of a fixed sentence and picture, kept to be compared later."""

from __future__ import annotations

import numpy as np
from PIL import Image

from searchkit.protocols import Encoder
from searchkit.types import Vectors

SENTENCE = "The keeper of the lighthouse counts the ships that pass before the storm."
SIDE = 96
"""Pixels of the side of the fixed picture."""
SAME = 0.999
"""The cosine that one encoder reaches with itself on another machine, or in another number format."""


def golden(encoder: Encoder) -> Vectors:
    """The golden vectors: (1, dim) float32, or (2, dim) with the picture where the encoder takes pictures."""
    text = encoder.encode_text([encoder.record.as_passage(SENTENCE)])
    if not encoder.record.pixels:
        return text
    return np.concatenate([text, encoder.encode_images([encoder.prepare_image(picture())])])


def agreement(encoder: Encoder, kept: bytes) -> float:
    """The lowest cosine of the encoder's golden vectors with those that were kept, as float32 bytes; −1 where
    their shapes differ."""
    now = golden(encoder)
    then = np.frombuffer(kept, np.float32)
    if then.size != now.size:
        return -1.0
    return float((now * then.reshape(now.shape)).sum(axis=1).min())


def picture() -> Image.Image:
    """The fixed picture: waves in three colours, the same to the last bit on every machine."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    pixels = np.stack([rows * 2 % 256, columns * 5 % 256, (rows * columns) % 251], axis=-1)
    return Image.fromarray(pixels.astype(np.uint8))
