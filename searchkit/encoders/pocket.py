"""`pocket`, and every folder that `searchkit train` wrote: MiniLM's text tower and a small image tower of our
own in MiniLM's 384-dimensional space. They differ in their weights alone."""

from __future__ import annotations

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import learned_minilm, minilm
from searchkit.encoders.towers import TwoTowers
from searchkit.encoders.trained import record_and_space
from searchkit.encoders.vision import TrainedTower
from searchkit.types import EncoderRecord

TEXT = "text.safetensors"
"""The weights of a trained text tower; a folder without them has MiniLM's own."""


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a folder. Raises `ModelMissing` and `BadInput` as `TrainedTower` does."""
    _ = checkpoint.weight_files  # raises for weights that are only a pickle
    own = checkpoint.folder / TEXT if checkpoint.has(TEXT) else None
    images = TrainedTower(checkpoint.folder, where)
    record, space = record_and_space(
        checkpoint, images.family, dim=images.config.dim, pixels=images.config.pixels, text=own
    )
    text = minilm(where) if own is None else learned_minilm(own, checkpoint.json().get("text", {}), where)
    return TwoTowers(record, space, text, images, lambda: images.temperature)
