"""Hard negatives: what a question finds that is no answer to it, mined from the items it is put to.

Mining is positive-aware: what scores nearly as high as the right answer may well be right too, and is left
out.
"""

from __future__ import annotations

import numpy as np

from searchkit.evaluation.metrics import nearest
from searchkit.finetuning.pairs import HARD_NEGATIVES
from searchkit.types import Vectors

MARGIN = 0.05
"""A negative scores below the positive by this part of its score: under 95 % of it."""
NEAR_ANSWER = 0.98
"""Cosine to an answer from which an item may be that answer."""
LOOK = 50
"""Number of the best-scoring items that are looked at."""


def mine(
    queries: Vectors,
    positives: Vectors,
    items: Vectors,
    *,
    most: int = HARD_NEGATIVES,
    margin: float = MARGIN,
) -> list[list[int]]:
    """Mine hard negatives: for each question up to `most` rows of `items`, the highest-scoring of those with

        q·n < q·p − margin·|q·p|

    that are not nearly the same as an answer of an equal question. `queries` and `positives` are (n, dim),
    row i belonging to row i; of several answers, the one that scores lowest counts.
    """
    answers: dict[bytes, list[int]] = {}
    for row, query in enumerate(queries):
        answers.setdefault(query.tobytes(), []).append(row)
    ids = [str(row) for row in range(len(items))]
    negatives = []
    for query, hits in zip(queries, nearest(queries, items, ids=ids, k=LOOK), strict=True):
        rows = np.array([int(name) for name in hits], np.int64)
        right = positives[answers[query.tobytes()]]  # (a, dim)
        own = right @ query
        below = items[rows] @ query < (own - margin * np.abs(own)).min()
        other = (items[rows] @ right.T).max(axis=1) < NEAR_ANSWER
        negatives.append(rows[below & other][:most].tolist())
    return negatives
