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
"""The metric that decides: of the usual ones, it tells most of the first page of results."""

Scores = Mapping[str, Mapping[str, float]]
"""Question → metric → score, as `score_queries` returns them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric before and after; [low, high] holds 95 % of the resampled mean differences."""

    before: float
    after: float
    low: float
    high: float

    @property
    def better(self) -> bool:
        """Whether the improvement is significant: the whole interval lies above 0."""
        return self.low > 0

    def to_json(self) -> dict[str, float]:
        plain = {"before": self.before, "after": self.after, "low": self.low, "high": self.high}
        return {name: round(value, 6) for name, value in plain.items()}


def paired_bootstrap(
    before: Sequence[float], after: Sequence[float], *, resamples: int = RESAMPLES, seed: int = 0
) -> Difference:
    """The means of both, and the 95 % interval of the mean difference by the paired bootstrap.

    Questions are drawn with replacement, `resamples` times. Raises `BadInput` where there is nothing to
    compare.

    >>> paired_bootstrap([0.0, 0.5, 1.0], [0.5, 1.0, 1.0]).better
    False
    """
    a, b = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if len(a) != len(b) or not len(a):
        raise BadInput(f"{len(a)} and {len(b)} scores cannot be compared", hint="measure the same questions")
    # many resamples at a time, in bounded memory
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
    """The difference in each metric, over the questions that both answered; see `paired_bootstrap`."""
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
    """Questions and items as vectors, and which items answer which question."""

    queries: Vectors
    """The questions, (n, dim)."""
    items: Vectors
    """The items that can be found, (m, dim)."""
    right: Sequence[Sequence[int]]
    """The rows of `items` that answer each question: n lists, none empty."""
    own: Sequence[int] = ()
    """The row that is each question itself and no answer; -1 where it is not among the items."""
    starts: np.ndarray | None = None
    """The first row of each answer, where an answer has several rows, as for `nearest`; `right` then counts
    answers."""

    def scores(self, queries: Vectors | None = None) -> dict[str, dict[str, float]]:
        """The metrics of each question by exact search; `queries`, (n, dim), replace its vectors if given."""
        vectors = self.queries if queries is None else queries
        ids = [str(i) for i in range(len(self.items) if self.starts is None else len(self.starts))]
        ranked = list(nearest(vectors, self.items, ids=ids, k=max(CUTS) + 1, starts=self.starts))
        for hits, own in zip(ranked, self.own, strict=bool(self.own)):
            hits.pop(str(own), None)
        names = [str(i) for i in range(len(vectors))]
        qrels = {name: {str(i): 1 for i in rows} for name, rows in zip(names, self.right, strict=True)}
        return score_queries(dict(zip(names, ranked, strict=True)), qrels, CUTS)

    def mean(self, metric: str = PRIMARY, queries: Vectors | None = None) -> float:
        """The mean of a metric over the questions; see `scores`."""
        return float(np.mean([score[metric] for score in self.scores(queries).values()]))


def rows(differences: Mapping[str, Difference]) -> list[tuple[str, ...]]:
    """The rows of a table: name, before, after, difference and its interval, a metric a row."""
    return [
        (
            name,
            f"{metric.before:.4f}",
            f"{metric.after:.4f}",
            f"{metric.after - metric.before:+.4f}",
            f"{metric.low:+.4f} … {metric.high:+.4f}",
        )
        for name, metric in differences.items()
    ]


def to_json(differences: Mapping[str, Difference]) -> dict[str, Any]:
    """The differences as plain JSON, by metric."""
    return {name: metric.to_json() for name, metric in differences.items()}
