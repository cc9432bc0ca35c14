"""Retrieval metrics, and the exact ranking that they are measured on.

A *run* is what a search returned: query id -> document id -> score. *Qrels* are the judgements: query id ->
document id -> grade, where a grade above 0 is relevant. Order, gains and discounts are trec_eval's,
so the figures compare with published ones.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from searchkit.errors import BadInput
from searchkit.types import Vectors

log = logging.getLogger(__name__)

RECALL_CUTS = (1, 5, 10, 100)
DEPTH = 10
"""The rank at which nDCG and MRR stop."""
SCORES_AT_ONCE = 1 << 25
"""The number of scores that `nearest` holds at a time: 128 MiB of float32."""

Run = Mapping[str, Mapping[str, float]]
Qrels = Mapping[str, Mapping[str, int]]
Metric = Callable[[Sequence[str], Mapping[str, int], int], float]
"""Maps (ids in ranked order, grades of the query, k) to a score in [0, 1]; needs one relevant id."""


def ranking(scores: Mapping[str, float]) -> list[str]:
    """Ids by score, best first; equal scores by id descending, as in trec_eval.

    >>> ranking({"a": 0.5, "b": 0.9, "c": 0.5})
    ['b', 'c', 'a']
    """
    return sorted(scores, key=lambda key: (scores[key], key), reverse=True)


def relevant(judged: Mapping[str, int]) -> set[str]:
    """The ids with a grade above 0."""
    return {key for key, grade in judged.items() if grade > 0}


def recall_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """The share of the relevant ids in the top k: recall@k = |top k ∩ relevant| / |relevant|.

    >>> recall_at(["a", "x", "b"], {"a": 1, "b": 2}, 2)
    0.5
    """
    right = relevant(judged)
    return len(right.intersection(ranked[:k])) / len(right)


def hit_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """Whether the top k holds a relevant id: hit@k = 1 if so, else 0.

    >>> hit_at(["a", "x", "b"], {"a": 1, "b": 2}, 2)
    1.0
    """
    return float(not relevant(judged).isdisjoint(ranked[:k]))


def reciprocal_rank(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """The reciprocal rank: RR@k = 1 / rank of the first relevant id, from 1; 0 if the top k holds none.

    >>> reciprocal_rank(["x", "a", "b"], {"a": 1, "b": 1}, 10)
    0.5
    >>> reciprocal_rank(["x", "a"], {"a": 1}, 1)
    0.0
    """
    right = relevant(judged)
    return next((1 / rank for rank, key in enumerate(ranked[:k], start=1) if key in right), 0.0)


def dcg(grades: Sequence[int]) -> float:
    """The discounted cumulative gain: DCG = Σ max(grade, 0) / log2(r + 1) over ranks r from 1.

    >>> dcg([1, 0, 2])
    2.0
    """
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, start=1))


def ndcg_at(ranked: Sequence[str], judged: Mapping[str, int], k: int) -> float:
    """The normalised gain: nDCG@k = DCG(top k) / DCG(the k best grades of all that is judged).

    The gain is the grade itself, as in trec_eval's ndcg_cut, not 2^grade - 1.

    >>> ndcg_at(["x", "y", "a"], {"a": 1}, 10)
    0.5
    """
    ideal = sorted(judged.values(), reverse=True)
    return dcg([judged.get(key, 0) for key in ranked[:k]]) / dcg(ideal[:k])


def score_queries(
    run: Run, qrels: Qrels, ks: Sequence[int] = RECALL_CUTS, *, recall: Metric = recall_at
) -> dict[str, dict[str, float]]:
    """The metrics of each query that has a relevant document; see `evaluate_run` for the names.

    A query that the run does not answer scores 0; one without a relevant document cannot be scored
    and is left out.
    """
    scores = {}
    for query, judged in qrels.items():
        if not relevant(judged):
            continue
        ranked = ranking(run.get(query, {}))
        scores[query] = {f"recall@{k}": recall(ranked, judged, k) for k in ks} | {
            f"ndcg@{DEPTH}": ndcg_at(ranked, judged, DEPTH),
            f"mrr@{DEPTH}": reciprocal_rank(ranked, judged, DEPTH),
        }
    return scores


def evaluate_run(
    run: Run, qrels: Qrels, ks: Sequence[int] = RECALL_CUTS, *, recall: Metric = recall_at
) -> dict[str, float]:
    """The means over the queries: "recall@k" for each of `ks`, then "ndcg@10" and "mrr@10".

    Queries without a relevant document are left out and their number is logged. Raises `BadInput` if no query
    has one. Pass `recall=hit_at` where finding any one relevant document is enough.

    >>> evaluate_run({"q": {"x": 0.9, "a": 0.8}}, {"q": {"a": 1}, "unjudged": {"a": 0}}, ks=[1, 5])
    {'recall@1': 0.0, 'recall@5': 1.0, 'ndcg@10': 0.6309297535714575, 'mrr@10': 0.5}
    """
    scores = list(score_queries(run, qrels, ks, recall=recall).values())
    if not scores:
        raise BadInput(
            "no query has a relevant document, so there is nothing to measure",
            hint="give at least one judgement a grade above 0",
        )
    if len(scores) < len(qrels):
        log.info("%d of %d queries have no relevant document, left out", len(qrels) - len(scores), len(qrels))
    return {name: math.fsum(score[name] for score in scores) / len(scores) for name in scores[0]}


def nearest(
    queries: Vectors, items: Vectors, *, ids: Sequence[str], k: int, starts: np.ndarray | None = None
) -> Iterator[dict[str, float]]:
    """The `k` ids of highest cosine with their scores, best first, of each query in order: exact search.

    `queries` is (q, dim), `items` (n, dim), of unit rows. Row i of `items` belongs to `ids[i]`. Where an id
    has several rows, they lie together, `starts[i]` is the first row of `ids[i]` (ascending, every id has at
    least one), and its score is the best of them. Ties are ordered as in `ranking`. Memory stays within
    SCORES_AT_ONCE scores, or one query's if more.
    """
    block = max(1, SCORES_AT_ONCE // max(1, len(items)))
    for first in range(0, len(queries), block):
        scores = queries[first : first + block] @ items.T  # (block, dim) @ (dim, n) -> (block, n)
        if starts is not None:
            scores = np.maximum.reduceat(scores, starts, axis=1)  # (block, n) -> (block, len(ids))
        for row in scores:
            yield _best(row, ids, k)


def _best(scores: np.ndarray, ids: Sequence[str], k: int) -> dict[str, float]:
    """The `k` best of one query; ids decide which of those that tie with the k-th are among them."""
    near = np.arange(len(scores))
    if k < len(scores):
        near = np.flatnonzero(scores >= np.partition(scores, -k)[-k])
    pairs = sorted(((float(scores[i]), ids[i]) for i in near.tolist()), reverse=True)
    return {key: score for score, key in pairs[:k]}
