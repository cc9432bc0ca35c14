"""The trace of a search: what `--explain` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from searchkit.types import Candidate


@dataclass(slots=True)
class Trace:
    """The plan, times and lists of one search, which fills the trace that it is given."""

    plan: dict[str, str] = field(default_factory=dict)
    """How the nearest of each kind were found, in words."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """The time that each step took."""
    legs: dict[str, dict[str, tuple[int, float]]] = field(default_factory=dict)
    """The (rank from 1, score) of each item id, for each leg: "meaning", "text", "name", "rerank"."""

    def leg(self, name: str, candidates: Sequence[Candidate]) -> None:
        """Keep the candidates of a leg, the best first."""
        self.legs[name] = {c.item.id: (rank, c.score) for rank, c in enumerate(candidates, start=1)}

    def of(self, item_id: str) -> dict[str, tuple[int, float]]:
        """The (rank, score) of an item in each leg that found it."""
        return {name: places[item_id] for name, places in self.legs.items() if item_id in places}


@contextmanager
def _timed(trace: Trace, step: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    trace.milliseconds[step] = trace.milliseconds.get(step, 0.0) + 1000 * (time.perf_counter() - began)


def timed(trace: Trace | None, step: str) -> AbstractContextManager[None]:
    """Add the time that the block takes to a step of the trace; without a trace, nothing is measured."""
    return nullcontext() if trace is None else _timed(trace, step)
