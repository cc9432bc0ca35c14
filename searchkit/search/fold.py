"""Folding: copies, near-copies and the passages of one document become one result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.types import Candidate, Item, Kind, Vectors

COLLAPSE = ("exact", "near", "none")
"""The ways to collapse copies."""
GROUP = ("document",)
"""The ways to group hits."""
PASSAGES = 3
"""Passages of one document that are shown, the best among them."""
NEAR = 0.3
"""The part of the way from identical to unrelated that two near-copies may lie apart. On photos it takes in
99 of 100 copies saved again at low quality, 99 with 3 % of both sides cropped away and 88 with 6 %; three in
a thousand photos have a stranger that near (`benchmarks/copies.py`)."""
NEAR_AT_LEAST = {Kind.IMAGE: 0.9, Kind.PASSAGE: 0.95}
"""The least cosine of two near-copies of each kind: passages that say the same in other words are nearer than
unrelated ones, and are no copies."""

VectorsOf = Callable[[Sequence[str]], Vectors]
"""The (n, dim) vectors of n ids."""


class Folded(NamedTuple):
    """A result: its best candidate, and those that it stands for, the better first."""

    best: Candidate
    copies: tuple[Candidate, ...] = ()
    passages: tuple[Candidate, ...] = ()
    """More of the same document."""


def near_level(pairs: Reference | None, kind: Kind | None) -> float:
    """The cosine from which two items count as near-copies: 1 − NEAR·(1 − what unrelated pairs reach).

    >>> round(near_level(Reference(level=0.89, deviation=0.1, queries=1), Kind.IMAGE), 3)
    0.967
    """
    if pairs is None or kind is None:
        return max(NEAR_AT_LEAST.values())
    return max(NEAR_AT_LEAST[kind], 1 - NEAR * (1 - pairs.level))


def collapse(
    candidates: Sequence[Candidate], how: str, vectors_of: VectorsOf | None = None, level: float = 1.0
) -> list[Folded]:
    """Candidates, the best first, with copies folded into the best of them: for "exact" items of the same
    content, for "near" also those whose cosine is at least `level`, for "none" nothing."""
    if how == "none":
        return [Folded(candidate) for candidate in candidates]
    same: dict[tuple[str, int], list[Candidate]] = {}
    for candidate in candidates:
        same.setdefault((candidate.item.sha256, candidate.item.ordinal), []).append(candidate)
    folded = [Folded(first, tuple(others)) if others else Folded(first) for first, *others in same.values()]
    if how == "exact" or len(folded) < 2 or vectors_of is None:
        return folded
    vectors = vectors_of([result.best.item.id for result in folded])
    kept: list[int] = []
    for place, result in enumerate(folded):
        alike = vectors[kept] @ vectors[place] >= level
        if alike.any():
            leader = kept[int(np.argmax(alike))]
            copies = (*folded[leader].copies, result.best, *result.copies)
            folded[leader] = folded[leader]._replace(copies=copies)
        else:
            kept.append(place)
    return [folded[place] for place in kept]


def group(results: Sequence[Folded], how: str | None) -> list[Folded]:
    """Results, the best first; for "document" the items of one file are one, with its best passages that do
    not overlap."""
    if how is None:
        return list(results)
    first: dict[str, Folded] = {}
    for result in results:
        known = first.setdefault(result.best.item.path, result)
        if known is result:
            continue
        shown = [known.best, *known.passages]
        more = [
            c
            for c in (result.best, *result.passages)
            if not any(_overlap(c.item, other.item) for other in shown)
        ]
        passages = (*known.passages, *more)[: PASSAGES - 1]
        first[result.best.item.path] = known._replace(passages=passages)
    return list(first.values())


def _overlap(one: Item, other: Item) -> bool:
    if one.start is None or other.start is None or one.end is None or other.end is None:
        return one.id == other.id
    return one.start < other.end and other.start < one.end
