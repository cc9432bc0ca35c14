"""A stranger's model folder ends in a searchkit error that names a file of it, whatever its files hold."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders import minilm_files
from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.minilm_files import minilm_tokens, minilm_weights, model_folder
from searchkit.encoders.tokens import read_tokenizer
from searchkit.errors import ModelMissing, SearchkitError
from searchkit.registry import load_encoder
from tests.tiny import tiny_encoder

WRONG: tuple[Any, ...] = (None, -1, 0, 1.5, 10**9, "x", "", [], {}, [[]], True, {"a": 1}, float("nan"), "1e9")
MUTATIONS = 60


def used(folder: Path) -> None:
    """Do with a model what indexing and searching do."""
    encoder = load_encoder(str(folder))
    pixels = encoder.prepare_image(Image.new("RGB", (64, 48), "red"))
    assert np.isfinite(encoder.encode_images([pixels])).all()
    assert encoder.encode_text(["two dogs"]).shape == (1, encoder.space.dim)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values inside a JSON value."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [one for key, inner in pairs for one in [(*path, key), *places(inner, (*path, key))]]


def mutated(value: Any, rng: random.Random) -> Any:
    """A copy with one value lost, or of another type or size."""
    copy = json.loads(json.dumps(value))
    *above, last = rng.choice(places(copy))
    inside = copy
    for key in above:
        inside = inside[key]
    if rng.random() < 0.3:
        del inside[last]
    else:
        inside[last] = rng.choice(WRONG)
    return copy


def refused_or_used(use: Callable[[], object], what: object) -> bool:
    """Whether it was refused, by an error that names a file; what still makes a model is one."""
    try:
        use()
    except SearchkitError as error:
        assert any(name in str(error) for name in (".json", ".safetensors")), (what, str(error))
        return True
    return False


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return tiny_encoder(tmp_path / "tiny")


def test_a_whole_folder_is_used(tiny: Path) -> None:
    used(tiny)


def test_a_mutated_config_is_refused_by_its_name(tiny: Path) -> None:
    config = json.loads((tiny / "config.json").read_text())
    rng = random.Random(11)
    refused = 0
    for _ in range(MUTATIONS):
        wrong = mutated(config, rng)
        (tiny / "config.json").write_text(json.dumps(wrong))
        refused += refused_or_used(lambda: used(tiny), wrong)
    assert refused > MUTATIONS // 3


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "[" * 100_000, '{"tower":' * 50_000, "\ud800", "null"])
def test_a_config_that_is_no_object_is_refused_by_its_name(tiny: Path, text: str) -> None:
    (tiny / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert refused_or_used(lambda: used(tiny), text[:20])


@pytest.mark.parametrize("name", ["model.safetensors", "text.safetensors"])
def test_mutated_weights_are_refused_by_their_name(tiny: Path, name: str) -> None:
    whole = (tiny / name).read_bytes()
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    rng = random.Random(5)
    for _ in range(MUTATIONS // 2):
        wrong = json.dumps(mutated(header, rng)).encode()
        (tiny / name).write_bytes(len(wrong).to_bytes(8, "little") + wrong + whole[8 + length :])
        refused_or_used(lambda: used(tiny), wrong[:80])
    for damaged in (b"", whole[:7], whole[:50], b"\xff" * 8 + whole[8:], whole[:-9]):
        (tiny / name).write_bytes(damaged)
        assert refused_or_used(lambda: used(tiny), damaged[:9])


def test_a_mutated_tokenizer_is_refused_by_its_name(tmp_path: Path) -> None:
    small = json.loads((model_folder() / "tokenizer.json").read_text("utf-8"))
    small["model"]["vocab"] = dict(list(small["model"]["vocab"].items())[:1200])
    file, rng, checkpoint = tmp_path / "tokenizer.json", random.Random(7), Checkpoint("x", tmp_path)
    for _ in range(MUTATIONS):
        wrong = mutated({**small, "model": {**small["model"]}}, rng)
        file.write_text(json.dumps(wrong))
        refused_or_used(lambda: read_tokenizer(checkpoint).encode("two dogs"), "tokens")
    for text in ("", "{}", "[" * 100_000, "\0" * 9):
        file.write_text(text)
        assert refused_or_used(lambda: read_tokenizer(checkpoint), text[:9])


@pytest.mark.parametrize("listed", [None, [], "x", {}, {"a": "../secret.safetensors"}, {"a": 3}])
def test_an_index_of_shards_that_names_no_files_of_the_folder_is_refused(tiny: Path, listed: Any) -> None:
    (tiny / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    assert refused_or_used(lambda: used(tiny), listed)


@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "model.safetensors"])
def test_minilm_is_held_to_its_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    shutil.copytree(model_folder(), tmp_path / "model")
    monkeypatch.setattr(minilm_files, "model_folder", lambda: tmp_path / "model")
    others = {"tokenizer.json": minilm_tokens, "config.json": minilm_files.minilm_config}
    read = others.get(name, minilm_weights)
    read()
    with (tmp_path / "model" / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ModelMissing, match="sha256"):
        read()
