"""`pocket`: MiniLM's text tower and a small ViT of our own in MiniLM's 384-dimensional space.

The bundled image tower, and any folder that `searchkit train` wrote, differ in their weights alone.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import SHA256, WINDOW, learned_minilm, minilm
from searchkit.encoders.records import licence
from searchkit.encoders.towers import TwoTowers
from searchkit.encoders.vision import ViTTower
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
TEXT_MEGABYTES = 90.9
TEXT = "text.safetensors"
"""A text tower that has learned; where a folder has none, MiniLM's own."""


def bundled_folder() -> Path:
    return Path(str(resources.files("searchkit") / "weights" / "pocket"))


def load(found: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a folder. Raises `ModelMissing` and `BadInput` as `ViTTower` does."""
    own = found.folder / TEXT if found.has(TEXT) else None
    megabytes = found.megabytes + (TEXT_MEGABYTES if own is None else own.stat().st_size / 1e6)
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
    text_sha256 = SHA256 if own is None else hashlib.sha256(own.read_bytes()).hexdigest()
    both = hashlib.sha256(f"{text_sha256} {images.sha256}".encode()).hexdigest()
    space = Space(found.name, both, PREPROCESSING, record.dim)
    text = minilm(where) if own is None else learned_minilm(own, found.json().get("text", {}), where)
    return TwoTowers(record, space, text, images, lambda: images.temperature)
