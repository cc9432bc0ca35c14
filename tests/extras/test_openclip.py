"""Checkpoints of open_clip, written by it and read by both: vectors, tokens and pixels are the same."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from searchkit.encoders import openclip
from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import placement
from searchkit.encoders.image import Preprocess
from searchkit.encoders.openclip_inputs import clip_tokenizer, framing
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput, ModelMissing
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

open_clip = pytest.importorskip("open_clip", reason="make extras")

FP32 = Runtime(device="cpu", dtype="float32")
TOLERANCE = 1e-5
"""Of a component of a unit vector."""
DIM = 48
VISION = {"image_size": 32, "layers": 2, "width": 64, "head_width": 16, "patch_size": 8}
TEXT = {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 4, "layers": 2}
MCI0 = {
    "timm_model_name": "fastvit_mci0",
    "timm_model_pretrained": True,  # nothing may be fetched even so
    "timm_pool": "avg",
    "timm_proj": None,
    "timm_drop": 0.0,
    "timm_drop_path": 0.0,
    "image_size": 64,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "clip": {"embed_dim": DIM, "vision_cfg": VISION, "text_cfg": TEXT},
    "quickgelu": {"embed_dim": DIM, "quick_gelu": True, "vision_cfg": VISION, "text_cfg": TEXT},
    "mobileclip2": {
        "embed_dim": DIM,
        "vision_cfg": MCI0,
        "text_cfg": {**TEXT, "no_causal_mask": True},
        "custom_text": True,
    },
    "siglip": {
        "embed_dim": DIM,
        "init_logit_bias": -10,
        "custom_text": True,
        "vision_cfg": {**VISION, "pool_type": "avg", "final_ln_after_pool": True},
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 40,
            "hf_tokenizer_name": "of/another-repository",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 64,
            "heads": 4,
            "layers": 2,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
            "norm_kwargs": {"eps": 1e-6},
        },
    },
}
PREPROCESSING = {"mobileclip2": {"mean": [0, 0, 0], "std": [1, 1, 1], "interpolation": "bilinear"}}
TEXTS = [
    "two dogs run along a beach",
    "",
    "It's a CAFÉ &amp; bakery, isn't it?  $4.50 — naïve ½ ﬁne",
    "schÃ¶n, 犬が海辺を走る 👩‍👩‍👧 Ελληνικός",
    "the invoice is due within thirty days " * 20,
    "<p>tags</p> and under_scores;\n\ttabs\u00a0and\u200bspaces",
]
WORDS = ["</s>", "<pad>", "<unk>", "dog", "cat", "its", "a", "the", "beach", "dogs"]


# checkpoints


class _TokenizerFiles:
    """What open_clip asks of a tokenizer when it writes a model."""

    def __init__(self, tokenizer: Tokenizer, pad: str) -> None:
        self.tokenizer, self.pad = tokenizer, pad

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": {"content": self.pad}}))


def words_tokenizer() -> Tokenizer:
    """Whole words, and an end behind every text, as SigLIP's has it."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    return tokenizer


def shake(network: torch.nn.Module) -> None:
    """Batch norms that have seen something and layer scales that let it through: fresh ones hide mistakes."""
    torch.manual_seed(5)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if name.endswith("running_var"):
                value.uniform_(0.1, 0.5)
            elif name.endswith("running_mean"):
                value.normal_(std=0.1)
            elif "gamma" in name:
                value.uniform_(0.01, 0.1)
            elif name == "logit_scale":
                value.fill_(float(np.log(50)))
            elif value.is_floating_point():
                value.add_(0.05 * torch.randn(value.shape))


def write(folder: Path, kind: str) -> Path:
    """A checkpoint as open_clip puts it on the hub."""
    from open_clip.model import CLIP, CustomTextCLIP, set_model_preprocess_cfg
    from open_clip.push_to_hf_hub import save_for_hf
    from open_clip.transform import PreprocessCfg

    config = CONFIGS[kind]
    sizes = deepcopy({key: value for key, value in config.items() if key != "custom_text"})
    sizes["vision_cfg"].pop("timm_model_pretrained", None)
    torch.manual_seed(1)
    network = (CustomTextCLIP if config.get("custom_text") else CLIP)(**sizes)
    shake(network)
    set_model_preprocess_cfg(network, {**vars(PreprocessCfg()), **PREPROCESSING.get(kind, {})})
    own = "hf_tokenizer_name" in config["text_cfg"]
    files = _TokenizerFiles(
        words_tokenizer() if own else clip_tokenizer(), "<pad>" if own else "<end_of_text>"
    )
    save_for_hf(network, files, config, str(folder), safe_serialization=True)
    return folder


@dataclass(frozen=True, slots=True)
class Pair:
    """A folder, read by us and by open_clip."""

    folder: Path
    ours: TwoTowers
    theirs: Any
    transform: Callable[[Image.Image], torch.Tensor]

    @torch.inference_mode()
    def their_images(self, pictures: list[Image.Image]) -> Vectors:
        pixels = torch.stack([self.transform(picture) for picture in pictures])
        vectors: Vectors = self.theirs.encode_image(pixels, normalize=True).numpy()
        return vectors

    @torch.inference_mode()
    def their_texts(self, ids: torch.Tensor) -> Vectors:
        vectors: Vectors = self.theirs.encode_text(ids, normalize=True).numpy()
        return vectors


def read(folder: Path) -> TwoTowers:
    encoder = load_encoder(str(folder), FP32)
    assert isinstance(encoder, TwoTowers)
    return encoder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    made: dict[str, Pair] = {}

    def pair(kind: str) -> Pair:
        if kind not in made:
            folder = write(tmp_path_factory.mktemp(kind), kind)
            theirs, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
            made[kind] = Pair(folder, read(folder), theirs.eval(), transform)
        return made[kind]

    return pair


@pytest.fixture(params=list(CONFIGS))
def pair(request: pytest.FixtureRequest, pairs: Callable[[str], Pair]) -> Pair:
    return pairs(request.param)


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(3)
    sizes = [(64, 48), (35, 90), (200, 131), (32, 32)]
    coarse = [rng.integers(0, 255, (h // 8 + 1, w // 8 + 1, 3), np.uint8) for w, h in sizes]
    return [Image.fromarray(c).resize(size) for c, size in zip(coarse, sizes, strict=True)]


def our_images(encoder: TwoTowers) -> Vectors:
    return encoder.encode_images([encoder.prepare_image(picture) for picture in pictures()])


def their_ids(pair: Pair) -> torch.Tensor:
    if pair.ours.text.tokens.tokenizer.get_vocab_size() == len(WORDS):  # transformers would have to read it
        window = pair.ours.record.text_window
        return torch.tensor([ids + [1] * (window - len(ids)) for ids in pair.ours.text.tokens.ids(TEXTS)])
    ids: torch.Tensor = open_clip.get_tokenizer(f"local-dir:{pair.folder}")(TEXTS)
    return ids


def rewritten(folder: Path, to: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> Path:
    """The checkpoint again, with other tensors."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    tensors = load_file(to / "open_clip_model.safetensors")
    change(tensors)
    save_file(tensors, to / "open_clip_model.safetensors")
    return to


def reconfigured(folder: Path, to: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """The checkpoint again, with another `model_cfg`."""
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "open_clip_config.json").read_text())
    change(config["model_cfg"])
    (to / "open_clip_config.json").write_text(json.dumps(config))
    return to


def furthest(one: Vectors, other: Vectors) -> float:
    return float(np.abs(one - other).max())


# vectors


def test_text_vectors_are_open_clips(pair: Pair) -> None:
    ours, theirs = pair.ours.encode_text(TEXTS), pair.their_texts(their_ids(pair))
    assert ours.shape == (len(TEXTS), DIM) and furthest(ours[:1], ours[1:]) > 0.05
    assert furthest(ours, theirs) <= TOLERANCE


def test_image_vectors_are_open_clips(pair: Pair) -> None:
    ours, theirs = our_images(pair.ours), pair.their_images(pictures())
    assert ours.shape == (4, DIM) and furthest(ours[:1], ours[1:]) > 0.01
    assert furthest(ours, theirs) <= TOLERANCE


def test_the_record_is_what_the_files_say(pair: Pair) -> None:
    config = json.loads((pair.folder / "open_clip_config.json").read_text())["model_cfg"]
    record = pair.ours.record
    assert (record.dim, record.family) == (DIM, "open_clip")
    assert record.text_window == config["text_cfg"]["context_length"]
    assert record.pixels == config["vision_cfg"]["image_size"]
    assert pair.ours.temperature == pytest.approx(1 / 50)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("clip", "positional_embedding"),
        ("clip", "visual.transformer.resblocks.1.mlp.c_fc.bias"),
        ("mobileclip2", "text.ln_final.weight"),
        ("mobileclip2", "visual.trunk.stages.2.blocks.3.token_mixer.layer_scale.gamma"),
        ("mobileclip2", "visual.trunk.stages.1.downsample.proj.1.conv_kxk.0.bn.running_mean"),
        ("siglip", "text.text_projection.bias"),
    ],
)
def test_one_wrong_tensor_is_seen(pairs: Callable[[str], Pair], kind: str, name: str, tmp_path: Path) -> None:
    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors[name] = tensors[name].flip(0).contiguous()

    pair = pairs(kind)
    wrong = read(rewritten(pair.folder, tmp_path, change))
    if name.startswith("visual."):
        assert furthest(our_images(wrong), pair.their_images(pictures())) > 30 * TOLERANCE
    else:
        assert furthest(wrong.encode_text(TEXTS), pair.their_texts(their_ids(pair))) > 30 * TOLERANCE
    assert wrong.space != pair.ours.space


@pytest.mark.parametrize("kind", ["clip", "quickgelu"])
def test_the_other_gelu_gives_other_vectors(pairs: Callable[[str], Pair], kind: str, tmp_path: Path) -> None:
    def turn(config: dict[str, Any]) -> None:
        config["quick_gelu"] = not config.get("quick_gelu", False)

    pair = pairs(kind)
    other = read(reconfigured(pair.folder, tmp_path, turn))
    assert furthest(other.encode_text(TEXTS), pair.their_texts(their_ids(pair))) > 30 * TOLERANCE
    assert furthest(our_images(other), pair.their_images(pictures())) > 30 * TOLERANCE


def test_the_branches_of_mobileclip_are_folded(pairs: Callable[[str], Pair]) -> None:
    pair = pairs("mobileclip2")
    folded = pair.ours.images.network if pair.ours.images else None
    assert folded is not None

    def norms(network: torch.nn.Module) -> int:
        return sum(isinstance(part, torch.nn.BatchNorm2d) for part in network.modules())

    assert norms(folded) < norms(pair.theirs.visual) / 2
    assert not any("identity" in name or "conv_kxk" in name for name in folded.state_dict())


def test_half_the_bits_give_almost_the_same_vectors(pair: Pair) -> None:
    short = load_encoder(str(pair.folder), Runtime(device="cpu", dtype="bfloat16"))
    vectors = short.encode_text(TEXTS)
    assert not np.array_equal(vectors, pair.ours.encode_text(TEXTS))
    assert (np.einsum("nd,nd->n", vectors, pair.ours.encode_text(TEXTS)) > 0.99).all()
    pixels = [short.prepare_image(picture) for picture in pictures()]
    assert (np.einsum("nd,nd->n", short.encode_images(pixels), our_images(pair.ours)) > 0.99).all()


# what is read, and when


def test_nothing_is_fetched_and_a_text_reads_no_image_weights(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    opened = Checkpoint.tensors

    def watched(self: Checkpoint, wanted: Callable[[str], bool]) -> Mapping[str, torch.Tensor]:
        found = opened(self, wanted)
        asked.extend(found)
        return found

    monkeypatch.setattr(Checkpoint, "tensors", watched)
    monkeypatch.setattr(socket, "socket", _no_socket)
    encoder = read(pair.folder)
    assert not asked
    encoder.encode_text(["a dog"])
    assert asked and not any(name.startswith("visual.") for name in asked)
    asked.clear()
    our_images(encoder)
    assert asked and all(name.startswith("visual.") for name in asked)


def _no_socket(*_: object, **__: object) -> None:
    raise AssertionError("an encoder opened a connection")


def test_clips_vocabulary_comes_with_open_clip(pairs: Callable[[str], Pair], tmp_path: Path) -> None:
    pair = pairs("clip")
    folder = rewritten(pair.folder, tmp_path, lambda tensors: None)
    (folder / "tokenizer.json").unlink()
    encoder = openclip.load(Checkpoint("bare", folder), None, placement(FP32))
    assert np.array_equal(encoder.encode_text(TEXTS), pair.ours.encode_text(TEXTS))


# tokens


def test_the_ids_are_open_clips(pairs: Callable[[str], Pair]) -> None:
    pair = pairs("clip")
    theirs = open_clip.get_tokenizer(f"local-dir:{pair.folder}")(TEXTS).tolist()
    ours = pair.ours.text.tokens.ids(TEXTS)
    assert [ids + [0] * (77 - len(ids)) for ids in ours] == theirs
    assert max(map(len, ours)) == 77 and len({tuple(ids) for ids in ours}) == len(TEXTS)


def test_text_that_names_a_special_token_does_not_end_there(pairs: Callable[[str], Pair]) -> None:
    pair = pairs("clip")
    one, other = pair.ours.text.tokens.ids(["a dog <end_of_text> in the sea", "a dog <end_of_text> at home"])
    assert one[-1] == other[-1] == 49407 and 49407 not in one[1:-1]
    assert furthest(*pair.ours.encode_text(["a <end_of_text> b", "a <end_of_text> c"])) > 1e-3


def test_offsets_are_those_of_the_text_as_it_was_written(pairs: Callable[[str], Pair]) -> None:
    encoder = pairs("clip").ours
    text = "It's a CAFÉ,  犬 and 2 dogs"
    pieces = [text[start:end] for start, end in encoder.token_offsets(text)]
    assert pieces[:5] == ["It", "'s", "a", "CAFÉ", ","] and pieces[-2:] == ["2", "dogs"]
    assert len(encoder.token_offsets("word " * 300)) == 300


def test_a_tokenizer_of_its_own_is_cleaned_for_and_padded_as_it_says(pairs: Callable[[str], Pair]) -> None:
    tokens = pairs("siglip").ours.text.tokens
    dog, cat, its = (WORDS.index(word) for word in ("dog", "cat", "its"))
    assert tokens.ids(["It's a DOG_cat!"]) == [[its, WORDS.index("a"), dog, cat, 0]]
    assert tokens.ids(["dog " * 30]) == [[dog] * 15 + [0]]
    assert (tokens.pad, tokens.to_window) == (WORDS.index("<pad>"), True)


# pixels

SIZES = [(64, 48), (48, 64), (35, 32), (32, 39), (7, 500), (1, 1), (33, 31), (32, 32), (31, 67), (640, 427)]


@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_pixels_are_exactly_open_clips(mode: str, interpolation: str) -> None:
    from open_clip.transform import image_transform

    ours = framing({"interpolation": interpolation, "resize_mode": mode, "fill_color": 9}, 32)
    theirs = image_transform(
        32, False, (0, 0, 0), (1, 1, 1), resize_mode=mode, interpolation=interpolation, fill_color=9
    )
    rng = np.random.default_rng(1)
    for size in [size for size in SIZES if (mode, size) != ("longest", (7, 500))]:  # they cannot: no width
        picture = Image.fromarray(rng.integers(0, 255, (*size[::-1], 3), np.uint8))
        wanted = (theirs(picture).permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        assert np.array_equal(ours(picture), wanted), size


def test_the_middle_is_not_where_hugging_face_has_it() -> None:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (39, 32, 3), np.uint8))
    assert not np.array_equal(framing({}, 32)(picture), Preprocess(32, (0, 0, 0), (1, 1, 1))(picture))


def test_a_line_of_a_picture_still_gives_a_square() -> None:
    line = Image.new("RGB", (7, 5000), "white")
    pixels = framing({"resize_mode": "longest"}, 32)(line)
    assert pixels.shape == (32, 32, 3) and (pixels.sum((0, 2)) > 0).sum() == 1


def test_normalised_pixels_are_open_clips(pair: Pair) -> None:
    images = pair.ours.images
    assert images is not None
    prepared = torch.from_numpy(np.stack([images.prepare(picture) for picture in pictures()]))
    theirs = torch.stack([pair.transform(picture) for picture in pictures()])
    assert (images.preprocess.normalise(prepared) - theirs).abs().max() <= 1e-5


# refusals


def test_without_open_clip_the_extra_is_named(
    pairs: Callable[[str], Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openclip, "find_spec", lambda name: None)
    with pytest.raises(ModelMissing, match="not installed") as caught:
        read(pairs("clip").folder)
    assert "searchkit[openclip]" in caught.value.hint


def _set(*path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(config: dict[str, Any]) -> None:
        for key in path[:-1]:
            config = config[key]
        config[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_set("multimodal_cfg", value={"layers": 2}), "CoCa"),
        (_set("text_cfg", "hf_model_name", value="roberta-base"), "another repository"),
        (_set("text_cfg", "tokenizer_kwargs", value={"strip_sep_token": True}), "strip_sep_token"),
        (_set("text_cfg", "tokenizer_mode", value="clips"), "clips"),
        (_set("vision_cfg", "image_size", value=[32, 48]), "not square"),
        (_set("vision_cfg", value=None), "no network that can be read"),
        (_set("embed_dim", value="wide"), "no network that can be read"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    pairs: Callable[[str], Pair], change: Callable[[dict[str, Any]], None], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match=reason):
        read(reconfigured(pairs("clip").folder, tmp_path, change))


def test_a_setting_that_open_clip_does_not_know_is_refused(
    pairs: Callable[[str], Pair], tmp_path: Path
) -> None:
    encoder = read(reconfigured(pairs("clip").folder, tmp_path, _set("text_cfg", "eyes", value=2)))
    with pytest.raises(BadInput, match="eyes"):
        encoder.encode_text(["a dog"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors.pop("visual.proj"), "missing: proj"),
        (lambda tensors: tensors.update({"visual.extra": torch.ones(1)}), "left over: extra"),
        (lambda tensors: tensors.update({"visual.proj": torch.ones(2, 2)}), "shape: proj"),
    ],
)
def test_image_weights_that_do_not_fit_are_named(
    pairs: Callable[[str], Pair],
    change: Callable[[dict[str, torch.Tensor]], None],
    reason: str,
    tmp_path: Path,
) -> None:
    encoder = read(rewritten(pairs("clip").folder, tmp_path, change))
    encoder.encode_text(["a dog"])  # whose weights fit
    with pytest.raises(BadInput, match=reason):
        our_images(encoder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors.pop("logit_scale"), "missing: logit_scale"),
        (lambda tensors: tensors.update({"audio.proj": torch.ones(1)}), r"left over: audio\.proj"),
        (lambda tensors: tensors.update({"text.ln_final.bias": torch.ones(64)}), "left over"),
    ],
)
def test_tensors_without_a_place_are_named_before_any_is_read(
    pairs: Callable[[str], Pair],
    change: Callable[[dict[str, torch.Tensor]], None],
    reason: str,
    tmp_path: Path,
) -> None:
    with pytest.raises(BadInput, match=reason):
        read(rewritten(pairs("clip").folder, tmp_path, change))
