"""An embedding table that is cheap to make without weights."""

from __future__ import annotations

from torch import nn


class Embedding(nn.Embedding):
    """`nn.Embedding` that is not initialised on the device "meta".

    To fill a tensor there, which holds nothing, torch imports its compiler, and that takes longer than
    reading the weights that replace it.
    """

    def reset_parameters(self) -> None:
        if not self.weight.is_meta:
            super().reset_parameters()
