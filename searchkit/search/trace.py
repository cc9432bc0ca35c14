"""How a search went: what `--explain` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from searchkit.types import Candidate


@dataclass(slots=True)
class Trace:
    """Filled by a search that it is given to."""

    plan: dict[str, str] = field(default_factory=dict)
    """By kind: how its nearest were found, in words."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """By step."""
    legs: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)
    """By leg ("meaning", "text", "name", "rerank"): item id → (rank from 1, score)."""

    def leg(self, name: str, found: Sequence[Candidate]) -> None:
        self.legs[name] = {c.item.id: (rank, c.score) for rank, c in enumerate(found, start=1)}

    def of(self, item_id: str) -> dict[str, tuple[int, float]]:
        """Where each leg that found an item had it: (rank, score)."""
        return {name: found[item_id] for name, found in self.legs.items() if item_id in found}


@contextmanager
def _timed(trace: Trace, step: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    trace.milliseconds[step] = trace.milliseconds.get(step, 0.0) + 1000 * (time.perf_counter() - began)


def timed(trace: Trace | None, step: str) -> AbstractContextManager[None]:
    """Adds what happens within to a step of the trace; without one, nothing is measured."""
    return nullcontext() if trace is None else _timed(trace, step)
