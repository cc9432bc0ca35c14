"""The head that all image towers share which `searchkit train` makes."""

from __future__ import annotations

from torch import nn


def two_layer_head(width: int, dim: int) -> nn.Sequential:
    """Projects a pooled trunk, (b, width), into the space, (b, dim)."""
    return nn.Sequential(nn.Linear(width, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
