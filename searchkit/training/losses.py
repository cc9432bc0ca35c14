"""The losses of all training, pure functions of vectors; tests hold each to its formula written out by
hand."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SAME_TEXT = 0.99
"""Cosine above which texts say the same thing: they are no negatives of each other."""


def info_nce(images: Tensor, texts: Tensor, scale: Tensor | float, bank: Tensor | None = None) -> Tensor:
    """InfoNCE, mean of both directions, with unit rows `images` and `texts` (b, dim):

        L = ½ [ CE(s·I·[T; K]ᵀ, diag) + CE(s·T·Iᵀ, diag) ],   s = 1/τ

    `bank` K (m, dim) adds negatives to the image → text direction; it costs one product when the text
    tower is locked. A negative whose text says the same as the row's own is left out of the sum.
    """
    own = torch.arange(len(images), device=images.device)
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
    """The mean of 1 − cos(student, teacher) over the rows of two (b, dim) tensors."""
    return (1 - F.cosine_similarity(student, teacher, dim=-1)).mean()


def nce(queries: Tensor, positives: Tensor, scale: Tensor | float, same: Tensor | None = None) -> Tensor:
    """InfoNCE as the *sum* of both directions, over unit rows (b, dim) of which row i belongs to row i:

        L = CE(S, diag) + CE(Sᵀ, diag),   S = s·Q·Pᵀ,   s = 1/τ

    `same` (b, b) bool marks pairs that are right too, or might be: no negatives of each other.
    """
    return nce_plus(queries, positives, queries.new_zeros(len(queries), 0, queries.shape[1]), scale, same)


def nce_plus(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    scale: Tensor | float,
    same: Tensor | None = None,
    there: Tensor | None = None,
    *,
    bank: Tensor | None = None,
    likely: Tensor | None = None,
) -> Tensor:
    """InfoNCE with hard negatives N (b, h, dim): each query sees all positives and negatives of the batch,

        L = mean_i −log e^{S_ii} / Σ_k (e^{S_ik} + Σ_j e^{s·q_i·n_kj})  +  CE(Sᵀ, diag)

    The way back has none. `there` (b, h) bool says which negatives there are, where rows have fewer than h.
    `bank` (m, dim) holds more that every query sees, save those that are `likely` (b, m) right for it.
    """
    own = torch.arange(len(queries), device=queries.device)
    scores = scale * queries @ positives.T  # (b, dim) @ (dim, b) -> (b, b)
    if same is not None:
        others = same & ~torch.eye(len(queries), dtype=torch.bool, device=queries.device)
        scores = scores.masked_fill(others, float("-inf"))
    hard = scale * queries @ negatives.flatten(0, 1).T  # (b, dim) @ (dim, b·h) -> (b, b·h)
    if there is not None:
        hard = hard.masked_fill(~there.flatten(), float("-inf"))
    seen = [scores, hard]
    if bank is not None:
        more = scale * queries @ bank.T  # (b, m)
        seen.append(more if likely is None else more.masked_fill(likely, float("-inf")))
    return F.cross_entropy(torch.cat(seen, dim=1), own) + F.cross_entropy(scores.T, own)
