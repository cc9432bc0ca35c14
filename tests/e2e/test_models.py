"""Encoders as a person meets them on the command line: which there are, and one that reads text alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.encoders.minilm_files import model_folder
from searchkit.encoders.records import RECORDS
from searchkit.errors import BadInput, ModelMissing, SpaceMismatch
from searchkit.registry import encoders as registry
from searchkit.types import Runtime

SCRIPT = Path(sys.executable).with_name("searchkit")


def run(home: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    homes = {name: str(home) for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    environment = os.environ | homes | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(
        [SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120
    )


def test_the_list_says_what_each_is_and_what_is_here(tmp_path: Path) -> None:
    done = run(tmp_path, "models", "--json")
    found = {one["name"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0 and {"pocket", "pocket-large", *RECORDS} == set(found)
    assert found["pocket-large"]["here"] and not found["jinaai/jina-clip-v1"]["here"]
    assert found["jinaai/jina-clip-v1"]["text_window"] == 8192
    assert {name for name, one in found.items() if one["restricted"]} == {
        name for name, one in RECORDS.items() if one.licence not in ("Apache-2.0", "MIT")
    }
    lines = run(tmp_path, "models").stdout.splitlines()
    assert len(lines) == len(found) + 1 and lines[0].split()[:3] == ["name", "here", "licence"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("pull",), 2, "models pull takes a name"),
        (("list", "pocket"), 2, "models list takes no name"),
        (("pull", "pocket"), 2, "no repository"),
        (("pull", "jinaai/jina-clip-v2"), 2, "--accept-licence"),
        (("pull", "jinaai/jina-clip-v1"), 5, "HF_HUB_OFFLINE"),
        (("verify", "pocket"), 2, "onnx"),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = run(tmp_path, "models", *arguments)
    assert done.returncode == code and said in done.stderr, done.stderr


def test_a_collection_of_text_alone_leaves_pictures_out_and_says_so(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "bees.txt").write_text("In autumn the bees are fed with sugar syrup.")
    (files / "ships.txt").write_text("The ship left the harbour at dawn.")
    Image.new("RGB", (30, 30), "red").save(files / "red.png")
    with Collection.open(tmp_path / "library", model=str(model_folder())) as library:
        report = library.add(files)
        assert (report.indexed, report.failed) == (2, 0)
        assert any("1 pictures were left out" in warning for warning in report.warnings)
        assert Path(library.search("what do insects eat")[0].path).name == "bees.txt"
        with pytest.raises(BadInput, match="encodes text only"):
            library.search(image=files / "red.png")
        with pytest.raises(BadInput, match="no kind that can be indexed"):
            library.add(files / "red.png")
    with Collection.open(tmp_path / "library") as again:  # known from the manifest, without the encoder
        assert again.add().unchanged == 2
        assert "encoder" not in again.__dict__
    with pytest.raises(SpaceMismatch, match="holds vectors of"):
        Collection.open(tmp_path / "library", model="pocket")


def test_an_encoder_of_another_package_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("theirs", "searchkit.encoders.hashing:Hashing", registry.ENTRY_POINT)
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == registry.ENTRY_POINT else []
    )
    assert isinstance(registry.load_encoder("theirs"), Hashing)
    assert "theirs" in registry.encoder_names()
    with pytest.raises(ModelMissing, match="no encoder named 'yours'") as caught:
        registry.load_encoder("yours")
    assert "theirs" in caught.value.hint


def test_only_an_encoder_that_was_trained_for_it_gives_shorter_vectors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs = SimpleNamespace(record=Hashing().record)
    point = SimpleNamespace(name="theirs", load=lambda: lambda: theirs)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(BadInput, match="has no vectors of 128 numbers"):
        registry.load_encoder("pocket:128", Runtime(device="cpu"))
    with pytest.raises(BadInput, match="no shorter vectors"):
        registry.load_encoder("theirs:8")
