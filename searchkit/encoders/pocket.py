"""`pocket`: MiniLM's text tower and a small ViT of our own in MiniLM's 384-dimensional space.

The bundled image tower, and any folder that `searchkit train` wrote, differ in their weights alone.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import SHA256, WINDOW, minilm
from searchkit.encoders.towers import TwoTowers
from searchkit.encoders.vision import ViTTower
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1


def bundled_folder() -> Path:
    return Path(str(resources.files("searchkit") / "weights" / "pocket"))


def pocket(folder: Path, name: str, where: Placement) -> TwoTowers:
    """The encoder in a folder. Raises `ModelMissing` and `BadInput` as `ViTTower` does."""
    images = ViTTower(folder, where)
    record = EncoderRecord(
        name=name,
        dim=images.config.dim,
        licence="Apache-2.0",
        languages="English",
        text_window=WINDOW,
        pixels=images.config.pixels,
        megabytes=round((folder / "model.safetensors").stat().st_size / 1e6 + 90.9, 1),
        family=images.family,
        source="bundled" if folder == bundled_folder() else str(folder),
    )
    both = hashlib.sha256(f"{SHA256} {images.sha256}".encode()).hexdigest()
    space = Space(name, both, PREPROCESSING, record.dim)
    return TwoTowers(record, space, minilm(where), images, lambda: images.temperature)
