"""From candidates to hits, against a search that is written out."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from searchkit.catalog.catalog import Reference
from searchkit.errors import BadInput
from searchkit.protocols import Reranker
from searchkit.search.confidence import PAIRS
from searchkit.search.find import RERANKED, Sources, check, find
from searchkit.search.fold import NEAR, NEAR_AT_LEAST, Folded, collapse, group, near_level
from searchkit.search.trace import Trace
from searchkit.types import Candidate, Hit, Item, Kind, Query, Vectors

VECTOR = np.ones(4, np.float32) / 2


def candidate(
    name: str, score: float, *, kind: Kind = Kind.IMAGE, sha256: str | None = None, ordinal: int = 0
) -> Candidate:
    item = Item(
        f"{name}-{ordinal}", kind, f"/{name}", "/", sha256 or name, ordinal, 0.0, text=f"{name} {ordinal}"
    )
    return Candidate(item, score)


class Shelf:
    """A search over a fixed list, that remembers what it was asked."""

    def __init__(self, *candidates: Candidate) -> None:
        self.candidates = sorted(candidates, key=lambda c: (-c.score, c.item.id))
        self.asked: list[tuple[int, Kind]] = []

    def __call__(self, vector: np.ndarray, k: int, kind: Kind) -> list[Candidate]:
        assert vector is VECTOR
        self.asked.append((k, kind))
        return [c for c in self.candidates if c.item.kind is kind][:k]

    def vectors_of(self, ids: Sequence[str]) -> Vectors:
        """In the plane, at an angle of the number that a name ends with, in degrees."""
        angles = np.deg2rad([float(i.split("-")[0].split("at")[1]) for i in ids])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def ask(
    shelf: Shelf,
    references: dict[tuple[str, str], Reference] | None = None,
    *,
    asked_with: str = "text",
    rerank: Reranker | None = None,
    trace: Trace | None = None,
    **query: object,
) -> list[Hit]:
    sources = Sources(shelf, shelf.vectors_of, references or {}, "space", rerank=rerank)
    return find(Query(**query), VECTOR, [asked_with], sources, trace)  # type: ignore[arg-type]


def names(hits: list[Hit]) -> list[str]:
    return [hit.item.id for hit in hits]


IMAGES = Reference(level=0.2, deviation=0.05, queries=100)
PASSAGES = Reference(level=0.5, deviation=0.1, queries=100)
REFERENCES = {("text", "image"): IMAGES, ("text", "passage"): PASSAGES}


def test_pictures_and_passages_are_ordered_by_confidence_and_not_by_score() -> None:
    shelf = Shelf(
        candidate("picture", 0.3),  # two deviations above
        candidate("passage", 0.6, kind=Kind.PASSAGE),  # one
        candidate("weak", 0.2),  # none
    )
    hits = ask(shelf, REFERENCES)
    assert names(hits) == ["picture-0", "passage-0", "weak-0"]
    assert [hit.rank for hit in hits] == [1, 2, 3] and {hit.space for hit in hits} == {"space"}
    expected = [0.5 * (1 + math.erf(z / math.sqrt(2))) for z in (2, 1, 0)]
    assert [hit.confidence for hit in hits] == pytest.approx(expected, abs=1e-9)


def test_the_reference_of_the_way_of_asking_is_used() -> None:
    references = {("image", "image"): PASSAGES, **REFERENCES}
    assert ask(Shelf(candidate("a", 0.5)), references, asked_with="image")[0].confidence == 0.5
    assert ask(Shelf(candidate("a", 0.5)), references)[0].confidence > 0.999


def test_without_a_reference_the_order_is_that_of_the_scores() -> None:
    hits = ask(Shelf(candidate("a", 0.1), candidate("b", 0.9), candidate("c", 0.5)))
    assert names(hits) == ["b-0", "c-0", "a-0"] and {hit.confidence for hit in hits} == {0.5}


def test_only_the_kind_asked_for_is_searched() -> None:
    shelf = Shelf(candidate("picture", 0.9), candidate("passage", 0.1, kind=Kind.PASSAGE))
    assert names(ask(shelf, kind=Kind.PASSAGE)) == ["passage-0"]
    assert {kind for _, kind in shelf.asked} == {Kind.PASSAGE}


def test_a_confidence_below_the_minimum_is_no_hit() -> None:
    shelf = Shelf(candidate("good", 0.25), candidate("even", 0.2), candidate("poor", 0.19))
    assert names(ask(shelf, REFERENCES, min_confidence=0.5)) == ["good-0", "even-0"]
    assert ask(shelf, REFERENCES, min_confidence=1.0) == []


def test_copies_are_shown_once_and_make_room_for_others() -> None:
    copies = [candidate(f"copy{n:02}", 0.9, sha256="same") for n in range(30)]
    shelf = Shelf(*copies, candidate("second", 0.5), candidate("third", 0.4))
    assert names(ask(shelf, k=3)) == ["copy00-0", "second-0", "third-0"]
    assert names(ask(shelf, k=3, collapse="none")) == ["copy00-0", "copy01-0", "copy02-0"]


def test_a_document_is_shown_by_its_best_passage_and_makes_room_for_others() -> None:
    passages = [candidate("book", 0.9 - n / 100, kind=Kind.PASSAGE, ordinal=n) for n in range(30)]
    shelf = Shelf(*passages, candidate("note", 0.1, kind=Kind.PASSAGE))
    assert names(ask(shelf, k=2, group="document", kind=Kind.PASSAGE)) == ["book-0", "note-0"]
    assert names(ask(shelf, k=2, kind=Kind.PASSAGE)) == ["book-0", "book-1"]


def test_passages_of_one_content_are_not_copies_of_each_other() -> None:
    found = [candidate("a", 0.9, sha256="x", ordinal=n) for n in (0, 1)]
    found += [candidate("b", 0.9, sha256="x", ordinal=n) for n in (0, 1)]
    folded = collapse(found, "exact")
    assert [(one.best.item.id, [c.item.id for c in one.copies]) for one in folded] == [
        ("a-0", ["b-0"]),
        ("a-1", ["b-1"]),
    ]
    alone = collapse(found, "none")
    assert alone == [Folded(c) for c in found]
    assert [one.best.item.id for one in group(alone, "document")] == ["a-0", "b-0"]
    assert group(alone, None) == alone


def passage(name: str, score: float, start: int, end: int) -> Candidate:
    item = Item(
        f"{name}-{start}", Kind.PASSAGE, f"/{name}", "/", name, start, 0.0, start=start, end=end, text=""
    )
    return Candidate(item, score)


def test_a_document_is_shown_with_its_best_passages_that_do_not_overlap() -> None:
    found = [passage("a", 0.9, 0, 100), passage("a", 0.8, 90, 200), passage("a", 0.7, 100, 200)]
    found += [passage("b", 0.6, 0, 50), passage("a", 0.5, 300, 400), passage("a", 0.4, 500, 600)]
    hits = ask(Shelf(*found), group="document", kind=Kind.PASSAGE)
    assert names(hits) == ["a-0", "b-0"]
    assert [item.id for item in hits[0].passages] == ["a-100", "a-300"] and hits[1].passages == ()
    assert [one["start"] for one in hits[0].to_json()["passages"]] == [100, 300]


def test_a_burst_is_one_hit_that_names_the_others() -> None:
    shelf = Shelf(
        candidate("at0", 0.9),
        candidate("at10", 0.8),  # cos 10° = 0.985 to the first
        candidate("at20", 0.7),  # as near to the second, but 0.940 to the first, which stands for it
        candidate("at40", 0.6),
        candidate("at11", 0.5, sha256="at10"),
    )
    assert [names(ask(shelf, collapse=how, k=5)) for how in ("none", "exact", "near")] == [
        ["at0-0", "at10-0", "at20-0", "at40-0", "at11-0"],
        ["at0-0", "at10-0", "at20-0", "at40-0"],
        ["at0-0", "at20-0", "at40-0"],
    ]
    first = ask(shelf, collapse="near", k=5)[0]
    assert first.copies == ("/at10", "/at11") and first.to_json()["copies"] == ["/at10", "/at11"]


def test_what_is_near_follows_from_how_alike_unrelated_items_are() -> None:
    wide = {(PAIRS, "image"): Reference(level=0.95, deviation=0.1, queries=9)}
    assert near_level(wide[PAIRS, "image"], Kind.IMAGE) == pytest.approx(1 - NEAR * 0.05)
    apart = Reference(0.0, 0.1, 9)
    assert [near_level(apart, kind) for kind in Kind] == [NEAR_AT_LEAST[kind] for kind in Kind]
    assert near_level(None, Kind.IMAGE) == near_level(apart, None) == max(NEAR_AT_LEAST.values())
    shelf = Shelf(candidate("at0", 0.9), candidate("at13", 0.8))  # cos 13° = 0.974
    assert len(ask(shelf, collapse="near")) == 1 and len(ask(shelf, wide, collapse="near")) == 2


def test_near_copies_make_room_for_others() -> None:
    shelf = Shelf(*[candidate(f"at{n / 100}", 0.9 - n / 1000) for n in range(50)], candidate("at90", 0.1))
    hits = ask(shelf, collapse="near", k=2)
    assert names(hits) == ["at0.0-0", "at90-0"] and len(hits[0].copies) == 49


def by_name(query: Query, items: Sequence[Item]) -> np.ndarray:
    return np.array([float(item.path[1:]) for item in items])


def test_a_reranker_puts_the_best_in_its_own_order_and_leaves_the_rest() -> None:
    shelf = Shelf(*[candidate(f"{n:03}", 1 - n / 1000) for n in range(200)])
    trace = Trace()
    hits = ask(shelf, rerank=by_name, k=RERANKED + 2, trace=trace)
    assert names(hits)[:2] == [f"{RERANKED - 1:03}-0", f"{RERANKED - 2:03}-0"]
    assert names(hits)[RERANKED:] == [f"{RERANKED:03}-0", f"{RERANKED + 1:03}-0"]
    assert trace.of("049-0") == {"meaning": (50, 0.951), "rerank": (1, 49.0)}
    assert names(ask(shelf, rerank=by_name, k=1)) == [f"{RERANKED - 1:03}-0"]


def test_what_a_reranker_cannot_judge_keeps_its_place() -> None:
    shelf = Shelf(*[candidate(f"{n}", 0.9 - n / 100) for n in range(6)])
    trace = Trace()
    scores = np.array([1, np.nan, 3, np.nan, np.nan, 5])
    hits = ask(shelf, rerank=lambda query, items: scores, trace=trace)
    assert names(hits) == ["5-0", "1-0", "2-0", "3-0", "4-0", "0-0"]
    assert trace.of("5-0")["rerank"] == (1, 5.0) and "rerank" not in trace.of("1-0")


@pytest.mark.parametrize("wrong", [np.zeros(3), np.full(40, np.inf)])
def test_a_reranker_that_breaks_its_law_is_refused(wrong: np.ndarray) -> None:
    shelf = Shelf(*[candidate(f"{n}", 0.5) for n in range(40)])
    with pytest.raises(BadInput, match="reranker"):
        ask(shelf, rerank=lambda query, items: wrong)


def test_no_more_is_fetched_than_is_needed() -> None:
    shelf = Shelf(*[candidate(f"{n:03}", n / 1000) for n in range(500)])
    assert len(ask(shelf, k=7, kind=Kind.IMAGE)) == 7
    assert shelf.asked == [(7, Kind.IMAGE)]


def test_the_search_ends_when_there_is_no_more() -> None:
    shelf = Shelf(*[candidate(f"{n}", 0.5, sha256="same") for n in range(40)])
    assert len(ask(shelf, k=5, kind=Kind.IMAGE)) == 1
    assert ask(Shelf(), k=5) == []


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (Query(k=0), "k is 0"),
        (Query(k=-3), "k is -3"),
        (Query(collapse="all"), "collapse is 'all'"),
        (Query(group="folder"), "group is 'folder'"),
        (Query(min_confidence=1.1), "min_confidence is 1.1"),
        (Query(min_confidence=-0.1), "min_confidence is -0.1"),
        (Query(min_confidence=math.nan), "min_confidence is nan"),
    ],
)
def test_a_query_that_cannot_be_meant_is_refused(query: Query, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        check(query)
    assert caught.value.hint
