"""Hard negatives: mined as their rule says, refreshed while questions move, chosen where they help."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from searchkit.encoders.hashing import Hashing
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.negatives import LOOK, MARGIN, NEAR_ANSWER, mine
from searchkit.finetuning.pairs import Direction, read_pairs
from searchkit.finetuning.query_map import Examples, MapOptions, Residual, _Batches, fit_map
from searchkit.types import Kind, Vectors


def unit(rows: int, dim: int, seed: int) -> Vectors:
    found = np.random.default_rng(seed).standard_normal((rows, dim)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def near(vectors: Vectors, seed: int, noise: float) -> Vectors:
    moved = vectors + noise * unit(*vectors.shape, seed)
    return (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)


def by_hand(query: Vectors, right: Vectors, items: Vectors, most: int) -> list[int]:
    scores = [float(query @ item) for item in items]
    own = min(float(query @ one) for one in right)
    kept = []
    for row in sorted(range(len(items)), key=lambda row: -scores[row])[:LOOK]:
        too_high = scores[row] >= own - MARGIN * abs(own)
        too_near = any(float(items[row] @ one) >= NEAR_ANSWER for one in right)
        if not too_high and not too_near:
            kept.append(row)
    return kept[:most]


def test_mined_negatives_are_those_of_the_rule() -> None:
    items = unit(300, 16, 0)
    positives = items[:40]
    queries = near(positives, 1, 0.8)
    queries[1] = queries[0]  # one question, two answers
    found = mine(queries, positives, items, most=7)
    for row, some in enumerate(found):
        right = positives[:2] if row < 2 else positives[row : row + 1]
        assert some == by_hand(queries[row], right, items, 7)
    # the rule leaves something out that plain nearness would not, and leaves something
    nearest = [np.argsort(-(items @ query))[:7].tolist() for query in queries]
    assert any(a != b for a, b in zip(found, nearest, strict=True)) and sum(map(len, found)) > 100
    assert all(0 not in some and 1 not in some for some in found[:2])


def test_a_margin_of_nothing_keeps_what_a_margin_drops() -> None:
    query = np.array([[1.0, 0.0]], np.float32)
    angles = np.arccos([0.8, 0.79, 0.7])  # the positive, what scores 99 % of it, what scores 88 %
    items = np.stack([np.cos(angles), np.sin(angles) * [1, -1, -1]], axis=1).astype(np.float32)
    assert mine(query, items[:1], items) == [[2]]
    assert mine(query, items[:1], items, margin=0.0) == [[1, 2]]


def examples() -> Examples:
    items = unit(200, 12, 2)
    queries = near(items[:60], 3, 0.7)
    return Examples(queries, items[:60], items[60:62], [[0]] + [[]] * 59, items)


def test_negatives_that_were_given_come_first_and_a_moved_question_finds_others() -> None:
    given = examples()
    model = Residual(12, 0, torch.Generator().manual_seed(0))
    batches = _Batches(given, MapOptions(), torch.Generator())
    batches.mine(model, 4)
    assert int(batches.wrong[0, 0]) == 0 and bool(batches.there[0].all())
    assert batches.there.sum(1).max() == 4
    mined = mine(given.queries, given.positives, given.items, most=4)
    own = batches.wrong[1][batches.there[1]] - 2
    assert own.tolist() == mined[1]
    before = batches.wrong.clone()
    with torch.no_grad():
        model.linear += 3 * torch.randn(12, 12, generator=torch.Generator().manual_seed(1))
    batches.mine(model, 4)
    assert not torch.equal(before, batches.wrong)


def test_replayed_questions_are_left_alone_too(tmp_path: Path) -> None:
    encoder = Hashing()
    path = tmp_path / "other.jsonl"
    path.write_text('{"text": "a dog runs", "text2": "an animal moves"}\n')
    direction = Direction("text", Kind.IMAGE)
    generic = Generic(encoder, None)
    before = generic.bystanders(direction)
    generic.replay(read_pairs(path), encoder)
    after = generic.bystanders(direction)
    assert np.array_equal(after[: len(before)], before) and len(after) == len(before) + 2
    assert np.array_equal(after[-2:], encoder.encode_text(["a dog runs", "an animal moves"]))
    assert len(generic.bystanders(Direction("image", Kind.PASSAGE))) == len(generic.pictures[::2])


@pytest.mark.parametrize("every", [0, 5])
def test_the_number_of_mined_negatives_is_chosen_on_development_pairs(every: int) -> None:
    options = MapOptions(steps=10, look_every=10, rates=(1e-2,), mined=(0, 5), mine_every=every, keep=0.0)
    tried: list[object] = []

    def score(one: object) -> float:  # whatever is tried last is best
        tried.append(one)
        return float(len(tried))

    found = fit_map(examples(), np.zeros((0, 12), np.float32), score, options)
    assert found.map is not None and found.mined == 5
    plain = fit_map(examples(), np.zeros((0, 12), np.float32), score, replace(options, mined=(0,)))
    assert plain.map is not None and plain.mined == 0
    assert not np.allclose(found.map.linear, plain.map.linear)
