"""Files that say one thing again and again: what reads them with an expression, or in a loop, takes time that
grows with their size, and not with the square of it or worse. A limit of processor time counts the work."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from searchkit.registry import PARSERS
from tests.repeating import TOKENS

ROOT = Path(__file__).parents[2]
BYTES, MANY = 200_000, 2_000_000

each_parser = pytest.mark.parametrize(
    ("name", "suffix"), [pytest.param(name, suffixes[0], id=name) for _, name, suffixes in PARSERS]
)


def outcomes(name: str, suffix: str, size: int, folder: Path) -> list[tuple[str, str, str]]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.repeating", name, suffix, str(size)],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    found = [tuple(json.loads(line)) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"died over the file after {found[-1:]}: {done.stderr[-2000:]}"
    assert {token for token, _, _ in found} >= set(TOKENS[name])
    assert [one for one in found if one[1] not in ("parsed", "refused")] == []
    assert [one for one in found if one[1] == "refused" and "file" not in one[2]] == []
    return found


@each_parser
def test_no_token_takes_more_time_than_its_file_is_long(name: str, suffix: str, tmp_path: Path) -> None:
    found = outcomes(name, suffix, BYTES, tmp_path)
    assert [one for one in found if "processor time" in one[2] or "takes PDFium more" in one[2]] == []


@pytest.mark.slow
@each_parser
def test_no_token_breaks_out_of_the_budgets(name: str, suffix: str, tmp_path: Path) -> None:
    outcomes(name, suffix, MANY, tmp_path)
