"""Confidence against references that are worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from searchkit.catalog.catalog import Reference
from searchkit.encoders.hashing import Hashing
from searchkit.search import confidence as module
from searchkit.search.confidence import (
    MARGIN,
    MIN_DEVIATION,
    PAIRS,
    confidence,
    measure,
    neutral_queries,
    neutral_vectors,
)
from searchkit.stores.lance import LanceStore
from searchkit.types import EncoderRecord, Item, Kind, Space, Vectors

REFERENCE = Reference(level=0.3, deviation=0.1, queries=100)


class Shelf:
    """The part of a store that measuring reads: vectors by kind, in batches of two."""

    def __init__(self, **vectors: Sequence[Sequence[float]]) -> None:
        self.rows = {Kind(kind): np.array(rows, np.float32) for kind, rows in vectors.items()}

    def count(self, *, kind: Kind | None = None) -> int:
        assert kind is not None
        return len(self.rows.get(kind, ()))

    def scan(self, *, kind: Kind | None = None) -> Iterator[tuple[list[str], Vectors]]:
        assert kind is not None
        for start in range(0, self.count(kind=kind), 2):
            rows = self.rows[kind][start : start + 2]
            yield [str(start + n) for n in range(len(rows))], rows


class Axes:
    """An encoder in the plane, whose texts are two fixed directions."""

    space = Space("axes", "0" * 64, 1, 2)
    record = EncoderRecord("axes", 2, "MIT", "any", 16, 4, 0.0, "axes", "a test")

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return np.array([(1, 0), (0, 1)], np.float32)


def measured(**vectors: Sequence[Sequence[float]]) -> dict[tuple[str, str], Reference]:
    return measure(Axes(), Shelf(**vectors))  # type: ignore[arg-type]


# the curve


@pytest.mark.parametrize(
    ("score", "expected"), [(0.3, 0.5), (0.4, 0.841345), (0.5, 0.977250), (0.2, 0.158655), (0.1, 0.022750)]
)
def test_confidence_is_the_normal_curve(score: float, expected: float) -> None:
    assert confidence(score, REFERENCE) == pytest.approx(expected, abs=1e-6)


def test_confidence_grows_with_the_score_and_stays_between_0_and_1() -> None:
    grid = [confidence(score, REFERENCE) for score in np.linspace(-1, 1, 401)]
    assert all(0 <= value <= 1 for value in grid) and grid == sorted(grid)
    inner = [confidence(score, REFERENCE) for score in np.linspace(-0.3, 0.9, 401)]
    assert len(set(inner)) == 401  # strictly, over six deviations to either side


def test_without_a_reference_nothing_is_known() -> None:
    assert confidence(0.99, None) == confidence(-0.99, None) == 0.5


# the references


def test_text_references_are_the_mean_of_the_best_scores_and_a_margin() -> None:
    # the text (1, 0) finds 0.8 at best and (0, 1) finds 1.0: mean 0.9, deviation 0.1
    found = measured(passage=[(0.8, 0.6), (0, 1), (-1, 0)])
    assert set(found) == {("text", "passage"), (PAIRS, "passage")}
    reference = found["text", "passage"]
    assert reference.level == pytest.approx(0.9 + MARGIN * 0.1) and reference.deviation == pytest.approx(0.1)
    assert reference.queries == 2


def test_a_picture_is_not_compared_with_itself() -> None:
    # others: of a 0.6 and 0, of b 0.6 and 0.8, of c 0.8 and 0; 95 % of the way up between the two
    found = measured(image=[(1, 0), (0.6, 0.8), (0, 1)])["image", "image"]
    likeness = np.array([0.57, 0.79, 0.76])
    assert found.level == pytest.approx(likeness.mean()) and found.deviation == pytest.approx(likeness.std())


def test_a_few_true_likenesses_do_not_raise_the_reference() -> None:
    """Forty pictures in pairs of twins: what a picture is like is not what it is compared with."""
    angles = np.repeat(np.linspace(0, 2 * np.pi, 20, endpoint=False), 2)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reference = measured(image=rows.tolist())["image", "image"]
    assert reference.level == pytest.approx(math.cos(2 * np.pi / 20), abs=1e-3)
    assert confidence(1.0, reference) > 0.99


def test_pictures_are_put_to_every_passage() -> None:
    found = measured(image=[(1, 0), (0, 1)], passage=[(0.6, 0.8)])
    asked = {(how, kind) for how in ("text", "image") for kind in ("image", "passage")}
    assert set(found) == asked | {(PAIRS, "image")}
    assert found["image", "passage"].level == pytest.approx(0.7)
    assert found["image", "image"].level == pytest.approx(0.0)


def test_one_picture_alone_gives_no_reference_for_asking_with_pictures() -> None:
    assert set(measured(image=[(1, 0)])) == {("text", "image")}


def test_an_empty_store_has_no_references() -> None:
    assert measured() == {}


def test_scores_that_are_all_alike_have_a_small_deviation_and_not_none() -> None:
    reference = measured(image=[(1, 0), (0, 1)])["text", "image"]
    assert reference.deviation == MIN_DEVIATION
    assert confidence(1.0 + MARGIN * MIN_DEVIATION, reference) == pytest.approx(0.5)
    assert not math.isnan(confidence(0.5, reference))


def test_a_sample_of_many_pictures_leaves_out_the_own_row_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE", 5)
    angles = np.linspace(0, np.pi / 2, 13)
    rows = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    reference = measured(image=rows.tolist())["image", "image"]
    assert reference.queries == 5
    chosen = rows[[0, 3, 6, 9, 12]]
    likeness = [np.quantile(np.delete(chosen @ one, n), 0.95) for n, one in enumerate(chosen)]
    assert reference.level == pytest.approx(np.mean(likeness), abs=1e-6)
    assert reference.deviation == pytest.approx(np.std(likeness), abs=1e-6)


def test_an_encoder_with_a_margin_of_its_own_has_it_for_pictures_alone() -> None:
    class Sparing(Axes):
        record = replace(Axes.record, margin=2.0)

    shelf = Shelf(passage=[(0.8, 0.6), (0, 1), (-1, 0)], image=[(0.8, 0.6), (0, 1), (-1, 0)])
    found = measure(Sparing(), shelf)  # type: ignore[arg-type]
    assert found["text", "image"].level == pytest.approx(0.9 + 2.0 * 0.1)
    assert found["text", "passage"].level == pytest.approx(0.9 + MARGIN * 0.1)


def test_the_references_of_a_real_store_equal_brute_force(tmp_path: Path) -> None:
    encoder = Hashing()
    store = LanceStore(tmp_path, encoder.space)
    for start in (0, 40):  # two fragments, and a hole
        texts = [f"word{n} word{n + 1}" for n in range(start, start + 40)]
        rows = [
            Item(f"{start + n:x}", Kind.PASSAGE, f"/{n}", "/", "0" * 64, 0, 0.0, text=text)
            for n, text in enumerate(texts)
        ]
        store.write(rows, encoder.encode_text(texts))
    store.delete(["5", "2a"])
    kept = np.concatenate([vectors for _, vectors in store.scan()])
    best = (encoder.encode_text(neutral_queries()) @ kept.T).max(axis=1)
    found = measure(encoder, store)
    # a collection without pictures
    assert set(found) == {("text", "passage"), (PAIRS, "passage")}
    pairs = (kept @ kept.T)[np.triu_indices(len(kept), k=1)]
    assert found[PAIRS, "passage"].level == pytest.approx(float(np.quantile(pairs, 0.999)), abs=1e-6)
    assert found[PAIRS, "passage"].queries == len(pairs) == 78 * 77 / 2
    assert found["text", "passage"].level == pytest.approx(float(best.mean() + MARGIN * best.std()), abs=1e-6)
    assert found["text", "passage"].deviation == pytest.approx(float(best.std()), abs=1e-6)


def test_the_vectors_of_the_neutral_queries_are_kept_and_made_again_when_damaged(tmp_path: Path) -> None:
    encoder = Hashing()
    fresh = neutral_vectors(encoder, None)
    assert np.array_equal(neutral_vectors(encoder, tmp_path / "neutral"), fresh)
    (kept,) = (tmp_path / "neutral").iterdir()
    sound = kept.read_bytes()
    np.savez(kept, vectors=-fresh)  # to see that it is read
    assert np.array_equal(neutral_vectors(encoder, tmp_path / "neutral"), -fresh)
    whole = kept.read_bytes()
    flipped = whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:]
    for damage in (b"", b"junk", whole[:200], flipped):
        kept.write_bytes(damage)
        assert np.array_equal(neutral_vectors(encoder, tmp_path / "neutral"), fresh)
        assert kept.read_bytes() == sound


def test_the_neutral_queries_are_many_short_and_different() -> None:
    queries = neutral_queries()
    assert len(queries) >= 100 and len(set(queries)) == len(queries)
    assert all(query and query == query.strip() and len(query) < 80 for query in queries)
