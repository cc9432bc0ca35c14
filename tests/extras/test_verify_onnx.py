"""Verification against ONNX exports: of small networks of ours, of the same ones spoilt, of other files."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor, nn

from searchkit.encoders.device import Placement
from searchkit.encoders.hashing import Hashing
from searchkit.encoders.image import ImageTower, Preprocess
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput, ModelMissing
from searchkit.evaluation.verify import (
    LIMIT,
    SENTENCES,
    Row,
    Verification,
    pictures,
    verify,
)
from searchkit.models.bert import Bert, BertConfig, BertPooled
from searchkit.models.vit import VisionTransformer, ViTConfig
from searchkit.registry import exports, load_encoder
from searchkit.types import EncoderRecord, Runtime, Space

pytest.importorskip("onnxruntime", reason="make extras")
pytest.importorskip("onnx", reason="make extras")

DIM, PIXELS, PAD = 32, 48, 258
BERT = BertConfig(
    vocab_size=259,
    hidden_size=DIM,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=64,
    max_position_embeddings=1024,
)
VIT = ViTConfig(pixels=PIXELS, patch=16, width=32, depth=2, heads=2, dim=DIM)
EXAMPLE = {
    "input_ids": torch.randint(0, 256, (1, 9), generator=torch.Generator().manual_seed(0)),
    "attention_mask": torch.ones(1, 9, dtype=torch.long),
    "pixel_values": torch.randn(1, 3, PIXELS, PIXELS),
}


# networks


def shaken(kind: Callable[[Any], nn.Module], sizes: BertConfig | ViTConfig) -> nn.Module:
    """Weights that make vectors differ, the same each time, and norms that have seen something."""
    torch.manual_seed(1)
    network = kind(sizes)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.2, 1)
            elif value.is_floating_point():
                value.add_(0.2 * torch.randn(value.shape))
    return network.eval()


def bytes_tokenizer() -> Tokenizer:
    """One token a byte, between a first and a last."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {letter: i for i, letter in enumerate(letters)} | {"<s>": 256, "</s>": 257}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 256), ("</s>", 257)]
    )
    return tokenizer


def encoder(dtype: torch.dtype = torch.float32) -> TwoTowers:
    where = Placement(torch.device("cpu"), dtype)
    record = EncoderRecord("small", DIM, "Apache-2.0", "English", 1024, PIXELS, 0, "test", "nowhere")
    return TwoTowers(
        record,
        Space("small", "0" * 64, 1, DIM),
        TextTower(
            lambda: Tokens(bytes_tokenizer(), 1024, PAD), lambda: shaken(BertPooled, BERT), where, dim=DIM
        ),
        ImageTower(
            Preprocess(PIXELS, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)),
            lambda: shaken(VisionTransformer, VIT),
            where,
            dim=DIM,
        ),
    )


class WithoutMask(nn.Module):
    """Knows padding by its id, as Jina's text tower does."""

    def __init__(self) -> None:
        super().__init__()
        self.bert = shaken(BertPooled, BERT)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.bert(ids, (ids != PAD).long())
        return out


class Both(nn.Module):
    """One file with two networks, as Jina CLIP 2 has it."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.images = WithoutMask(), shaken(VisionTransformer, VIT)

    def forward(self, ids: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return self.text(ids), self.images(pixels)


def export(
    network: nn.Module, path: Path, inputs: str, outputs: str, fixed_ids: Tensor | None = None
) -> Path:
    """Text of any length, or of the length of `fixed_ids`."""
    names = inputs.split()
    example = EXAMPLE if fixed_ids is None else {"input_ids": fixed_ids}
    any_length = {1: torch.export.Dim("tokens", min=2, max=1024)}
    free = () if fixed_ids is not None else ("input_ids", "attention_mask")
    shapes = tuple(any_length if name in free else None for name in names)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own
        torch.onnx.export(
            network.eval(),
            tuple(example[name] for name in names),
            path,
            input_names=names,
            output_names=outputs.split(),
            dynamic_shapes=shapes,
            dynamo=True,
            verbose=False,
            external_data=False,
        )
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("onnx")


@pytest.fixture(scope="module")
def text_onnx(folder: Path) -> Path:
    path = folder / "text_model.onnx"
    return export(shaken(BertPooled, BERT), path, "input_ids attention_mask", "text_embeddings")


@pytest.fixture(scope="module")
def vision_onnx(folder: Path) -> Path:
    path = folder / "vision_model.onnx"
    return export(shaken(VisionTransformer, VIT), path, "pixel_values", "image_embeddings")


# verdicts


def test_the_same_weights_are_verified(text_onnx: Path, vision_onnx: Path) -> None:
    found = verify(encoder(), text_onnx, vision_onnx)
    assert found.ok and min(row.cosine for row in found.rows) > 0.999999
    assert [row.input for row in found.rows][:3] == [*SENTENCES[:3]]
    assert [row.input for row in found.rows][8:] == [*pictures()]
    assert len({row.input for row in found.rows}) == 12 and max(len(row.input) for row in found.rows) <= 60
    assert [row.what for row in found.rows] == ["text"] * 8 + ["image"] * 4
    assert found.to_json()["ok"] and found.to_json()["rows"][0]["input"] == "rain"


def test_the_inputs_have_different_vectors() -> None:
    small = encoder()
    for vectors in (
        small.encode_text(SENTENCES),
        small.encode_images([small.prepare_image(picture) for picture in pictures().values()]),
    ):
        cosines = vectors @ vectors.T - np.eye(len(vectors))
        assert cosines.max() < LIMIT


def _disturb(parameter: Callable[[TwoTowers], Tensor]) -> TwoTowers:
    spoilt = encoder()
    with torch.no_grad():
        weight = parameter(spoilt)
        weight.copy_(weight.roll(1, 0))
    return spoilt


def test_one_wrong_text_weight_fails_the_texts_alone(text_onnx: Path, vision_onnx: Path) -> None:
    spoilt = _disturb(lambda one: one.text.network.get_parameter("layers.1.query.weight"))
    found = verify(spoilt, text_onnx, vision_onnx)
    assert not found.ok and {row.what for row in found.rows if not row.ok} == {"text"}


def test_one_wrong_image_weight_fails_the_pictures_alone(text_onnx: Path, vision_onnx: Path) -> None:
    def bias(one: TwoTowers) -> Tensor:
        assert one.images is not None
        return one.images.network.get_parameter("blocks.0.fc1.bias")

    found = verify(_disturb(bias), text_onnx, vision_onnx)
    assert not found.ok and {row.what for row in found.rows if not row.ok} == {"image"}


def test_positions_that_are_wrong_far_out_fail_the_long_texts(text_onnx: Path) -> None:
    spoilt = encoder()
    with torch.no_grad():
        spoilt.text.network.get_parameter("embeddings.position_embeddings.weight")[100:] = 0
    found = verify(spoilt, text_onnx)
    assert found.rows[0].ok and not found.rows[-1].ok


def test_a_vector_that_is_no_number_is_not_verified() -> None:
    assert not Verification("small", ()).ok
    assert not Verification("small", (Row("text", "rain", 1.0), Row("text", "sea", float("nan")))).ok


def test_texts_can_be_verified_alone(text_onnx: Path) -> None:
    found = verify(encoder(), text_onnx)
    assert found.ok and len(found.rows) == 8


# what exports look like


def test_a_file_that_asks_for_ids_alone_is_read(folder: Path) -> None:
    path = export(WithoutMask(), folder / "ids.onnx", "input_ids", "text_embeddings")
    assert verify(encoder(), path).ok


def test_token_vectors_are_pooled_as_ours_are(folder: Path) -> None:
    path = folder / "tokens.onnx"
    tokens = shaken(Bert, BERT)
    export(tokens, path, "input_ids attention_mask", "last_hidden_state")
    assert verify(encoder(), path).ok


def test_one_file_with_both_networks_is_read(folder: Path) -> None:
    path = export(Both(), folder / "model.onnx", "input_ids pixel_values", "text_embeddings image_embeddings")
    assert verify(encoder(), path, path).ok
    spoilt = _disturb(lambda one: one.text.network.get_parameter("layers.1.query.weight"))
    assert {row.what for row in verify(spoilt, path, path).rows if not row.ok} == {"text"}


# a checkpoint


class Ids(nn.Module):
    """A text tower for texts that are as long as the window, which need no mask."""

    def __init__(self, tower: nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.tower(ids, torch.ones_like(ids))
        return out


def test_a_checkpoint_is_verified_with_the_exports_beside_it(tmp_path: Path) -> None:
    open_clip = pytest.importorskip("open_clip", reason="make extras")
    config = {
        "embed_dim": DIM,
        "vision_cfg": {"image_size": PIXELS, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    torch.manual_seed(0)
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file(open_clip.CLIP(**config).state_dict(), tmp_path / "open_clip_model.safetensors")
    (tmp_path / "tokenizer.json").write_text("{}")  # open_clip has its own
    loaded = load_encoder(str(tmp_path), Runtime(device="cpu", dtype="float32"))
    assert isinstance(loaded, TwoTowers) and loaded.images is not None
    (tmp_path / "onnx").mkdir()
    ids = torch.zeros(1, 77, dtype=torch.long)
    export(Ids(loaded.text.network), tmp_path / "onnx/text_model.onnx", "input_ids", "text_embeds", ids)
    export(loaded.images.network, tmp_path / "onnx/vision_model.onnx", "pixel_values", "image_embeds")
    found = verify(loaded, *exports(str(tmp_path)))
    assert found.ok and len(found.rows) == 12 and found.encoder == str(tmp_path)


# what is refused


def test_a_quantised_file_is_no_reference(text_onnx: Path, tmp_path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    short = tmp_path / "text.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantize_dynamic(text_onnx, short)
    with pytest.raises(BadInput, match="QuantizeLinear"):
        verify(encoder(), short)


@pytest.mark.parametrize("name", ["text_model_int8", "text_model_q8", "model_quantized", "text_model_fp16"])
def test_a_name_that_says_short_numbers_is_believed(text_onnx: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(text_onnx.read_bytes())
    with pytest.raises(BadInput, match="as its name says"):
        verify(encoder(), path)


def test_a_file_that_is_missing_damaged_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match=r"text_model\.onnx is not on this machine"):
        verify(encoder(), tmp_path / "text_model.onnx")
    for content in (b"", b"junk" * 100):
        (tmp_path / "text_model.onnx").write_bytes(content)
        with pytest.raises(BadInput, match="cannot be run"):
            verify(encoder(), tmp_path / "text_model.onnx")


def test_a_file_of_another_kind_is_refused_with_what_it_wants(text_onnx: Path, vision_onnx: Path) -> None:
    small = encoder()
    with pytest.raises(BadInput, match="no text vector of 64"):
        wide = encoder()
        wide.record = replace(wide.record, dim=64)
        verify(wide, text_onnx)
    small.record = replace(small.record, pixels=0)  # nothing blank to give it
    with pytest.raises(BadInput, match="pixel_values"):
        verify(small, vision_onnx)


def test_an_encoder_in_short_numbers_is_refused(text_onnx: Path) -> None:
    with pytest.raises(BadInput, match="bfloat16") as caught:
        verify(encoder(torch.bfloat16), text_onnx)
    assert "--dtype float32" in caught.value.hint


def test_an_encoder_without_networks_is_refused(text_onnx: Path) -> None:
    with pytest.raises(BadInput, match="two networks"):
        verify(Hashing(), text_onnx)


def test_without_onnxruntime_the_package_is_named(text_onnx: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelMissing) as caught:
        verify(encoder(), text_onnx)
    assert caught.value.hint == "pip install onnxruntime"
