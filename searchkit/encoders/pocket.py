"""`pocket`: MiniLM's text tower and a small ViT of our own in MiniLM's 384-dimensional space.

The bundled image tower, and any folder that `searchkit train` wrote, differ in their weights alone.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import SHA256, WINDOW, minilm
from searchkit.encoders.records import licence
from searchkit.encoders.towers import TwoTowers
from searchkit.encoders.vision import ViTTower
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
TEXT_MEGABYTES = 90.9


def bundled_folder() -> Path:
    return Path(str(resources.files("searchkit") / "weights" / "pocket"))


def load(found: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a folder. Raises `ModelMissing` and `BadInput` as `ViTTower` does."""
    megabytes = found.megabytes + TEXT_MEGABYTES
    images = ViTTower(found.folder, where)
    name, restricted = licence(found, "Apache-2.0")
    record = EncoderRecord(
        name=found.name,
        dim=images.config.dim,
        licence=name,
        languages="English",
        text_window=WINDOW,
        pixels=images.config.pixels,
        megabytes=round(megabytes, 1),
        family=images.family,
        source="bundled" if found.folder == bundled_folder() else str(found.folder),
        restricted=restricted,
    )
    both = hashlib.sha256(f"{SHA256} {images.sha256}".encode()).hexdigest()
    space = Space(found.name, both, PREPROCESSING, record.dim)
    return TwoTowers(record, space, minilm(where), images, lambda: images.temperature)
