"""Meaning and exact words together: lists fused by reciprocal rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from searchkit.protocols import VectorStore
from searchkit.types import Candidate, Kind, Vectors

CONSTANT = 60
DEPTH = 100
"""Hits that each list brings. Beyond, 1 / (60 + rank) says little more."""


def reciprocal_rank(lists: Sequence[Sequence[str]], constant: int = CONSTANT) -> dict[str, float]:
    """Σ over the lists of 1 / (constant + rank), ranks from 1; by id, the best first, ties by id.

    >>> reciprocal_rank([["a", "b"], ["b"]], constant=1)
    {'b': 0.8333333333333333, 'a': 0.5}
    """
    scores: dict[str, float] = {}
    for found in lists:
        for rank, one in enumerate(found, start=1):
            scores[one] = scores.get(one, 0.0) + 1 / (constant + rank)
    return dict(sorted(scores.items(), key=lambda pair: (-pair[1], pair[0])))


def cosines(
    store: VectorStore, found: Sequence[Candidate], vector: Callable[[Kind], np.ndarray]
) -> list[Candidate]:
    """The same items; in place of the words' score, the cosine to the vector that asks for their kind."""
    if not found:
        return []
    vectors: Vectors = store.vectors([c.item.id for c in found])
    return [
        Candidate(c.item, float(own @ vector(c.item.kind))) for c, own in zip(found, vectors, strict=True)
    ]


Sure = tuple[float, Candidate]
"""(confidence, candidate)."""


def fuse(lists: Sequence[Sequence[Sure]]) -> list[Sure]:
    """Lists with the best first → one with each item once, in order of reciprocal rank."""
    every = {pair[1].item.id: pair for found in lists for pair in found}
    order = reciprocal_rank([[pair[1].item.id for pair in found] for found in lists])
    return [every[one] for one in order]
