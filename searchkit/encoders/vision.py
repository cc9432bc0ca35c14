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
from safetensors import SafetensorError
from safetensors.torch import load_file

from searchkit.encoders.device import cpu_dtype, keep_freed_memory, rows
from searchkit.errors import BadInput, ModelMissing
from searchkit.models.vit import VisionTransformer, ViTConfig
from searchkit.types import Vectors

BATCH = 64
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalise_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """(b, p, p, 3) uint8 → (b, 3, p, p) float32, zero mean and unit variance per channel."""
    mean, std = torch.tensor(MEAN) * 255, torch.tensor(STD) * 255
    return ((pixels.float() - mean) / std).permute(0, 3, 1, 2).contiguous()


class ViTTower:
    """Pixels to (n, dim) unit vectors; the weights are read at the first call.

    Raises `ModelMissing` for a folder without a tower, `BadInput` for one whose files are of another kind.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
            raise ModelMissing(
                f"no image tower in {folder}: config.json or model.safetensors is missing",
                hint="name a folder that 'searchkit train' wrote",
            )
        try:
            described = json.loads((folder / "config.json").read_text("utf-8"))
            self.config, self.family = ViTConfig(**described["tower"]), str(described["family"])
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{folder / 'config.json'} does not describe an image tower ({error!r})",
                hint="name a folder that 'searchkit train' wrote",
            ) from error

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256((self.folder / "model.safetensors").read_bytes()).hexdigest()

    @cached_property
    def network(self) -> VisionTransformer:
        keep_freed_memory()
        network = VisionTransformer(self.config)
        weights = self.folder / "model.safetensors"
        try:
            network.load_state_dict(load_file(weights))
        except (SafetensorError, RuntimeError) as error:
            raise BadInput(
                f"{weights} does not hold the tower that config.json describes",
                hint="copy the folder again from where 'searchkit train' wrote it",
            ) from error
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
