"""The bootstrap against its definition, and retrieval against plain sorting."""

from __future__ import annotations

import numpy as np
import pytest

from searchkit.errors import BadInput
from searchkit.evaluation.compare import Retrieval, compare, paired_bootstrap


def test_the_interval_is_that_of_resampled_mean_differences() -> None:
    rng = np.random.default_rng(4)
    before = rng.random(80)
    after = before + rng.normal(0.05, 0.2, 80)
    found = paired_bootstrap(before.tolist(), after.tolist(), seed=7)
    other = np.random.default_rng(99)
    means = []
    for _ in range(4000):
        rows = [int(other.integers(0, 80)) for _ in range(80)]
        means.append(sum(after[row] - before[row] for row in rows) / 80)
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.006)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.006)
    assert found.after - found.before == pytest.approx((after - before).mean())
    assert paired_bootstrap(before.tolist(), after.tolist(), seed=7) == found


def test_it_is_paired() -> None:
    """Two noisy rows that differ by a constant differ with certainty, however noisy they are."""
    before = np.random.default_rng(1).random(50)
    found = paired_bootstrap(before.tolist(), (before + 0.01).tolist())
    assert (found.low, found.high) == (pytest.approx(0.01), pytest.approx(0.01)) and found.better
    mixed = paired_bootstrap(before.tolist(), np.sort(before + 0.01).tolist())
    assert mixed.low < 0 < mixed.high and not mixed.better


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(BadInput):
        paired_bootstrap([], [])
    with pytest.raises(BadInput):
        compare({"a": {"m": 1.0}}, {"b": {"m": 1.0}})


def test_a_question_is_no_answer_to_itself() -> None:
    rng = np.random.default_rng(2)
    items = rng.standard_normal((30, 8)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    task = Retrieval(items[:10], items, [[n + 10] for n in range(10)], list(range(10)))
    found = task.scores()
    for n in range(10):
        scores = items @ items[n]
        others = [m for m in np.argsort(-scores) if m != n]
        rank = others.index(n + 10) + 1
        assert found[str(n)]["mrr@10"] == (pytest.approx(1 / rank) if rank <= 10 else 0)
    with_itself = Retrieval(items[:10], items, [[n + 10] for n in range(10)]).mean("mrr@10")
    assert task.mean("mrr@10") > with_itself
