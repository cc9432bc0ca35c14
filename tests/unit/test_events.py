"""What TensorBoard reads of a run: the same numbers as its log, also of one that was killed and went on."""

from __future__ import annotations

import json
import logging
import struct
import sys
from pathlib import Path

import pytest
import torch

from searchkit.finetuning.run import train_towers
from searchkit.training import events as writing
from searchkit.training.events import FOLDER, events
from tests.tiny import tiny_encoder
from tests.unit.test_towers import shown, texts, towers


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    torch.set_num_threads(1)
    return tiny_encoder(tmp_path / "parent")


def read(run: Path) -> tuple[dict[str, dict[int, float]], list[int]]:
    """Name → step → number, and the steps from which what was there before is hidden."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2", reason="pip install 'searchkit[tensorboard]'")
    found: dict[str, dict[int, float]] = {}
    starts = []
    for file in sorted((run / FOLDER).iterdir(), key=lambda one: one.stat().st_mtime_ns):
        data = file.read_bytes()
        while data:  # a record: its length in 8 bytes, 4 of checksum, the record, 4 of checksum
            (length,) = struct.unpack("<Q", data[:8])
            event, data = proto.Event.FromString(data[12 : 12 + length]), data[16 + length :]
            if event.HasField("session_log"):
                starts.append(event.step)
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found, starts


def test_events_say_what_the_log_says_also_after_a_kill(parent: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX", reason="pip install 'searchkit[tensorboard]'")

    class Killed(Exception):
        pass

    def kill(done: int, total: int, loss: float) -> None:
        if done == 5:
            raise Killed

    run = tmp_path / "run"
    with pytest.raises(Killed):
        train_towers(towers(parent), [texts()], [shown()], run, on_step=kill)
    assert list(read(run)[0]["loss"]) == [1, 2, 3, 4, 5]
    train_towers(towers(parent), [texts()], [shown()], run)  # from the checkpoint behind step 3
    found, starts = read(run)
    assert starts == [4]
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == list(range(1, 9))
    for name in ("loss", "rate", "pairs_per_second", "seconds_left"):
        assert found[name] == {line["step"]: pytest.approx(line[name], rel=1e-6, abs=1e-5) for line in log}
    for name in ("text/texts", "images/shown"):
        assert found[f"loss/{name}"] == {
            line["step"]: pytest.approx(line["losses"][name], abs=1e-5) for line in log
        }
    assert all(line["loss"] == pytest.approx(sum(line["losses"].values()), abs=1e-5) for line in log)


def test_without_its_package_nothing_is_written_and_that_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    writing._say_once.cache_clear()
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            with events(tmp_path, 0) as write:
                write(1, {"loss": 2.0})
    assert [record.message.count("searchkit[tensorboard]") for record in caplog.records] == [1]
    assert list(tmp_path.iterdir()) == []
