"""How Jina CLIP's pictures are prepared, as the processor of either version says it in its own words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.image import Preprocess, from_processor
from searchkit.errors import BadInput

FILE = "preprocessor_config.json"
OWN = {"resize_mode", "interpolation", "mean", "std"}
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""OpenAI's, which the model's own processor takes where its file names none."""
FILTERS = {"bicubic": 3, "bilinear": 2}
"""By Pillow's numbers."""


def preprocess(found: Checkpoint, pixels: int) -> Preprocess:
    """What a checkpoint's preprocessor_config.json says, in Jina's own words or in Hugging Face's.

    Raises `BadInput` for one that cannot be followed exactly, or that is not for a network of `pixels`.
    """
    config = found.json(FILE)
    colours = {
        "image_mean": _channels(config.get("mean") or config.get("image_mean") or MEAN),
        "image_std": _channels(config.get("std") or config.get("image_std") or STD),
    }
    try:
        own = _translated(config) if OWN & config.keys() else config
        return replace(from_processor({**own, **colours}, pixels=pixels), round_crop=True)
    except BadInput as error:
        raise BadInput(f"{found.name}: {error}", hint=error.hint) from error


def _channels(values: float | Sequence[float]) -> Sequence[float]:
    return [values] * 3 if isinstance(values, int | float) else values


def _translated(config: Mapping[str, Any]) -> dict[str, Any]:
    """Jina's size, resize_mode and interpolation in Hugging Face's words."""
    size = config.get("size", 224)
    side = size[0] if isinstance(size, Sequence) and len(set(size)) == 1 else size
    mode, by = config.get("resize_mode") or "shortest", config.get("interpolation") or "bicubic"
    if mode not in ("shortest", "squash") or by not in FILTERS or not isinstance(side, int):
        raise BadInput(
            f"{FILE} asks for size {size}, resize_mode {mode!r} and interpolation {by!r}",
            hint=f"what can be followed: one side, 'shortest' or 'squash', {' or '.join(map(repr, FILTERS))}",
        )
    fit = {"shortest_edge": side} if mode == "shortest" else {"height": side, "width": side}
    return {"size": fit, "crop_size": side, "resample": FILTERS[by]}
