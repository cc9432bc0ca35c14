"""Each loss against its formula written out with loops."""

from __future__ import annotations

import math

import pytest
import torch

from searchkit.training.losses import SAME_TEXT, cosine_distance, info_nce, nce, nce_plus


def unit(rows: int, seed: int, dim: int = 8) -> torch.Tensor:
    made = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.nn.functional.normalize(made, dim=-1)


def by_hand(
    images: torch.Tensor, texts: torch.Tensor, scale: float, bank: torch.Tensor | None = None
) -> float:
    n = len(images)
    said = [[float(texts[i] @ texts[j]) > SAME_TEXT and i != j for j in range(n)] for i in range(n)]
    total = 0.0
    for i in range(n):
        positive = math.exp(scale * float(images[i] @ texts[i]))
        to_text = sum(math.exp(scale * float(images[i] @ texts[j])) for j in range(n) if not said[i][j])
        for row in bank if bank is not None else ():
            if float(texts[i] @ row) <= SAME_TEXT:
                to_text += math.exp(scale * float(images[i] @ row))
        to_image = sum(math.exp(scale * float(images[j] @ texts[i])) for j in range(n) if not said[i][j])
        total += 0.5 * (-math.log(positive / to_text) - math.log(positive / to_image))
    return total / n


@pytest.mark.parametrize("banked", [False, True])
def test_info_nce_is_its_formula(banked: bool) -> None:
    images, texts = unit(6, 1), unit(6, 2)
    bank = unit(9, 3) if banked else None
    assert info_nce(images, texts, 14.0, bank).item() == pytest.approx(
        by_hand(images, texts, 14.0, bank), abs=1e-6
    )


def test_texts_that_say_the_same_are_no_negatives_of_each_other() -> None:
    images, texts = unit(5, 4), unit(5, 5)
    texts[3] = texts[1]
    bank = torch.cat([unit(3, 6), texts[1:2]])
    expected = by_hand(images, texts, 10.0, bank)
    assert info_nce(images, texts, 10.0, bank).item() == pytest.approx(expected, abs=1e-6)
    different = unit(5, 5)
    assert abs(info_nce(images, different, 10.0, bank).item() - expected) > 1e-3


def test_info_nce_falls_to_nothing_for_aligned_pairs_and_is_log_n_for_equal_ones() -> None:
    eye = torch.eye(8, dtype=torch.float64)
    assert info_nce(eye, eye, 100.0).item() < 1e-6
    same = torch.ones(4, 8, dtype=torch.float64) / math.sqrt(8)
    assert info_nce(same, eye[:4], 5.0).item() == pytest.approx(math.log(4), abs=1e-9)


def test_cosine_distance_is_zero_for_parallel_and_two_for_opposite_rows() -> None:
    rows = unit(4, 7)
    assert cosine_distance(rows, 3 * rows).item() == pytest.approx(0.0, abs=1e-9)
    assert cosine_distance(rows, -rows).item() == pytest.approx(2.0, abs=1e-9)


def nce_by_hand(
    queries: torch.Tensor,
    positives: torch.Tensor,
    negatives: torch.Tensor,
    scale: float,
    same: set[tuple[int, int]],
    there: torch.Tensor,
) -> float:
    n, h = negatives.shape[:2]
    total = 0.0
    for i in range(n):
        right = math.exp(scale * float(queries[i] @ positives[i]))
        forth = back = 0.0
        for k in range(n):
            if i == k or (i, k) not in same:
                forth += math.exp(scale * float(queries[i] @ positives[k]))
                back += math.exp(scale * float(queries[k] @ positives[i]))
            for j in range(h):
                if there[k, j]:
                    forth += math.exp(scale * float(queries[i] @ negatives[k, j]))
        total += -math.log(right / forth) - math.log(right / back)
    return total / n


@pytest.mark.parametrize("deep", [0, 1, 7])
@pytest.mark.parametrize("masked", [False, True])
def test_nce_with_hard_negatives_is_its_formula(deep: int, masked: bool) -> None:
    queries, positives = unit(6, 11), unit(6, 12)
    negatives = unit(6 * deep, 13).view(6, deep, 8) if deep else torch.zeros(6, 0, 8, dtype=torch.float64)
    there = torch.ones(6, deep, dtype=torch.bool)
    same = torch.zeros(6, 6, dtype=torch.bool)
    if masked:
        there[2, deep // 2 :] = there[5] = False
        same[1, 4] = same[4, 1] = same[3, 3] = True  # the diagonal is always a pair
    pairs = {(i, k) for i, k in same.nonzero().tolist() if i != k}
    found = nce_plus(queries, positives, negatives, 20.0, same, there).item()
    assert found == pytest.approx(nce_by_hand(queries, positives, negatives, 20.0, pairs, there), abs=1e-6)
    if deep:
        assert found > nce(queries, positives, 20.0, same).item() + 1e-3
    else:
        assert found == nce(queries, positives, 20.0, same).item()


def test_nce_is_a_sum_of_both_directions_where_info_nce_is_a_mean() -> None:
    queries, positives = unit(6, 14), unit(6, 15)
    mean = info_nce(queries, positives, 10.0).item()
    assert nce(queries, positives, 10.0).item() == pytest.approx(2 * mean, abs=1e-9)


def test_a_learned_temperature_gets_a_gradient_and_a_fixed_one_needs_none() -> None:
    queries, positives = unit(6, 16), unit(6, 17)
    log_scale = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    nce(queries, positives, log_scale.exp()).backward()
    step = 1e-6
    ahead, behind = (nce(queries, positives, math.exp(2.0 + d)).item() for d in (step, -step))
    assert log_scale.grad is not None
    assert log_scale.grad.item() == pytest.approx((ahead - behind) / (2 * step), abs=1e-5)


def test_a_bank_adds_to_the_way_there_save_what_is_likely_right() -> None:
    queries, positives, bank = unit(5, 18), unit(5, 19), unit(9, 20)
    none = torch.zeros(5, 0, 8, dtype=torch.float64)
    likely = torch.zeros(5, 9, dtype=torch.bool)
    likely[2, 4] = likely[0, 0] = True
    expected = 0.0
    for i in range(5):
        right = math.exp(10 * float(queries[i] @ positives[i]))
        forth = sum(math.exp(10 * float(queries[i] @ positives[k])) for k in range(5))
        forth += sum(math.exp(10 * float(queries[i] @ bank[m])) for m in range(9) if not likely[i, m])
        back = sum(math.exp(10 * float(queries[k] @ positives[i])) for k in range(5))
        expected += (-math.log(right / forth) - math.log(right / back)) / 5
    found = nce_plus(queries, positives, none, 10.0, bank=bank, likely=likely).item()
    assert found == pytest.approx(expected, abs=1e-6)
    assert nce_plus(queries, positives, none, 10.0, bank=bank).item() > found + 1e-6
