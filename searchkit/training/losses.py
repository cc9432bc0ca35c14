"""Losses as pure functions of vectors; tests hold each to its formula written out by hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SAME_TEXT = 0.99
"""Texts closer than this say the same thing: they are no negatives of each other."""


def info_nce(images: Tensor, texts: Tensor, scale: Tensor | float, bank: Tensor | None = None) -> Tensor:
    """InfoNCE, mean of both directions, with unit rows `images` and `texts` (b, dim):

        L = ½ [ CE(s·I·[T; K]ᵀ, diag) + CE(s·T·Iᵀ, diag) ],   s = 1/τ

    `bank` K (m, dim) adds negatives to the image → text direction; it costs one product when the text
    tower is locked. A negative whose text says the same as the row's own is left out of the sum.
    """
    own = torch.arange(len(images))
    same = texts @ texts.T > SAME_TEXT
    same.fill_diagonal_(False)
    logits = (scale * images @ texts.T).masked_fill(same, float("-inf"))  # (b, b)
    to_image = F.cross_entropy(logits.T, own)
    if bank is not None:
        extra = scale * images @ bank.T  # (b, m)
        extra = extra.masked_fill(texts @ bank.T > SAME_TEXT, float("-inf"))
        logits = torch.cat([logits, extra], dim=1)
    return 0.5 * (F.cross_entropy(logits, own) + to_image)


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """mean(1 − cos(student, teacher)) over rows of two (b, dim) tensors."""
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()
