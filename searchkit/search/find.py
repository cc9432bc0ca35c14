"""A query vector becomes hits: candidates → confidence → rerank → collapse → group → the first k."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.errors import BadInput
from searchkit.protocols import Reranker
from searchkit.search.confidence import PAIRS, confidence, z_score
from searchkit.search.fold import COLLAPSE, GROUP, Folded, VectorsOf, collapse, group, near_level
from searchkit.search.hybrid import DEPTH, Scored, fuse
from searchkit.search.trace import Trace
from searchkit.types import Candidate, Hit, Item, Kind, SearchRequest

KINDS = tuple(Kind)
SORT = ("confidence", "date")
RERANKED = 50
"""The best that a reranker looks at; what comes after keeps its place."""

Search = Callable[[np.ndarray, int, Kind], list[Candidate]]
"""(vector, k, kind) → the k nearest of that kind."""
Words = Callable[[int], list[list[Scored]]]
"""(k) → lists of the k items that hold the query's words best: how well, and the item with its cosine."""
Fold = Callable[..., list[Folded]]
"""(candidates, kind=None) → one result for each set of candidates that belong together."""
Ranked = list[tuple[float, Folded]]
"""(confidence, result), the best first."""


class Sources(NamedTuple):
    """Where a search looks, and what is known of scores there."""

    search: Search
    vectors_of: VectorsOf
    references: Mapping[tuple[str, str], Reference]
    space: str
    words: Words | None = None
    rerank: Reranker | None = None


class Scale:
    """What a cosine means, for each kind of item, to a question of texts, of pictures, or of both.

    A question of a text and a picture is as certain as the less certain of the two says.
    """

    def __init__(self, references: Mapping[tuple[str, str], Reference], asked_with: Sequence[str]) -> None:
        self._of = {kind: [references.get((way, kind.value)) for way in asked_with] for kind in KINDS}

    def confidence(self, candidate: Candidate) -> float:
        """The confidence of a candidate, from 0 to 1."""
        first, *more = self._of[candidate.item.kind]
        certain = confidence(candidate.score, first)
        return min([certain, *(confidence(candidate.score, other) for other in more)]) if more else certain

    def z_score(self, candidate: Candidate) -> float:
        """Standard deviations above what neutral queries reach; the cosine where nothing was measured."""
        references = [known for known in self._of[candidate.item.kind] if known is not None]
        return min([z_score(candidate.score, known) for known in references], default=candidate.score)


def find(
    request: SearchRequest,
    vector: np.ndarray,
    asked_with: Sequence[str],
    sources: Sources,
    trace: Trace | None = None,
) -> list[Hit]:
    """The best `request.k` hits of the kinds that were asked for, ordered by confidence; with
    `sources.words`, by the mean of meaning and exact words; with a reranker, the best of them as it says.

    Each kind is searched by itself, since raw scores of the two cannot be compared; more than k are
    fetched until collapsing and grouping leave k, or there are no more. `vector` is (dim,) of unit length.
    """
    check(request)
    kinds = (request.kind,) if request.kind else KINDS
    scale = Scale(sources.references, asked_with)

    def fold(candidates: Sequence[Candidate], kind: Kind | None = None) -> list[Folded]:
        level = near_level(None if kind is None else sources.references.get((PAIRS, kind.value)), kind)
        return group(collapse(candidates, request.collapse, sources.vectors_of, level), request.group)

    depth = request.k if sources.words is None else max(request.k, DEPTH)
    depth = depth if sources.rerank is None else max(depth, RERANKED)
    nearest = partial(sources.search, vector)
    folded = [result for kind in kinds for result in _enough(nearest, depth, fold, kind)]
    ranked = [(scale.confidence(result.best), result) for result in folded]
    ranked.sort(key=lambda pair: (-pair[0], -pair[1].best.score, pair[1].best.item.id))
    if trace is not None:
        trace.leg("meaning", [result.best for _, result in ranked])
    if sources.words is not None:
        lists = [[(scale.z_score(result.best), result.best) for result in folded], *sources.words(depth)]
        ranked = [(scale.confidence(result.best), result) for result in _fused(lists, fold, folded)]
    elif request.group and len(kinds) > 1:  # a document's text and pictures are one result too
        confidence_of = {result.best.item.id: certain for certain, result in ranked}
        merged = group([result for _, result in ranked], request.group)
        ranked = [(confidence_of[result.best.item.id], result) for result in merged]
    if sources.rerank is not None:
        ranked = _reranked(ranked, request, sources.rerank, trace)
    kept = [pair for pair in ranked if pair[0] >= request.min_confidence][: request.k]
    if request.sort == "date":
        kept.sort(key=lambda pair: -_when(pair[1].best.item))
    return [_hit(n, certain, result, sources.space) for n, (certain, result) in enumerate(kept, start=1)]


def _fused(lists: Sequence[Sequence[Scored]], fold: Fold, before: Sequence[Folded]) -> list[Folded]:
    """Meaning and words in one list; what was folded `before` they were fused stays with its best."""
    known = {result.best.item.id: result for result in before}
    return [_joined(result, known.get(result.best.item.id)) for result in fold(fuse(lists))]


def _enough(
    search: Callable[[int, Kind], list[Candidate]], depth: int, fold: Fold, kind: Kind
) -> list[Folded]:
    """At least `depth` results of a kind, if there are so many."""
    wanted = depth
    while True:
        candidates = search(wanted, kind)
        folded = fold(candidates, kind)
        if len(folded) >= depth or len(candidates) < wanted:
            return folded[:depth]
        wanted *= 4


def _joined(result: Folded, before: Folded | None) -> Folded:
    if before is None:
        return result
    here = {copy.item.id for copy in result.copies}
    copies = (*result.copies, *(copy for copy in before.copies if copy.item.id not in here))
    return Folded(result.best, copies, result.passages or before.passages)


def _reranked(ranked: Ranked, request: SearchRequest, rerank: Reranker, trace: Trace | None) -> Ranked:
    first = ranked[:RERANKED]
    scores = np.asarray(rerank(request, [result.best.item for _, result in first]), np.float64)
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


def _hit(rank: int, certain: float, result: Folded, space: str) -> Hit:
    (item, score), copies, passages = result
    paths = tuple(dict.fromkeys([copy.item.path for copy in copies])) if copies else ()
    more = tuple([passage.item for passage in passages]) if passages else ()
    return Hit(rank, score, certain, item, space, paths, more)


def check(request: SearchRequest) -> None:
    """Raise `BadInput` for a request that cannot be meant."""
    if request.k < 1:
        raise BadInput(f"k is {request.k}", hint="ask for at least one result")
    if request.collapse not in COLLAPSE:
        raise BadInput(f"collapse is {request.collapse!r}", hint=f"one of: {', '.join(COLLAPSE)}")
    if request.group is not None and request.group not in GROUP:
        raise BadInput(f"group is {request.group!r}", hint=f"one of: {', '.join(GROUP)}")
    if request.sort not in SORT:
        raise BadInput(f"sort is {request.sort!r}", hint=f"one of: {', '.join(SORT)}")
    if not 0 <= request.min_confidence <= 1:
        raise BadInput(f"min_confidence is {request.min_confidence}", hint="a number from 0 to 1")
