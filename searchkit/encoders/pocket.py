"""`pocket`: MiniLM's text tower and a small image tower of our own in MiniLM's 384-dimensional space.

The bundled image tower, and any folder that `searchkit train` wrote, differ in their weights alone.
"""

from __future__ import annotations

from searchkit.encoders.bundled import record_and_space
from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import learned_minilm, minilm
from searchkit.encoders.towers import TwoTowers
from searchkit.encoders.vision import TrainedTower
from searchkit.types import EncoderRecord

TEXT = "text.safetensors"
"""A text tower that has learned; where a folder has none, MiniLM's own."""


def load(found: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a folder. Raises `ModelMissing` and `BadInput` as `TrainedTower` does."""
    _ = found.weight_files  # where they are a pickle, this says so
    own = found.folder / TEXT if found.has(TEXT) else None
    images = TrainedTower(found.folder, where)
    record, space = record_and_space(
        found, images.family, dim=images.config.dim, pixels=images.config.pixels, text=own
    )
    text = minilm(where) if own is None else learned_minilm(own, found.json().get("text", {}), where)
    return TwoTowers(record, space, text, images, lambda: images.temperature)
