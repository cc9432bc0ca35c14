"""How fast a run learns at each of its steps."""

from __future__ import annotations

import math
from typing import Protocol


class Pace(Protocol):
    @property
    def rate(self) -> float: ...

    @property
    def warmup(self) -> int: ...


def learning_rate(step: int, total: int, options: Pace) -> float:
    """Linear to `rate` over `warmup` steps, then half a cosine to zero."""
    if step < options.warmup:
        return options.rate * (step + 1) / options.warmup
    done = (step - options.warmup) / max(1, total - options.warmup)
    return options.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
