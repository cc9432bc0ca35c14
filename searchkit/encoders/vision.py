"""The image tower of `pocket` and of every folder that `searchkit train` wrote."""

from __future__ import annotations

import json
from pathlib import Path

from searchkit.encoders.checkpoint import read_into
from searchkit.encoders.device import Placement, placement
from searchkit.encoders.image import ImageTower, Preprocess, triple
from searchkit.encoders.towers import TEMPERATURE
from searchkit.errors import BadInput, ModelMissing
from searchkit.models.image_towers import ImageConfig, ImageNetwork, image_network, read_config
from searchkit.models.inverted import InvertedConfig
from searchkit.types import Runtime

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess(config: ImageConfig) -> Preprocess:
    """Squashes the whole picture to a square: nothing at the borders is lost, and the captioned pictures that
    the tower learned from were squashed too."""
    mean, std = MEAN, STD
    if isinstance(config, InvertedConfig):
        mean, std = triple(config.mean), triple(config.std)
    return Preprocess(config.pixels, mean, std, "squash", reducing_gap=3.0)


class TrainedTower(ImageTower):
    """The image tower of a folder, whose weights are read at the first call.

    Raises `ModelMissing` for a folder without a tower, `BadInput` for one whose files are of another kind.
    """

    def __init__(self, folder: Path, where: Placement | None = None) -> None:
        self.folder = folder
        if not (folder / "config.json").is_file() or not (folder / "model.safetensors").is_file():
            raise ModelMissing(
                f"no image tower in {folder}: config.json or model.safetensors is missing",
                hint="name a folder that 'searchkit train' wrote",
            )
        try:
            described = json.loads((folder / "config.json").read_text("utf-8"))
            self.config, self.family = read_config(described["tower"]), str(described["family"])
            self.temperature = float(described.get("temperature", TEMPERATURE))
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"{folder / 'config.json'} does not describe an image tower ({error!r})",
                hint="name a folder that 'searchkit train' wrote",
            ) from error
        where = where or placement(Runtime())
        super().__init__(preprocess(self.config), self._load, where, dim=self.config.dim)

    def _load(self) -> ImageNetwork:
        return read_into(image_network(self.config), self.folder / "model.safetensors")
