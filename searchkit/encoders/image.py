"""An image tower: pictures prepared as the network was trained on them, and encoded in batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from searchkit.encoders.checkpoint import following
from searchkit.encoders.device import Placement, keep_freed_memory, rows
from searchkit.errors import BadInput
from searchkit.types import Vectors

BATCH = 64
CUDA_BATCH = 256
CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, per channel, which most checkpoints took over."""


@dataclass(frozen=True, slots=True)
class Preprocess:
    """Prepares an upright RGB picture for a network: one fit, one filter, mean and deviation."""

    pixels: int
    """The side of the square that the network reads."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    fit: Literal["crop", "squash"] = "crop"
    """"crop": the shorter side becomes `shorter`, then the middle square is cut out. "squash": the whole
    picture becomes a square."""
    shorter: int = 0
    """The shorter side before the cut, for "crop" alone; 0 is `pixels`."""
    resample: Image.Resampling = Image.Resampling.BICUBIC
    round_crop: bool = False
    """Whether half of an odd margin is rounded to the even number, as torchvision does; else down."""
    reducing_gap: float | None = None
    """Shrinks by whole numbers first, down to this many times the target: faster, a little less exact."""

    def __call__(self, image: Image.Image) -> np.ndarray:
        """The picture as (pixels, pixels, 3) uint8."""
        if self.fit == "squash":
            size = (self.pixels, self.pixels)
            return np.asarray(image.resize(size, self.resample, reducing_gap=self.reducing_gap))
        shorter = self.shorter or self.pixels
        scale = shorter / min(image.size)
        # int(), not round(): the long side as the reference processors have it
        width, height = (
            shorter if side == min(image.size) else int(shorter * side / min(image.size))
            for side in image.size
        )
        if scale != 1:
            image = image.resize((width, height), self.resample, reducing_gap=self.reducing_gap)
        left, top = (
            round((side - self.pixels) / 2) if self.round_crop else (side - self.pixels) // 2
            for side in (width, height)
        )
        return np.asarray(image.crop((left, top, left + self.pixels, top + self.pixels)))

    def normalise(self, pixels: Tensor) -> Tensor:
        """Normalises each channel, (x / 255 − mean) / std: (b, p, p, 3) uint8 → (b, 3, p, p) float32."""
        mean, std = (torch.tensor(each, device=pixels.device) * 255 for each in (self.mean, self.std))
        return ((pixels.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


def from_processor(config: Mapping[str, Any], *, pixels: int) -> Preprocess:
    """The preparation that a Hugging Face `preprocessor_config.json` describes, for a network of `pixels`.

    Raises `BadInput` for one that cannot be followed exactly.
    """
    size, crop = config.get("size", pixels), config.get("crop_size", pixels)
    shorter = size.get("shortest_edge") if isinstance(size, Mapping) else int(size)
    side = int(crop["height"]) if isinstance(crop, Mapping) else int(crop)
    squash = shorter is None  # {"height": h, "width": w}
    if squash:
        side = int(size["height"])
        if int(size["width"]) != side:
            raise BadInput(f"preprocessor_config.json asks for {size}, which is not a square")
    elif not config.get("do_center_crop", True):
        raise BadInput("preprocessor_config.json neither crops nor squashes: pictures would not be square")
    if side != pixels:
        raise BadInput(f"preprocessor_config.json makes {side} pixels, the network reads {pixels}")
    if abs(float(config.get("rescale_factor", 1 / 255)) - 1 / 255) > 1e-9:
        raise BadInput(f"preprocessor_config.json rescales by {config['rescale_factor']}, not by 1/255")
    left_out = [step for step in ("do_resize", "do_rescale") if not config.get(step, True)]
    if left_out:
        raise BadInput(f"preprocessor_config.json has {left_out[0]} false, which cannot be followed")
    normal = config.get("do_normalize", True)
    return Preprocess(
        pixels,
        triple(config.get("image_mean", (0.5, 0.5, 0.5)) if normal else (0, 0, 0)),
        triple(config.get("image_std", (0.5, 0.5, 0.5)) if normal else (1, 1, 1)),
        "squash" if squash else "crop",
        0 if squash else int(shorter or side),
        Image.Resampling(int(config.get("resample", 3))),
    )


def triple(values: Sequence[float] | float) -> tuple[float, float, float]:
    """A value of each channel; a single number is that of all three."""
    red, green, blue = values if isinstance(values, Sequence) else (values,) * 3
    return float(red), float(green), float(blue)


class ImageTower:
    """Encodes prepared pixels as (n, dim) unit vectors. The network is made when first needed.

    `network` maps (b, 3, p, p) floats to (b, dim), not normalised.
    """

    def __init__(
        self, preprocess: Preprocess, network: Callable[[], nn.Module], placement: Placement, *, dim: int
    ) -> None:
        self.preprocess, self._make_network = preprocess, network
        self.placement, self.dim = placement, dim

    @cached_property
    def network(self) -> nn.Module:
        keep_freed_memory()
        with following("config.json, or the weights beside it,"):
            return self._make_network().eval().to(self.placement.device, self.placement.dtype)

    def prepare(self, image: Image.Image) -> np.ndarray:
        """Prepares an upright RGB picture as (pixels, pixels, 3) uint8."""
        return self.preprocess(image)

    @torch.inference_mode()
    def encode(self, pixels: Sequence[np.ndarray]) -> Vectors:
        """The vectors of n prepared pictures: (n, dim) float32, unit rows, in input order."""
        out = np.empty((len(pixels), self.dim), np.float32)
        size = CUDA_BATCH if self.placement.device.type == "cuda" else BATCH
        for start in range(0, len(pixels), size):
            batch = torch.from_numpy(np.stack(pixels[start : start + size])).to(self.placement.device)
            normal = self.preprocess.normalise(batch).to(self.placement.dtype)
            out[start : start + size] = rows(self.network(normal))
        return out
