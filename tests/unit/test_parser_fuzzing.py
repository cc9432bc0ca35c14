"""Hostile files: every parser, in a process of its own, with a gigabyte of memory and ten seconds a file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from searchkit.registry import PARSERS

ROOT = Path(__file__).parents[2]
SECONDS = 10.0
MEGABYTES = 1000
FEW, MANY, SHARE = 30, 2000, 200

each_parser = pytest.mark.parametrize(
    ("name", "suffix"), [pytest.param(name, suffixes[0], id=name) for _, name, suffixes in PARSERS]
)


def survive(name: str, suffix: str, *, first: int, count: int, folder: Path) -> Counter[str]:
    """How many files were parsed and how many refused; fails on anything else."""
    with (folder / "outcomes").open("w+") as out:
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzzing", name, str(first), str(count), suffix],
            cwd=folder,
            env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            stdout=out,
            stderr=subprocess.PIPE,
            timeout=SECONDS * count,
        )
        out.seek(0)
        *outcomes, last = [json.loads(line) for line in out]
    assert done.returncode == 0, f"died over the file after {last}: {done.stderr.decode()[-2000:]}"
    slow = [outcome for outcome in outcomes if outcome[2] > SECONDS]
    odd = [outcome for outcome in outcomes if outcome[1] not in ("parsed", "refused")]
    assert not slow and not odd
    assert len(outcomes) == count
    what, own, childs = last
    assert what == "peak" and 0 < own < MEGABYTES and childs < MEGABYTES
    assert childs or name != "PdfParser"  # which reads in a child
    return Counter(outcome[1] for outcome in outcomes)


@each_parser
def test_a_mutated_file_is_parsed_or_refused(name: str, suffix: str, tmp_path: Path) -> None:
    assert survive(name, suffix, first=0, count=FEW, folder=tmp_path)["refused"] < FEW


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, MANY, SHARE))
@each_parser
def test_thousands_of_mutated_files_are_parsed_or_refused(
    name: str, suffix: str, first: int, tmp_path: Path
) -> None:
    outcomes = survive(name, suffix, first=first, count=SHARE, folder=tmp_path)
    assert outcomes["parsed"] and outcomes["refused"]
