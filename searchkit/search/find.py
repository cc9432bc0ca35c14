"""From a query vector to hits: candidates → confidence → rerank → collapse → group → the first k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.errors import BadInput
from searchkit.protocols import Reranker
from searchkit.search.confidence import PAIRS, confidence, standing
from searchkit.search.fold import COLLAPSE, GROUP, Folded, VectorsOf, collapse, group, near_level
from searchkit.search.hybrid import DEPTH, Scored, fuse
from searchkit.search.trace import Trace
from searchkit.types import Candidate, Hit, Item, Kind, Query

KINDS = tuple(Kind)
SORT = ("confidence", "date")
RERANKED = 50
"""The best that a reranker looks at; what comes after keeps its place."""

Search = Callable[[np.ndarray, int, Kind], list[Candidate]]
"""(vector, k, kind) → the k nearest of that kind."""
Words = Callable[[int], list[list[Scored]]]
"""(k) → lists of the k items that hold the query's words best: how well, and the item with its cosine."""


class Sources(NamedTuple):
    """Where a search looks, and what is known of scores there."""

    search: Search
    vectors_of: VectorsOf
    references: Mapping[tuple[str, str], Reference]
    space: str
    words: Words | None = None
    rerank: Reranker | None = None


def find(
    query: Query, vector: np.ndarray, asked_with: Sequence[str], sources: Sources, trace: Trace | None = None
) -> list[Hit]:
    """The best `query.k` hits of the kinds that were asked for, ordered by confidence; with `words`, by the
    mean of meaning and exact words; with a reranker, the best of them by what it says.

    Each kind is searched by itself, since raw scores of the two cannot be compared; more than k are
    fetched until collapsing and grouping leave k, or there are no more. A question of a text and a picture
    (`asked_with` both) is as sure as the less sure of the two says.
    """
    check(query)
    kinds = (query.kind,) if query.kind else KINDS
    known = {kind: [sources.references.get((how, kind.value)) for how in asked_with] for kind in KINDS}

    def sure(candidate: Candidate) -> float:
        first, *more = known[candidate.item.kind]
        certain = confidence(candidate.score, first)
        return min([certain, *(confidence(candidate.score, one) for one in more)]) if more else certain

    def worth(candidate: Candidate) -> float:
        references = [one for one in known[candidate.item.kind] if one is not None]
        return min([standing(candidate.score, one) for one in references], default=candidate.score)

    def fold(found: Sequence[Candidate], kind: Kind | None = None) -> list[Folded]:
        level = near_level(None if kind is None else sources.references.get((PAIRS, kind.value)), kind)
        return group(collapse(found, query.collapse, sources.vectors_of, level), query.group)

    depth = query.k if sources.words is None else max(query.k, DEPTH)
    depth = depth if sources.rerank is None else max(depth, RERANKED)
    folded = [one for kind in kinds for one in _enough(partial(sources.search, vector), depth, fold, kind)]
    ranked = [(sure(one.best), one) for one in folded]
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].best.score, pair[1].best.item.id))
    if trace is not None:
        trace.leg("meaning", [one.best for _, one in ranked])
    if sources.words is not None:
        lists = [[(worth(one.best), one.best) for one in folded], *sources.words(depth)]
        ranked = [(sure(one.best), one) for one in _fused(lists, fold, folded)]
    elif query.group and len(kinds) > 1:  # a document's text and pictures are one result too
        certain_of = {one.best.item.id: certain for certain, one in ranked}
        merged = group([one for _, one in ranked], query.group)
        ranked = [(certain_of[one.best.item.id], one) for one in merged]
    if sources.rerank is not None:
        ranked = _reranked(ranked, query, sources.rerank, trace)
    kept = [pair for pair in ranked if pair[0] >= query.min_confidence][: query.k]
    if query.sort == "date":
        kept.sort(key=lambda pair: -_when(pair[1].best.item))
    return [_hit(n, certain, one, sources.space) for n, (certain, one) in enumerate(kept, start=1)]


def _fused(
    lists: Sequence[Sequence[Scored]],
    fold: Callable[[Sequence[Candidate]], list[Folded]],
    before: Sequence[Folded],
) -> list[Folded]:
    """Meaning and words in one list; what was folded `before` they were fused stays with its best."""
    known = {one.best.item.id: one for one in before}
    return [_joined(one, known.get(one.best.item.id)) for one in fold(fuse(lists))]


def _enough(
    search: Callable[[int, Kind], list[Candidate]],
    depth: int,
    fold: Callable[[Sequence[Candidate], Kind], list[Folded]],
    kind: Kind,
) -> list[Folded]:
    wanted = depth
    while True:
        found = search(wanted, kind)
        folded = fold(found, kind)
        if len(folded) >= depth or len(found) < wanted:
            return folded[:depth]
        wanted *= 4


def _joined(one: Folded, before: Folded | None) -> Folded:
    if before is None:
        return one
    here = {c.item.id for c in one.copies}
    copies = (*one.copies, *(c for c in before.copies if c.item.id not in here))
    return Folded(one.best, copies, one.passages or before.passages)


def _reranked(
    ranked: list[tuple[float, Folded]], query: Query, rerank: Reranker, trace: Trace | None
) -> list[tuple[float, Folded]]:
    first = ranked[:RERANKED]
    scores = np.asarray(rerank(query, [one.best.item for _, one in first]), np.float64)
    if scores.shape != (len(first),) or np.isinf(scores).any():
        wanted = f"({len(first)},), finite or NaN"
        raise BadInput(f"a reranker gave scores of shape {scores.shape}", hint=wanted)
    judged = np.flatnonzero(~np.isnan(scores))
    best = judged[np.argsort(-scores[judged], kind="stable")]
    order = np.arange(len(first))
    order[judged] = best  # what was not judged keeps its place
    if trace is not None:
        trace.leg("rerank", [Candidate(first[n][1].best.item, float(scores[n])) for n in best])
    return [*(first[n] for n in order), *ranked[RERANKED:]]


def _when(item: Item) -> float:
    return item.mtime if item.taken is None else item.taken


def _hit(rank: int, certain: float, one: Folded, space: str) -> Hit:
    (item, score), copies, passages = one
    paths = tuple(dict.fromkeys([c.item.path for c in copies])) if copies else ()
    return Hit(
        rank, score, certain, item, space, paths, tuple([c.item for c in passages]) if passages else ()
    )


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
