"""The loss of a step: texts with texts and texts with pictures, summed; and its gradient, of a batch that
need not be in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.finetuning.batches import PairBatch
from searchkit.finetuning.plan import Plan
from searchkit.finetuning.towers import Towers
from searchkit.training.losses import nce_plus

SAME_AS_RIGHT = 0.98
"""Cosine to the right answer from which an item of a bank may be right too."""


def matryoshka(loss: Callable[..., Tensor], dims: Sequence[int], *vectors: Tensor) -> Tensor:
    """Σ_d loss of the first d dimensions, each brought to unit length again; without dims, the loss of
    all."""
    if not dims:
        return loss(*vectors)
    total = [loss(*(F.normalize(rows[..., :dim], dim=-1) for rows in vectors)) for dim in dims]
    return torch.stack(total).sum()


def loss_of(batch: PairBatch, vectors: Mapping[str, Tensor], scale: Tensor | float, plan: Plan) -> Tensor:
    """Both directions' InfoNCE of one batch, with its hard negatives and bank, at every Matryoshka width.

    `vectors` are the columns of the batch embedded: (b, dim), the negatives (b·h, dim).
    """
    asked = vectors["asked"]
    same, there = batch.same.to(asked.device), batch.there.to(asked.device)
    hard = vectors.get("negatives")
    hard = asked.new_zeros(0, asked.shape[1]) if hard is None else hard
    negatives = hard.view(len(asked), batch.there.shape[1], asked.shape[1])  # (b·h, dim) -> (b, h, dim)

    turned = batch.bank is not None and isinstance(batch.asked, Tensor)  # then the bank is of texts

    def loss(queries: Tensor, positives: Tensor, wrong: Tensor, bank: Tensor | None = None) -> Tensor:
        if bank is None:
            return nce_plus(queries, positives, wrong, scale, same, there)
        first, second = (positives, queries) if turned else (queries, positives)
        likely = second @ bank.T >= SAME_AS_RIGHT  # (b, m): of the same tower
        return nce_plus(first, second, wrong, scale, same, there, bank=bank, likely=likely)

    more = () if batch.bank is None else (batch.bank.to(asked.device),)
    return matryoshka(loss, plan.matryoshka, asked, vectors["found"], negatives, *more)


def backward(towers: Towers, text: PairBatch | None = None, images: PairBatch | None = None) -> Tensor:
    """The loss of a step, text (τ fixed) + images (τ learned); its gradient is added to the parameters'."""
    losses = []
    for batch, fixed in ((text, 1 / towers.plan.text_temperature), (images, None)):
        if batch is not None:
            losses.append(_backward(towers, batch, fixed))
    return torch.stack(losses).sum()


def _backward(towers: Towers, batch: PairBatch, fixed: float | None) -> Tensor:
    """The loss of one batch, whole or in chunks of the plan's size; `fixed` is 1/τ where it is not
    learned."""
    scale: Tensor | float = towers.scale if fixed is None else fixed
    if towers.plan.chunk:
        return _backward_in_chunks(towers, batch, scale)
    vectors = {name: towers.embed(column) for name, column in batch.columns().items()}
    loss = loss_of(batch, vectors, scale, towers.plan)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _backward_in_chunks(towers: Towers, batch: PairBatch, scale: Tensor | float) -> Tensor:
    """Gradient caching, in two passes: first all vectors without a graph, and the loss's gradient of them;
    then the vectors again, chunk by chunk, each with the gradient that it is owed."""
    size, columns = towers.plan.chunk, batch.columns()
    leaves = {}
    for name, column in columns.items():
        with torch.no_grad():
            parts = [towers.embed(column[at : at + size]) for at in range(0, len(column), size)]
            leaves[name] = torch.cat(parts)
        leaves[name].requires_grad_()
    loss = loss_of(batch, leaves, scale, towers.plan)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, column in columns.items():
        owed = leaves[name].grad
        for at in range(0, len(column), size):
            vectors = towers.embed(column[at : at + size])
            if owed is not None and vectors.requires_grad:
                vectors.backward(owed[at : at + size])  # type: ignore[no-untyped-call]
    return loss.detach()
