"""Jina CLIP's three stages as a person trains them: each from the folder of the one before, one killed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from searchkit.encoders.pocket import TEXT
from searchkit.evaluation.compare import Retrieval
from searchkit.finetuning.towers import CARD
from searchkit.finetuning.training_set import pixels_of
from searchkit.registry import load_encoder
from searchkit.types import Runtime
from tests.tiny import COLOURS, SHAPES, picture, tiny_encoder

COMMAND = [str(Path(sys.executable).with_name("searchkit")), "train", "-q"]
NAMES = [(colour, side) for colour in COLOURS for side in SHAPES]
STEPS = {"jina-1": 60, "jina-2": 60, "jina-3": 30}


def write_data(folder: Path) -> None:
    folder.mkdir()
    asked = [f"what is {colour} on the {side}" for colour, side in NAMES]
    found = [f"the {side} half is painted {colour}" for colour, side in NAMES]
    wrong = [[found[(n + 1 + k) % 16] for k in range(7)] for n in range(16)]
    rows = [{"text": a, "text2": b} for a, b in zip(asked, found, strict=True)]
    (folder / "text_pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    triplets = [{**row, "negatives": some} for row, some in zip(rows, wrong, strict=True)]
    (folder / "text_triplets.jsonl").write_text("\n".join(map(json.dumps, triplets)))
    shown = [(picture(c, s, 100 * n + k), c, s) for k, (c, s) in enumerate(NAMES) for n in range(6)]
    images = [image for image, *_ in shown]
    short = [[f"{c} on the {s}"] for _, c, s in shown]
    long = [[f"a picture of which the {s} half is {c}, and all else is dark"] for _, c, s in shown]
    for name, captions in (("captions", short), ("long_captions", long)):
        pq.write_table(pa.table({"image": images, "captions": captions}), folder / f"{name}.parquet")


def arguments(root: Path, name: str, parent: Path, out: Path) -> list[str]:
    changed = {"batch": 16, "chunk": 8, "rate": 1e-2, "warmup": 5, "save_every": 5}
    where = ["--recipe", name, "--parent", str(parent), "--data", str(root / "data"), "--out", str(out)]
    return [*where, "--steps", str(STEPS[name]), *(f"--set={key}={value}" for key, value in changed.items())]


def measured(folder: Path) -> tuple[float, float, float]:
    """Recall@1 of fresh pictures by short and by long captions, and of texts by texts."""
    encoder = load_encoder(str(folder), Runtime(device="cpu", dtype="float32"))
    images = [picture(c, s, 9000 + k) for k, (c, s) in enumerate(NAMES)]
    pictures = encoder.encode_images(list(pixels_of(images, encoder.prepare_image)))
    each = [[n] for n in range(len(NAMES))]
    short, long, asked, found = (
        encoder.encode_text([one.format(c, s) for c, s in NAMES])
        for one in (
            "{0} on the {1}",
            "a picture of which the {1} half is {0}, and all else is dark",
            "what is {0} on the {1}",
            "the {1} half is painted {0}",
        )
    )
    tasks = (Retrieval(short, pictures, each), Retrieval(long, pictures, each), Retrieval(asked, found, each))
    first, second, third = (task.mean("recall@1") for task in tasks)
    return first, second, third


@pytest.mark.slow
def test_three_stages_follow_each_other_and_one_that_was_killed_goes_on(tmp_path: Path) -> None:
    write_data(tmp_path / "data")
    fresh = tiny_encoder(tmp_path / "fresh")
    before, parent = measured(fresh), fresh
    figures = {}
    for name in STEPS:
        out = tmp_path / name
        command = [*COMMAND, *arguments(tmp_path, name, parent, out)]
        if name == "jina-2":
            log = tmp_path / f"{name}.work" / "log.jsonl"
            process = subprocess.Popen(command)
            while process.poll() is None and not (log.is_file() and log.read_text().count("\n") > 22):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL and not out.exists()
        subprocess.run(command, check=True)
        card = json.loads((out / CARD).read_text())
        assert card["parent"] == str(parent) and card["plan"]["name"] == name
        assert card["plan"]["hard"] == (7 if name == "jina-3" else 0)
        figures[name] = measured(out)
        parent = out
    whole = tmp_path / "whole"
    subprocess.run([*COMMAND, *arguments(tmp_path, "jina-2", tmp_path / "jina-1", whole)], check=True)
    for file in ("model.safetensors", TEXT):
        killed, uninterrupted = load_file(tmp_path / "jina-2" / file), load_file(whole / file)
        assert all(np.array_equal(killed[name], value) for name, value in uninterrupted.items())
    assert max(before) <= 0.5
    assert figures["jina-1"][0] >= 0.8 and figures["jina-1"][2] >= 0.8  # pictures and texts
    assert figures["jina-2"][1] > max(figures["jina-1"][1], 0.8)  # long captions
    assert figures["jina-3"][1] >= 0.8 and figures["jina-3"][2] >= 0.9
