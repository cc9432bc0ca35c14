"""How fast the weights of every training run move: the learning rate of a step, and which weights decay."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Protocol

from torch import Tensor


class Pace(Protocol):
    """The part of a recipe that says how fast a run learns."""

    @property
    def rate(self) -> float: ...

    @property
    def warmup(self) -> int: ...


def learning_rate(step: int, total: int, options: Pace) -> float:
    """The rate at a step, counted from 0: linear to `rate` over `warmup` steps, then half a cosine to
    zero."""
    if step < options.warmup:
        return options.rate * (step + 1) / options.warmup
    return options.rate * half_cosine((step - options.warmup) / max(1, total - options.warmup))


def half_cosine(done: float) -> float:
    """½(1 + cos π·done): from 1 to 0 while `done`, the share of the steps, goes from 0 to 1.

    >>> half_cosine(0.0), half_cosine(1.0)
    (1.0, 0.0)
    """
    return 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def decay_groups(named: Iterable[tuple[str, Tensor]], weight_decay: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimiser: only matrices decay, not biases, norms, positions and the scale."""
    groups: tuple[list[Tensor], list[Tensor]] = ([], [])
    for name, value in named:
        groups[0 if value.ndim >= 2 and "position" not in name else 1].append(value)
    matrices, others = groups
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
