"""How Jina CLIP's pictures are prepared, by the preprocessor_config.json of either version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.image import CLIP_MEAN, CLIP_STD, Preprocess, from_processor, triple
from searchkit.errors import BadInput

FILE = "preprocessor_config.json"
OWN = {"resize_mode", "interpolation", "mean", "std"}
FILTERS = {"bicubic": 3, "bilinear": 2}
"""Pillow's number of each filter."""


def preprocess(checkpoint: Checkpoint, pixels: int) -> Preprocess:
    """The preparation that preprocessor_config.json describes, in Jina's own keys or in Hugging Face's.

    Raises `BadInput` for one that cannot be followed exactly, or that is not for a network of `pixels`.
    """
    config = checkpoint.json(FILE)
    colours = {
        "image_mean": triple(config.get("mean") or config.get("image_mean") or CLIP_MEAN),
        "image_std": triple(config.get("std") or config.get("image_std") or CLIP_STD),
    }
    try:
        own = _translated(config) if OWN & config.keys() else config
        return replace(from_processor({**own, **colours}, pixels=pixels), round_crop=True)
    except BadInput as error:
        raise BadInput(f"{checkpoint.name}: {error}", hint=error.hint) from error


def _translated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Jina's size, resize_mode and interpolation in Hugging Face's keys."""
    size = config.get("size", 224)
    side = size[0] if isinstance(size, Sequence) and len(set(size)) == 1 else size
    mode, resample = config.get("resize_mode") or "shortest", config.get("interpolation") or "bicubic"
    if mode not in ("shortest", "squash") or resample not in FILTERS or not isinstance(side, int):
        raise BadInput(
            f"{FILE} asks for size {size}, resize_mode {mode!r} and interpolation {resample!r}",
            hint=f"what can be followed: one side, 'shortest' or 'squash', {' or '.join(map(repr, FILTERS))}",
        )
    fit = {"shortest_edge": side} if mode == "shortest" else {"height": side, "width": side}
    return {"size": fit, "crop_size": side, "resample": FILTERS[resample]}
