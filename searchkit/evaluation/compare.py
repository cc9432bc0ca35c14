"""Two ways of answering the same questions, compared question by question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from searchkit.errors import BadInput
from searchkit.evaluation.metrics import nearest, score_queries
from searchkit.types import Vectors

RESAMPLES = 10_000
CUTS = (1, 5, 10)
PRIMARY = "ndcg@10"
"""The metric that decides: of the usual ones, it says most about the first page of results."""

Scores = Mapping[str, Mapping[str, float]]
"""Question → metric → score, as `score_queries` gives."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric, before and after; [low, high] holds 95 % of the resampled mean differences."""

    before: float
    after: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether chance alone would hardly make it so much better."""
        return self.low > 0

    def to_json(self) -> dict[str, float]:
        plain = {"before": self.before, "after": self.after, "low": self.low, "high": self.high}
        return {name: round(value, 6) for name, value in plain.items()}


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """The mean of each, and the 95 % interval of the mean difference when questions are drawn again, with
    replacement, `resamples` times. Raises `BadInput` where there is nothing to compare.

    >>> paired_bootstrap([0.0, 0.5, 1.0], [0.5, 1.0, 1.0]).better
    False
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if len(a) != len(b) or not len(a):
        raise BadInput(f"{len(a)} and {len(b)} scores cannot be compared", hint="measure the same questions")
    # a resample decides only how often each question is drawn: many rows at once, in bounded memory
    rng = np.random.default_rng(seed)
    block = max(1, (1 << 22) // len(a))
    means = np.concatenate(
        [
            (b - a)[rng.integers(0, len(a), (min(block, resamples - first), len(a)))].mean(axis=1)
            for first in range(0, resamples, block)
        ]
    )
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(float(a.mean()), float(b.mean()), float(low), float(high))


def compare(before: Scores, after: Scores, *, seed: int = 0) -> dict[str, Difference]:
    """Each metric, over the questions that both answered; see `paired_bootstrap`."""
    both = [question for question in before if question in after]
    if not both:
        raise BadInput("no question was measured both times", hint="measure the same questions")
    names = [name for name in before[both[0]] if name in after[both[0]]]
    return {
        name: paired_bootstrap(
            [before[question][name] for question in both],
            [after[question][name] for question in both],
            seed=seed,
        )
        for name in names
    }


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Questions as vectors, what is to be found, and which is right; before any map."""

    queries: Vectors
    """(n, dim)."""
    items: Vectors
    """(m, dim)."""
    right: Sequence[Sequence[int]]
    """Of each question, the rows of `items` that answer it: n lists, none empty."""
    own: Sequence[int] = ()
    """Of each question, the row that is the question itself and no answer; -1 where it is not there."""
    starts: np.ndarray | None = None
    """As for `nearest`: where an answer has several rows, the first row of each. `right` then counts
    answers."""

    def scores(self, queries: Vectors | None = None) -> dict[str, dict[str, float]]:
        """The metrics of each question, searched exactly; with other vectors for the questions if given."""
        asked = self.queries if queries is None else queries
        ids = [str(i) for i in range(len(self.items) if self.starts is None else len(self.starts))]
        found = list(nearest(asked, self.items, ids=ids, k=max(CUTS) + 1, starts=self.starts))
        for hits, own in zip(found, self.own, strict=bool(self.own)):
            hits.pop(str(own), None)
        names = [str(i) for i in range(len(asked))]
        qrels = {name: {str(i): 1 for i in some} for name, some in zip(names, self.right, strict=True)}
        return score_queries(dict(zip(names, found, strict=True)), qrels, CUTS)

    def mean(self, metric: str = PRIMARY, queries: Vectors | None = None) -> float:
        return float(np.mean([one[metric] for one in self.scores(queries).values()]))


def rows(found: Mapping[str, Difference]) -> list[tuple[str, ...]]:
    """A line a metric, for a table: name, before, after, difference and its interval."""
    return [
        (
            name,
            f"{one.before:.4f}",
            f"{one.after:.4f}",
            f"{one.after - one.before:+.4f}",
            f"{one.low:+.4f} … {one.high:+.4f}",
        )
        for name, one in found.items()
    ]


def to_json(found: Mapping[str, Difference]) -> dict[str, Any]:
    return {name: one.to_json() for name, one in found.items()}
