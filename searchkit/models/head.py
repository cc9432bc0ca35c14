"""The head that all image towers share which `searchkit train` makes."""

from __future__ import annotations

from torch import nn


def two_layer_head(width: int, dim: int, hidden: int = 0) -> nn.Sequential:
    """Projects a pooled trunk, (b, width), into the space, (b, dim); `hidden` 0 is twice `dim`."""
    hidden = hidden or 2 * dim
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, dim))
