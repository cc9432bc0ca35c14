"""An encoder made of two towers, as every family but the weightless one is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL.Image import Image

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.errors import BadInput
from searchkit.types import EncoderRecord, Space, TokenVectors, Vectors

if TYPE_CHECKING:
    from searchkit.encoders.image import ImageTower
    from searchkit.encoders.text import TextTower

TEMPERATURE = 0.05
"""The temperature of models that state none: what sentence encoders are trained with."""


def learned_temperature(checkpoint: Checkpoint) -> float:
    """The temperature exp(−logit_scale), at least 0.01 as in CLIP's training, or else `TEMPERATURE`."""
    scale = checkpoint.scalar("logit_scale")
    return TEMPERATURE if scale is None else max(0.01, math.exp(-scale))


class TwoTowers:
    """An `Encoder` whose towers are read when they are first needed: a text query loads no image tower.

    `images` is None for an encoder of text alone. `temperature` is called when it is first needed.
    """

    def __init__(
        self,
        record: EncoderRecord,
        space: Space,
        text: TextTower,
        images: ImageTower | None,
        temperature: Callable[[], float] = lambda: TEMPERATURE,
    ) -> None:
        self.record, self.space = record, space
        self.text, self.images = text, images
        self._temperature = temperature

    @cached_property
    def temperature(self) -> float:
        return self._temperature()

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self.text.encode(texts)

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        if not self.text.is_mean:
            raise BadInput(
                f"{self.record.name} does not pool its tokens by their mean: late chunking would give "
                "vectors that it was never trained for",
                hint="choose window or heading chunking, or another model",
            )
        return self.text.token_vectors(texts) if texts else []

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        return self._image_tower.encode(pixels)

    def prepare_image(self, image: Image) -> np.ndarray:
        return self._image_tower.prepare(image)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self.text.offsets(text)

    @property
    def _image_tower(self) -> ImageTower:
        if self.images is None:
            raise BadInput(
                f"{self.record.name} encodes text only: it cannot take pictures",
                hint="see which take both: searchkit models",
            )
        return self.images
