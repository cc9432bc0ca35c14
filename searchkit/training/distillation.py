"""The loss of multi-modal reinforced training, as MobileCLIP has it: the student learns the teachers'
similarities.

    L = Σ over real and synthetic texts of (1 − λ)·InfoNCE + λ·½(D + D'),
    D = mean over teachers k and pictures i of KL(softmax(T_k[i]/τ_k) ‖ softmax(s·S[i]))

and D' the same from text to picture. S and T_k are similarities of pictures and texts in the student's and
in teacher k's space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.training.losses import info_nce


@dataclass(frozen=True, slots=True)
class Taught:
    """A batch, and perhaps a bank of further texts, in one teacher's space, as unit rows."""

    images: Tensor  # (b, d)
    texts: Tensor  # (b, d)
    temperature: float
    known: Tensor | None = None
    """(b,) bool: the pairs that this teacher has seen; None is all."""
    bank: Tensor | None = None
    """(m, d), the texts of the student's bank in the same order."""


def mean_kl(
    images: Tensor, texts: Tensor, scale: Tensor | float, taught: Sequence[Taught], bank: Tensor | None = None
) -> Tensor:
    """½(D + D') of unit rows (b, dim). From picture to text, the bank counts too for teachers that have
    it."""
    total = images.new_zeros(())
    for teacher in taught:
        rows = slice(None) if teacher.known is None else teacher.known
        seen, described = images[rows], texts[rows]
        if not len(seen):
            continue
        targets = teacher.images[rows] @ teacher.texts[rows].T / teacher.temperature
        logits = scale * seen @ described.T
        back = _kl(targets.T, logits.T)
        if bank is not None and teacher.bank is not None:
            targets = torch.cat([targets, teacher.images[rows] @ teacher.bank.T / teacher.temperature], dim=1)
            logits = torch.cat([logits, scale * seen @ bank.T], dim=1)
        total = total + 0.5 * (_kl(targets, logits) + back)
    return total / max(1, len(taught))


def reinforced(
    images: Tensor,
    texts: Tensor,
    scale: Tensor | float,
    taught: Sequence[Taught],
    *,
    weight: float,
    bank: Tensor | None = None,
) -> Tensor:
    """The loss (1 − λ)·InfoNCE + λ·½(D + D') of real or of synthetic texts; `weight` is λ."""
    if weight == 0 or not taught:
        return info_nce(images, texts, scale, bank)
    distilled = mean_kl(images, texts, scale, taught, bank)
    if weight == 1:
        return distilled
    return (1 - weight) * info_nce(images, texts, scale, bank) + weight * distilled


def _kl(targets: Tensor, logits: Tensor) -> Tensor:
    """The mean over rows of KL(softmax(targets) ‖ softmax(logits)), both (b, n)."""
    return F.kl_div(
        F.log_softmax(logits, dim=1), F.log_softmax(targets, dim=1), reduction="batchmean", log_target=True
    )
