"""A table of vectors."""

from __future__ import annotations

from torch import nn


class Embedding(nn.Embedding):
    """torch's, left alone on the device "meta": to fill there what holds nothing, torch imports its compiler,
    which takes longer than to read the weights that come instead."""

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()
