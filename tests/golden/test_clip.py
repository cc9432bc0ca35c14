"""CLIP and SigLIP against transformers, on small random checkpoints in the form that it writes."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from searchkit.encoders.clip import START, TEXT, VISION, sizes
from searchkit.encoders.siglip import without_punctuation
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput, ModelMissing
from searchkit.models.clip import Layers, Tower
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

TEXTS = [
    "two dogs run along a beach",
    "",
    "A DOG's 3 balls, isn't it?!  \n naïve café — 犬 👍",
    "snow " * 90,
    "don't  we'll they're 2024",
]
EXACT = Runtime(device="cpu", dtype="float32")
PIXELS = 48
FAMILIES = ("clip", "clip-gelu", "clip-early", "siglip", "siglip2")


def bytes_alphabet() -> list[str]:
    return sorted(pre_tokenizers.ByteLevel.alphabet())


def write_clip_tokenizer(folder: Path) -> int:
    """vocab.json and merges.txt with the alphabet and a few merges; returns the vocabulary's size."""
    alphabet = bytes_alphabet()
    merges = [("d", "o"), ("do", "g</w>"), ("s", "n"), ("sn", "o"), ("sno", "w</w>"), ("a", "t"), ("1", "2")]
    words = [*alphabet, *(a + "</w>" for a in alphabet), *("".join(pair) for pair in merges)]
    vocabulary = {word: n for n, word in enumerate(dict.fromkeys([*words, START, "<|endoftext|>"]))}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    lines = "\n".join(" ".join(pair) for pair in merges)
    (folder / "merges.txt").write_text(f"#version: 0.2\n{lines}\n")
    about = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "bos_token": START,
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return len(vocabulary)


def write_siglip_tokenizer(folder: Path, kind: str) -> int:
    """A byte-fallback BPE as Gemma's: pad 0, end 1."""
    marks = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{n:02X}>" for n in range(256)), "▁"]
    letters = [chr(n) for n in range(97, 123)]
    merges = [("d", "o"), ("do", "g"), ("▁", "a")]
    words = dict.fromkeys([*marks, *letters, *("".join(pair) for pair in merges)])
    vocabulary = {word: n for n, word in enumerate(words)}
    tokenizer = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.add_special_tokens(["<pad>", "<eos>", "<bos>", "<unk>"])
    tokenizer.post_processor = processors.TemplateProcessing("$A <eos>", special_tokens=[("<eos>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    about = {"tokenizer_class": kind, "pad_token": "<pad>", "padding_side": "right", "eos_token": "<eos>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(about))
    return len(vocabulary)


def write_processor(folder: Path, *, squash: bool) -> None:
    fit = {"size": {"height": PIXELS, "width": PIXELS}} if squash else {"size": {"shortest_edge": PIXELS}}
    crop = {} if squash else {"do_center_crop": True, "crop_size": {"height": PIXELS, "width": PIXELS}}
    mean, std = ([0.5] * 3, [0.5] * 3) if squash else ([0.48, 0.46, 0.41], [0.27, 0.26, 0.28])
    about = {"do_resize": True, "resample": 3, "do_rescale": True, "rescale_factor": 1 / 255}
    normalise = {"do_normalize": True, "image_mean": mean, "image_std": std}
    (folder / "preprocessor_config.json").write_text(json.dumps({**fit, **crop, **about, **normalise}))


def theirs(family: str, vocabulary: int) -> torch.nn.Module:
    """A random network of transformers, its weights large enough that every part of it shows."""
    from transformers import CLIPConfig, CLIPModel, SiglipConfig, SiglipModel

    torch.manual_seed(7)
    base = {"hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision = {**base, "num_attention_heads": 2, "image_size": PIXELS, "patch_size": 16}
    model: torch.nn.Module
    if family.startswith("clip"):
        act = {"hidden_act": "gelu" if family == "clip-gelu" else "quick_gelu"}
        end = 2 if family == "clip-early" else vocabulary - 1
        text = {
            **base,
            **act,
            "vocab_size": vocabulary,
            "eos_token_id": end,
            "bos_token_id": 0,
            "pad_token_id": 1,
        }
        config = CLIPConfig(text_config=text, vision_config={**vision, **act}, projection_dim=48)
        model = CLIPModel(config)
    else:
        text = {**base, "vocab_size": vocabulary, "projection_size": 64, "max_position_embeddings": 64}
        model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim:
                parameter.add_(torch.randn_like(parameter) * (0.08 if parameter.ndim > 1 else 0.2))
    return model.eval()


def write(folder: Path, family: str) -> torch.nn.Module:
    folder.mkdir()
    if family.startswith("clip"):
        vocabulary = write_clip_tokenizer(folder)
    else:
        kind = "SiglipTokenizer" if family == "siglip" else "Siglip2Tokenizer"
        vocabulary = write_siglip_tokenizer(folder, kind)
    model = theirs(family, vocabulary)
    model.save_pretrained(folder)  # type: ignore[operator]
    write_processor(folder, squash=not family.startswith("clip"))
    return model


@pytest.fixture(scope="module", params=FAMILIES)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, torch.nn.Module, Encoder]:
    folder = tmp_path_factory.mktemp("checkpoints") / request.param
    model = write(folder, request.param)
    return folder, model, load_encoder(str(folder), EXACT)


def their_ids(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """What transformers' own tokenizer makes of TEXTS, cut and padded as each family was trained."""
    from transformers import CLIPTokenizer

    if (folder / "vocab.json").exists():
        tokenizer = CLIPTokenizer.from_pretrained(folder)
        encoded = tokenizer(TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt")
        return encoded["input_ids"], encoded["attention_mask"]
    plain = Tokenizer.from_file(str(folder / "tokenizer.json"))
    plain.enable_truncation(64)
    plain.enable_padding(length=64, pad_id=0, pad_token="<pad>")
    kind = json.loads((folder / "tokenizer_config.json").read_text())["tokenizer_class"]
    clean = without_punctuation if kind == "SiglipTokenizer" else str.lower
    ids = torch.tensor([line.ids for line in plain.encode_batch([clean(text) for text in TEXTS])])
    return ids, torch.ones_like(ids)


def unit(features: object) -> Vectors:
    pooled = getattr(features, "pooler_output", features)
    assert isinstance(pooled, torch.Tensor)
    found: Vectors = torch.nn.functional.normalize(pooled, dim=-1).numpy()
    return found


def pictures() -> list[Image.Image]:
    rng = np.random.default_rng(4)
    sizes = [(64, 48), (31, 90), (48, 48), (200, 131), (49, 47)]
    return [Image.fromarray(rng.integers(0, 255, (h, w, 3), np.uint8)) for w, h in sizes]


@torch.inference_mode()
def test_texts_have_the_vectors_that_transformers_gives_them(
    pair: tuple[Path, torch.nn.Module, Encoder],
) -> None:
    folder, model, encoder = pair
    ids, mask = their_ids(folder)
    attention = {"attention_mask": mask} if (folder / "vocab.json").exists() else {}
    wanted = unit(model.get_text_features(input_ids=ids, **attention))  # type: ignore[operator]
    found = encoder.encode_text(TEXTS)
    assert np.abs(found - wanted).max() <= 1e-5
    assert np.abs(found[0] - wanted[2:]).max() > 1e-2  # they do differ


@torch.inference_mode()
def test_features_are_those_of_transformers_before_they_are_made_unit(
    pair: tuple[Path, torch.nn.Module, Encoder],
) -> None:
    folder, model, encoder = pair
    assert isinstance(encoder, TwoTowers) and encoder.images is not None
    ids, mask = their_ids(folder)
    attention = {"attention_mask": mask} if (folder / "vocab.json").exists() else {}
    wanted = model.get_text_features(input_ids=ids, **attention).pooler_output  # type: ignore[operator]
    assert (encoder.text.network(ids, mask) - wanted).abs().max() <= 1e-5
    assert (wanted.norm(dim=-1) - 1).abs().max() > 0.1  # not unit
    pixels = torch.randn(3, 3, PIXELS, PIXELS)
    shown = model.get_image_features(pixel_values=pixels).pooler_output  # type: ignore[operator]
    assert (encoder.images.network(pixels) - shown).abs().max() <= 1e-5


@torch.inference_mode()
def test_what_pads_a_batch_changes_no_vector(pair: tuple[Path, torch.nn.Module, Encoder]) -> None:
    folder, _, encoder = pair
    assert isinstance(encoder, TwoTowers)
    alone = np.concatenate([encoder.encode_text([text]) for text in TEXTS])
    assert np.abs(encoder.encode_text(TEXTS) - alone).max() <= 1e-6
    if (folder / "vocab.json").exists():  # any id behind the end mark will do; SigLIP sees its padding
        ids, mask = their_ids(folder)
        other = torch.where(mask == 1, ids, 5)
        assert (other != ids).any()
        assert torch.equal(encoder.text.network(other, mask), encoder.text.network(ids, mask))


@pytest.mark.parametrize("causal", [False, True])
@torch.inference_mode()
def test_the_last_layer_at_one_place_is_the_last_layer(causal: bool) -> None:
    torch.manual_seed(0)
    layers, x = Layers(Tower(32, 48, 2, 4, 1e-5, "gelu")), torch.randn(5, 9, 32)
    place = torch.tensor([0, 8, 3, 3, 5])
    whole = layers(x, causal)
    assert (layers.at(x, place, causal=causal) - whole[torch.arange(5), place]).abs().max() <= 1e-6
    assert (layers.at(x, place, causal=not causal) - whole[torch.arange(5), place]).abs().max() > 1e-3


@torch.inference_mode()
def test_pictures_have_the_vectors_that_transformers_gives_them(
    pair: tuple[Path, torch.nn.Module, Encoder],
) -> None:
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

    folder, model, encoder = pair
    kind = CLIPImageProcessorPil if (folder / "vocab.json").exists() else SiglipImageProcessorPil
    processor = kind.from_pretrained(folder)
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    wanted = unit(model.get_image_features(pixel_values=pixels))  # type: ignore[operator]
    found = encoder.encode_images([encoder.prepare_image(picture) for picture in pictures()])
    assert np.abs(found - wanted).max() <= 1e-5
    assert np.abs(found[0] - found[1]).max() > 1e-2


@torch.inference_mode()
def test_pixels_are_those_of_the_reference_processor(pair: tuple[Path, torch.nn.Module, Encoder]) -> None:
    from transformers import CLIPImageProcessorPil, SiglipImageProcessorPil

    folder, _, encoder = pair
    assert isinstance(encoder, TwoTowers) and encoder.images is not None
    kind = CLIPImageProcessorPil if (folder / "vocab.json").exists() else SiglipImageProcessorPil
    processor = kind.from_pretrained(folder)
    for picture in pictures():
        wanted = torch.as_tensor(processor([picture], return_tensors="pt")["pixel_values"])
        ours = torch.from_numpy(encoder.prepare_image(picture).copy())[None]
        assert (encoder.images.preprocess.normalise(ours) - wanted).abs().max() <= 1e-6


def test_the_ids_are_those_of_transformers_and_the_end_mark_is_never_cut(
    pair: tuple[Path, torch.nn.Module, Encoder],
) -> None:
    folder, _, encoder = pair
    assert isinstance(encoder, TwoTowers)
    ids, mask = their_ids(folder)
    ours = encoder.text.tokens.ids(TEXTS)
    for line, wanted, seen in zip(ours, ids.tolist(), mask.tolist(), strict=True):
        length = sum(seen) if (folder / "vocab.json").exists() else len(line)
        assert line == wanted[:length]
    assert len(ours[3]) == encoder.record.text_window
    assert ours[3][-1] == ours[0][-1]


def test_the_temperature_is_the_one_that_was_learned(pair: tuple[Path, torch.nn.Module, Encoder]) -> None:
    _, model, encoder = pair
    learned = math.exp(-float(model.logit_scale.detach()))  # type: ignore[operator, union-attr]
    assert encoder.temperature == pytest.approx(max(0.01, learned))


CONFIGURATIONS: list[dict[str, dict[str, object] | None]] = [
    {},
    {"text_config": {"hidden_act": "gelu"}, "vision_config": {"image_size": 336}},
    {
        "text_config": {"eos_token_id": 2, "hidden_act": "gelu"},
        "text_config_dict": {"num_attention_heads": 4},
    },
    {"vision_config": {"image_size": 336, "hidden_act": "gelu"}, "vision_config_dict": {"image_size": 448}},
    {"text_config": {"num_attention_heads": 16}, "text_config_dict": None, "vision_config_dict": {}},
]


@pytest.mark.parametrize("config", CONFIGURATIONS, ids=lambda config: " ".join(config) or "empty")
def test_what_a_configuration_leaves_out_is_what_transformers_puts_there(
    config: dict[str, dict[str, object] | None],
) -> None:
    from transformers import CLIPConfig

    theirs = CLIPConfig(**json.loads(json.dumps(config)))
    for which, defaults in (("text", TEXT), ("vision", VISION)):
        ours, wanted = sizes(config, which, defaults), getattr(theirs, f"{which}_config")
        assert {key: ours[key] for key in defaults} == {key: getattr(wanted, key) for key in defaults}


# one weight, one file


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    write(tmp_path / "clip", "clip")
    return tmp_path / "clip"


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Replace tensors, or with None take them out; dots are written as two underscores."""
    weights = folder / "model.safetensors"
    state = load_file(weights)
    for name, value in tensors.items():
        key = name.replace("__", ".")
        if value is None:
            del state[key]
        else:
            state[key] = value
    save_file(state, weights)


FAULTS: Mapping[str, tuple[dict[str, torch.Tensor | None], str]] = {
    "missing": (
        {"text_model__final_layer_norm__weight": None},
        "missing: text_model.final_layer_norm.weight",
    ),
    "left over": ({"text_model__extra__weight": torch.zeros(3)}, "left over: text_model.extra.weight"),
    "shape": (
        {"vision_model__post_layernorm__bias": torch.zeros(9)},
        r"post_layernorm.bias \(9,\) for \(64,\)",
    ),
    "no projection": ({"text_projection__weight": None}, "no tensor text_projection.weight"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_tensor_that_does_not_fit_is_refused_by_name(clip: Path, fault: str) -> None:
    tensors, said = FAULTS[fault]
    change(clip, **tensors)
    with pytest.raises(BadInput, match=said):
        load_encoder(str(clip), EXACT)


def test_buffers_of_early_checkpoints_are_no_left_overs(clip: Path) -> None:
    wanted = load_encoder(str(clip), EXACT).encode_text(TEXTS)
    places = {f"{half}_model__embeddings__position_ids": torch.arange(9)[None] for half in ("text", "vision")}
    change(clip, **places)
    assert np.array_equal(load_encoder(str(clip), EXACT).encode_text(TEXTS), wanted)


def test_the_one_tokenizer_file_gives_the_ids_of_the_two(clip: Path) -> None:
    from transformers import CLIPTokenizer

    def ids() -> list[list[int]]:
        encoder = load_encoder(str(clip), EXACT)
        assert isinstance(encoder, TwoTowers)
        return encoder.text.tokens.ids(TEXTS)

    of_two = ids()
    CLIPTokenizer.from_pretrained(clip).save_pretrained(clip)
    for file in ("vocab.json", "merges.txt"):
        (clip / file).unlink()
    assert (clip / "tokenizer.json").exists() and ids() == of_two


def test_the_processor_may_be_in_the_file_that_newer_versions_write(clip: Path) -> None:
    from transformers import CLIPImageProcessorPil, CLIPProcessor, CLIPTokenizer

    before = load_encoder(str(clip), EXACT)
    both = CLIPProcessor(CLIPImageProcessorPil.from_pretrained(clip), CLIPTokenizer.from_pretrained(clip))
    (clip / "preprocessor_config.json").unlink()
    both.save_pretrained(clip)
    assert not (clip / "preprocessor_config.json").exists()
    after = load_encoder(str(clip), EXACT)
    assert isinstance(before, TwoTowers) and isinstance(after, TwoTowers)
    assert before.images is not None and after.images is not None
    assert after.images.preprocess == before.images.preprocess


@pytest.mark.parametrize("fields", [{"do_normalize": False}, {"image_mean": None, "image_std": None}])
def test_pixels_follow_a_processor_that_does_not_normalise_or_says_no_colours(
    clip: Path, fields: dict[str, object]
) -> None:
    from transformers import CLIPImageProcessorPil

    about = json.loads((clip / "preprocessor_config.json").read_text()) | fields
    kept = {key: value for key, value in about.items() if value is not None}
    (clip / "preprocessor_config.json").write_text(json.dumps(kept))
    encoder = load_encoder(str(clip), EXACT)
    assert isinstance(encoder, TwoTowers) and encoder.images is not None
    processor = CLIPImageProcessorPil.from_pretrained(clip)
    wanted = torch.as_tensor(processor(pictures()[:1], return_tensors="pt")["pixel_values"])
    ours = torch.from_numpy(encoder.prepare_image(pictures()[0]).copy())[None]
    assert (encoder.images.preprocess.normalise(ours) - wanted).abs().max() <= 1e-6


def test_every_weight_counts(clip: Path) -> None:
    """Were one not read, or read into another place, changing it would change nothing."""
    before = load_encoder(str(clip), EXACT)
    texts, images = before.encode_text(TEXTS), before.encode_images([before.prepare_image(pictures()[0])])
    state = load_file(clip / "model.safetensors")
    for name in sorted(state):
        if name == "logit_scale" or ".layers.1." in name or ".layers.2." in name:
            continue  # the layers are alike
        if name.endswith("k_proj.bias"):
            continue  # the same for all keys of a query: the softmax takes it out
        changed = {**state, name: state[name] + torch.randn_like(state[name])}
        save_file(changed, clip / "model.safetensors")
        after = load_encoder(str(clip), EXACT)
        if name.startswith(("text", "logit")):
            assert np.abs(after.encode_text(TEXTS) - texts).max() > 1e-4, name
        else:
            pixels = [after.prepare_image(pictures()[0])]
            assert np.abs(after.encode_images(pixels) - images).max() > 1e-4, name


def test_a_text_query_reads_no_weights_of_the_image_tower(clip: Path) -> None:
    encoder = load_encoder(str(clip), EXACT)
    wanted = encoder.encode_text(TEXTS)
    state = load_file(clip / "model.safetensors")
    encoder = load_encoder(str(clip), EXACT)
    save_file({k: v for k, v in state.items() if k.startswith("text")}, clip / "model.safetensors")
    assert np.array_equal(encoder.encode_text(TEXTS), wanted)
    with pytest.raises(BadInput, match="vision_model"):
        encoder.encode_images([encoder.prepare_image(pictures()[0])])


def test_weights_in_shards_are_the_same_weights(clip: Path) -> None:
    whole = load_encoder(str(clip), EXACT)
    wanted = whole.encode_text(TEXTS)
    state = load_file(clip / "model.safetensors")
    (clip / "model.safetensors").unlink()
    parts = {"model-00001-of-00002.safetensors": "text", "model-00002-of-00002.safetensors": ""}
    index: dict[str, str] = {}
    for name, prefix in parts.items():
        part = {k: v for k, v in state.items() if k.startswith("text") == bool(prefix)}
        save_file(part, clip / name)
        index |= dict.fromkeys(part, name)
    (clip / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": index}))
    sharded = load_encoder(str(clip), EXACT)
    assert np.array_equal(sharded.encode_text(TEXTS), wanted)
    assert sharded.space != whole.space  # the files are others
    (clip / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelMissing, match="model-00002-of-00002"):
        load_encoder(str(clip), EXACT)


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        ("preprocessor_config.json", "crop_size", {"height": 32, "width": 32}, "makes 32 pixels"),
        ("preprocessor_config.json", "do_center_crop", False, "neither crops nor squashes"),
        ("preprocessor_config.json", "rescale_factor", 1 / 127.5, "rescales"),
        ("preprocessor_config.json", "do_resize", False, "do_resize false"),
        ("config.json", "vision_config", {"image_size": 64}, "image_size of 64"),
        ("config.json", "text_config", {"hidden_act": "relu6"}, "hidden_act 'relu6'"),
        ("config.json", "model_type", "siglip2", "naflex"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(
    clip: Path, file: str, key: str, value: object, said: str
) -> None:
    about = json.loads((clip / file).read_text())
    (clip / file).write_text(json.dumps({**about, key: value}))
    with pytest.raises(BadInput, match=said):
        load_encoder(str(clip), EXACT)


@pytest.mark.parametrize(
    ("file", "named"), [("preprocessor_config.json",) * 2, ("merges.txt", "tokenizer.json")]
)
def test_a_missing_file_is_named(clip: Path, file: str, named: str) -> None:
    (clip / file).unlink()
    with pytest.raises(ModelMissing, match=named):
        load_encoder(str(clip), EXACT)


def test_a_tokenizer_of_another_model_is_refused(clip: Path, tmp_path: Path) -> None:
    write(tmp_path / "siglip", "siglip2")
    shutil.copy(tmp_path / "siglip" / "tokenizer.json", clip / "tokenizer.json")
    with pytest.raises(BadInput, match="not that of the network"):
        load_encoder(str(clip), EXACT).encode_text(["a"])
