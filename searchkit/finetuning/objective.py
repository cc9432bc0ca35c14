"""What a step is worth: text with text and text with pictures, summed; and its gradient, of a batch that
need not be in memory at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.finetuning.couples import Couples, pixels_of
from searchkit.finetuning.locked import Locked
from searchkit.finetuning.plan import Plan
from searchkit.finetuning.towers import Towers
from searchkit.training.losses import nce_plus

SAME_AS_RIGHT = 0.98
"""Of a bank, what is closer than this to the right answer may be right too."""


@dataclass(frozen=True, slots=True)
class Part:
    """One batch of one data set: `asked` (b) texts with `found`, (b) texts or (b, p, p, 3) uint8; or either
    as the (b, dim) vectors that a locked tower gives."""

    asked: Any
    found: Any
    negatives: Sequence[str]
    """h of each text, one after another: b·h, of which…"""
    there: Tensor
    """…(b, h) bool are there; the others only fill up."""
    same: Tensor
    """(b, b) bool: whose texts or answers are equal."""
    bank: Tensor | None = None
    """(m, dim) that go with none of the batch, or nearly none: vectors as a locked tower gives them."""


def part_of(
    couples: Couples, rows: Any, towers: Towers, locked: Locked | None = None, *, step: int = 0
) -> Part:
    """The batch of these rows, with the vectors that are `locked`, and of these a bank for this step."""
    asked = None if locked is None else locked.asked(couples, rows)
    found: Any = None if locked is None else locked.found(couples, rows)
    hard = towers.plan.hard if couples.negatives else 0
    wrong = [list(couples.negatives[row])[:hard] if hard else [] for row in rows]
    rows_there = [[n < len(some) for n in range(hard)] for some in wrong]
    there = torch.tensor(rows_there, dtype=torch.bool).view(len(wrong), hard)
    if found is None:
        found = [couples.answers[row] for row in rows]
        found = torch.from_numpy(pixels_of(found, towers.prepare)) if couples.has_pictures else found
    return Part(
        [couples.texts[row] for row in rows] if asked is None else asked,
        found,
        [text for some in wrong for text in [*some, *[""] * (hard - len(some))]],
        there,
        torch.from_numpy(couples.same(rows)),
        None if locked is None else locked.bank(couples, step),
    )


def matryoshka(loss: Callable[..., Tensor], dims: Sequence[int], *vectors: Tensor) -> Tensor:
    """Σ_d loss of the first d dimensions, each brought to unit length again; with no dims, of all."""
    if not dims:
        return loss(*vectors)
    total = [loss(*(F.normalize(one[..., :dim], dim=-1) for one in vectors)) for dim in dims]
    return torch.stack(total).sum()


def loss_of(part: Part, vectors: Mapping[str, Tensor], scale: Tensor | float, plan: Plan) -> Tensor:
    """Both directions' InfoNCE of one part, with its hard negatives and bank, at every Matryoshka width."""
    asked = vectors["asked"]
    same, there = part.same.to(asked.device), part.there.to(asked.device)
    hard = vectors.get("negatives")
    hard = asked.new_zeros(0, asked.shape[1]) if hard is None else hard
    negatives = hard.view(len(asked), part.there.shape[1], asked.shape[1])  # (b·h, dim) -> (b, h, dim)

    turned = part.bank is not None and isinstance(part.asked, Tensor)  # then the bank is of texts

    def loss(queries: Tensor, positives: Tensor, wrong: Tensor, bank: Tensor | None = None) -> Tensor:
        if bank is None:
            return nce_plus(queries, positives, wrong, scale, same, there)
        first, second = (positives, queries) if turned else (queries, positives)
        likely = second @ bank.T >= SAME_AS_RIGHT  # (b, m): of the same tower
        return nce_plus(first, second, wrong, scale, same, there, bank=bank, likely=likely)

    more = () if part.bank is None else (part.bank.to(asked.device),)
    return matryoshka(loss, plan.matryoshka, asked, vectors["found"], negatives, *more)


def backward(towers: Towers, text: Part | None = None, images: Part | None = None) -> Tensor:
    """The loss of a step, its gradient added to the parameters': text (τ fixed) + images (τ learned)."""
    losses = []
    for part, fixed in ((text, 1 / towers.plan.text_temperature), (images, None)):
        if part is not None:
            losses.append(_backward(towers, part, fixed))
    return torch.stack(losses).sum()


def _backward(towers: Towers, part: Part, fixed: float | None) -> Tensor:
    """With `chunk`, in two passes (gradient caching): first all vectors without a graph, and the loss's
    gradient of them; then the vectors again, chunk by chunk, each with the gradient that it is owed."""
    plan = towers.plan
    columns = {"asked": part.asked, "found": part.found}
    if len(part.negatives):
        columns["negatives"] = part.negatives

    def scale() -> Tensor | float:
        return towers.scale if fixed is None else fixed

    if not plan.chunk:
        loss = loss_of(part, {name: towers.embed(some) for name, some in columns.items()}, scale(), plan)
        if loss.requires_grad:
            loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()
    kept = {}
    with torch.no_grad():
        for name, some in columns.items():
            kept[name] = torch.cat(
                [towers.embed(some[at : at + plan.chunk]) for at in range(0, len(some), plan.chunk)]
            )
    leaves = {name: one.requires_grad_() for name, one in kept.items()}
    loss = loss_of(part, leaves, scale(), plan)
    loss.backward()  # type: ignore[no-untyped-call]
    for name, some in columns.items():
        for at in range(0, len(some), plan.chunk):
            owed = leaves[name].grad
            vectors = towers.embed(some[at : at + plan.chunk])
            if owed is not None and vectors.requires_grad:
                vectors.backward(owed[at : at + plan.chunk])  # type: ignore[no-untyped-call]
    return loss.detach()
