"""The file of a run: read while it is written, whole after its end, and dead when it is silent."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from searchkit.errors import BadInput
from searchkit.finetuning.curve import FILE, SILENT, Curve, Look, read_learning


def look(step: int, attempt: int = 1) -> Look:
    return Look(attempt, 2, step, 100, 1.0 / step, 0.3, 0.2)


def test_what_is_written_is_read_while_it_goes_on_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [time.time()]
    monkeypatch.setattr("searchkit.finetuning.curve.time.time", lambda: now[0])
    assert read_learning(tmp_path) is None
    heard: list[tuple[str, int, int]] = []
    with Curve(tmp_path / "adapters", "påirs.csv", lambda *said: heard.append(said)) as curve:
        curve("read", 0, 0)
        curve.look("text-image", look(25))
        now[0] += 0.05
        curve.look("text-image", look(50))
        found = read_learning(tmp_path / "adapters")
        assert found is not None and found.goes_on and found.pairs == "påirs.csv"
        assert [one for _, one in found.looks["text-image"]] == [look(25), look(50)]
        assert found.seconds_left == pytest.approx(0.3, abs=0.001)  # 0.05 s for an eighth, two are done
        with (tmp_path / "adapters" / FILE).open("a") as file:
            file.write('{"way": "text-im')  # a line that is being written
        again = read_learning(tmp_path / "adapters")
        assert again == found
        curve.end("in use")
    assert heard == [("read", 0, 0)]


def test_an_error_is_the_end_of_a_run_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    with pytest.raises(BadInput), Curve(tmp_path, "a.csv", lambda *said: None) as curve:
        curve.look("text-image", look(25))
        raise BadInput("too few")
    found = read_learning(tmp_path)
    assert found is not None and found.ended == "too few" and not found.goes_on and len(found.looks) == 1
    with Curve(tmp_path, "b.csv", lambda *said: None):
        found = read_learning(tmp_path)
    assert found is not None and found.pairs == "b.csv" and found.goes_on and not found.looks


def test_a_run_that_is_silent_for_long_has_died(tmp_path: Path) -> None:
    Curve(tmp_path, "a.csv", lambda *said: None)
    past = time.time() - SILENT - 1
    os.utime(tmp_path / FILE, (past, past))
    found = read_learning(tmp_path)
    assert found is not None and not found.goes_on and not found.ended


@pytest.mark.parametrize(
    "content", ["", "[]\n", "{}\n", '{"pairs": "a", "began": 1}\n{"way": "x"}\n', "\x00\n"]
)
def test_a_file_that_says_nothing_is_no_run(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)
    assert read_learning(tmp_path) is None
