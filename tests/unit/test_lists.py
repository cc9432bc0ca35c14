"""How a large index is tuned, by curves of recall that no collection has to be found for."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from searchkit.stores import lists
from searchkit.stores.shelf import Tuning

Curve = Callable[[int, int], float]
"""(lists that are looked into, candidates a hit) → recall."""


@pytest.fixture
def tune(monkeypatch: pytest.MonkeyPatch) -> Callable[[Curve], Tuning]:
    """Tunes an index of a hundred dimensions and 512 lists of a hundred vectors each."""
    ivf = SimpleNamespace(nlist=512, ntotal=51_200, d=25)
    monkeypatch.setattr(lists.faiss, "extract_index_ivf", lambda index: ivf)
    monkeypatch.setattr(lists, "parameters", lambda nprobe, k_factor: (nprobe, k_factor))

    def tuned(curve: Curve) -> Tuning:
        index = SimpleNamespace(
            d=100,
            ntotal=ivf.ntotal,
            refine_index=SimpleNamespace(sa_code_size=lambda: 100),
            search=lambda questions, k, params: (None, params),
        )
        truth: Any = SimpleNamespace(questions=None, recall=lambda found: curve(*found))
        return lists.tuned(index, truth)

    return tuned


def by_lists(points: dict[int, float]) -> Curve:
    return lambda nprobe, _: max(recall for lists, recall in points.items() if lists <= nprobe)


def test_the_first_setting_that_reaches_the_target_is_taken(tune: Callable[[Curve], Tuning]) -> None:
    how = tune(by_lists({8: 0.90, 12: 0.94, 18: lists.TARGET - 0.001, 27: lists.TARGET, 40: 0.99}))
    assert (how.nprobe, how.k_factor, how.recall) == (27, 4, lists.TARGET)


def test_more_candidates_are_taken_where_they_save_more_lists(tune: Callable[[Curve], Tuning]) -> None:
    how = tune(lambda nprobe, k: min(0.97, 0.9 + 2e-4 * nprobe * k))
    assert (how.nprobe, how.k_factor) == (33, 12)  # 8 need 51 lists; 16 need 22, and more in all
    assert tune(lambda nprobe, k: min(0.97, 0.9 + 3e-3 * nprobe)).k_factor == 4


def test_where_nothing_reaches_it_a_little_more_recall_is_not_worth_any_work(
    tune: Callable[[Curve], Tuning],
) -> None:
    how = tune(lambda nprobe, k: 0.9 + 1e-5 * (nprobe + k))
    assert (how.nprobe, how.k_factor) == (8, 4)
    how = tune(lambda nprobe, k: 0.8 + 0.001 * k)
    assert (how.nprobe, how.k_factor, how.recall) == (8, 128, 0.928)
