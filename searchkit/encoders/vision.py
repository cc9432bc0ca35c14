"""The image tower of `pocket` and of every folder that `searchkit train` wrote."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from searchkit.encoders.device import cpu_dtype, rows
from searchkit.errors import ModelMissing
from searchkit.models.vit import VisionTransformer, ViTConfig
from searchkit.types import Vectors

BATCH = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalise_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """(b, p, p, 3) uint8 → (b, 3, p, p) float32, zero mean and unit variance per channel."""
    mean, std = torch.tensor(MEAN) * 255, torch.tensor(STD) * 255
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


class ViTTower:
    """Pixels to (n, dim) unit vectors; the weights are read at the first call."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
            raise ModelMissing(
                f"no image tower in {folder}: config.json or model.safetensors is missing",
                hint="name a folder that 'searchkit train' wrote",
            )
        self.config = ViTConfig(**json.loads((folder / "config.json").read_text())["tower"])

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()

    @cached_property
    def network(self) -> VisionTransformer:
        network = VisionTransformer(self.config)
        network.load_state_dict(load_file(self.folder / "model.safetensors"))
        return network.eval().to(cpu_dtype())

    def prepare(self, image: Image.Image) -> np.ndarray:
        """(p, p, 3) uint8. The whole picture, squashed to a square: nothing at the borders is lost, and
        the captioned pictures that the tower learned from were squashed too."""
        side = self.config.pixels
        return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC, reducing_gap=3.0))

    @torch.inference_mode()
    def encode(self, pixels: Sequence[np.ndarray]) -> Vectors:
        out = np.empty((len(pixels), self.config.dim), np.float32)
        for start in range(0, len(pixels), BATCH):
            batch = torch.from_numpy(np.stack(pixels[start : start + BATCH]))
            network = self.network
            out[start : start + BATCH] = rows(network(normalise_pixels(batch).to(cpu_dtype())))
        return out
