"""kill -9 at any instant: what is there afterwards is what a run that nobody disturbed would have made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario import Nursery, Scenario


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    made = Nursery(tmp_path / "errors")
    yield made
    made.close()


def test_a_handful_of_kills_leaves_no_trace(tmp_path: Path, nursery: Nursery) -> None:
    scenario = Scenario(tmp_path / "a", nursery, "sqlite", seed=11)
    scenario.disturbed(budget=9)
    scenario.disturb_more(5)
    scenario.undisturbed()
    scenario.compare()


@pytest.mark.slow
@pytest.mark.parametrize("round_", range(2))
def test_twenty_kills_leave_no_trace(tmp_path: Path, nursery: Nursery, database: str, round_: int) -> None:
    """Two hundred and more: benchmarks/kills.py."""
    scenario = Scenario(tmp_path / "a", nursery, database, seed=100 + round_)
    scenario.disturbed(budget=40)
    scenario.disturb_more(20)
    scenario.undisturbed()
    scenario.compare()
