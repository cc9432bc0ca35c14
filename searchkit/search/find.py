"""From a query vector to hits: candidates → confidence → collapse → group → the first k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.errors import BadInput
from searchkit.search.confidence import confidence
from searchkit.types import Candidate, Hit, Item, Kind, Query

COLLAPSE = ("exact", "none")
GROUP = ("document",)
SORT = ("confidence", "date")

Search = Callable[[np.ndarray, int, Kind], list[Candidate]]
"""(vector, k, kind) → the k nearest of that kind."""


def find(
    query: Query,
    vector: np.ndarray,
    asked_with: Sequence[str],
    search: Search,
    references: Mapping[tuple[str, str], Reference],
    space: str,
) -> list[Hit]:
    """The best `query.k` hits of the kinds that were asked for, ordered by confidence.

    Each kind is searched by itself, since raw scores of the two cannot be compared; more than k are
    fetched until collapsing and grouping leave k, or there are no more. A question of a text and a picture
    (`asked_with` both) is as sure as the less sure of the two says.
    """
    check(query)
    kinds = [query.kind] if query.kind else list(Kind)
    ranked: list[tuple[float, Candidate]] = []
    for kind in kinds:
        known = [references.get((how, kind.value)) for how in asked_with]
        found = _enough(query, vector, kind, search)
        ranked += [(min(confidence(c.score, reference) for reference in known), c) for c in found]
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].score, pair[1].item.id))
    kept = [(sure, c) for sure, c in ranked if sure >= query.min_confidence][: query.k]
    if query.sort == "date":
        kept.sort(key=lambda pair: -_when(pair[1].item))
    return [
        Hit(rank=n, score=c.score, confidence=sure, item=c.item, space=space)
        for n, (sure, c) in enumerate(kept, start=1)
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


def _enough(query: Query, vector: np.ndarray, kind: Kind, search: Search) -> list[Candidate]:
    wanted = query.k
    while True:
        found = search(vector, wanted, kind)
        kept = group(collapse(found, query.collapse), query.group)
        if len(kept) >= query.k or len(found) < wanted:
            return kept[: query.k]
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
