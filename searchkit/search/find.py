"""From a query vector to hits: candidates → confidence → collapse → group → the first k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.errors import BadInput
from searchkit.search.confidence import confidence
from searchkit.search.hybrid import DEPTH, Sure, fuse
from searchkit.types import Candidate, Hit, Item, Kind, Query

COLLAPSE = ("exact", "none")
GROUP = ("document",)
SORT = ("confidence", "date")

Search = Callable[[np.ndarray, int, Kind], list[Candidate]]
"""(vector, k, kind) → the k nearest of that kind."""
Words = Callable[[int], list[list[Candidate]]]
"""(k) → lists of the k items that hold the query's words best, each with its cosine to the query."""


def find(
    query: Query,
    vector: np.ndarray,
    asked_with: Sequence[str],
    search: Search,
    references: Mapping[tuple[str, str], Reference],
    space: str,
    words: Words | None = None,
) -> list[Hit]:
    """The best `query.k` hits of the kinds that were asked for, ordered by confidence; with `words`, by the
    reciprocal ranks of meaning and exact words.

    Each kind is searched by itself, since raw scores of the two cannot be compared; more than k are
    fetched until collapsing and grouping leave k, or there are no more. A question of a text and a picture
    (`asked_with` both) is as sure as the less sure of the two says.
    """
    check(query)

    def sure(candidate: Candidate) -> Sure:
        known = (references.get((how, candidate.item.kind.value)) for how in asked_with)
        return min(confidence(candidate.score, reference) for reference in known), candidate

    depth = query.k if words is None else max(query.k, DEPTH)
    kinds = [query.kind] if query.kind else list(Kind)
    ranked = [sure(c) for kind in kinds for c in _enough(query, depth, vector, kind, search)]
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].score, pair[1].item.id))
    if words is not None:
        fused = fuse([ranked, *([sure(c) for c in found] for found in words(depth))])
        kept_ids = {c.item.id for c in group(collapse([c for _, c in fused], query.collapse), query.group)}
        ranked = [pair for pair in fused if pair[1].item.id in kept_ids]
    kept = [pair for pair in ranked if pair[0] >= query.min_confidence][: query.k]
    if query.sort == "date":
        kept.sort(key=lambda pair: -_when(pair[1].item))
    return [
        Hit(rank=n, score=c.score, confidence=certain, item=c.item, space=space)
        for n, (certain, c) in enumerate(kept, start=1)
    ]


def _when(item: Item) -> float:
    return item.mtime if item.taken is None else item.taken


def check(query: Query) -> None:
    """Raise `BadInput` for a query that cannot be meant."""
    if query.k < 1:
        raise BadInput(f"k is {query.k}", hint="ask for at least one result")
    if query.collapse not in COLLAPSE:
        raise BadInput(f"collapse is {query.collapse!r}", hint=f"one of: {', '.join(COLLAPSE)}")
    if query.group is not None and query.group not in GROUP:
        raise BadInput(f"group is {query.group!r}", hint=f"one of: {', '.join(GROUP)}")
    if query.sort not in SORT:
        raise BadInput(f"sort is {query.sort!r}", hint=f"one of: {', '.join(SORT)}")
    if not 0 <= query.min_confidence <= 1:
        raise BadInput(f"min_confidence is {query.min_confidence}", hint="a number from 0 to 1")


def _enough(query: Query, depth: int, vector: np.ndarray, kind: Kind, search: Search) -> list[Candidate]:
    wanted = depth
    while True:
        found = search(vector, wanted, kind)
        kept = group(collapse(found, query.collapse), query.group)
        if len(kept) >= depth or len(found) < wanted:
            return kept[:depth]
        wanted *= 4


def collapse(found: Sequence[Candidate], how: str) -> list[Candidate]:
    """With "exact", of items with the same content only the first is kept."""
    if how == "none":
        return list(found)
    first: dict[tuple[str, int], Candidate] = {}
    for candidate in found:
        first.setdefault((candidate.item.sha256, candidate.item.ordinal), candidate)
    return list(first.values())


def group(found: Sequence[Candidate], how: str | None) -> list[Candidate]:
    """With "document", of the passages of one file only the best is kept."""
    if how is None:
        return list(found)
    first: dict[str, Candidate] = {}
    for candidate in found:
        first.setdefault(candidate.item.path, candidate)
    return list(first.values())
