"""Jina CLIP 1 from a folder, in the form in which it is published: text, pictures, names and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.errors import BadInput
from searchkit.models.eva import Eva, EvaConfig
from searchkit.models.jina_bert import slopes
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

WIDTH, HIDDEN, DEPTH, WORDS = 128, 96, 2, 60
EXACT = Runtime(device="cpu", dtype="float32")
BERT = "text_model.transformer."
CONFIG: dict[str, Any] = {
    "model_type": "jina_clip",
    "architectures": ["JinaCLIPModel"],
    "add_projections": False,
    "projection_dim": WIDTH,
    "logit_scale_init_value": 2.6592,
    "text_config": {
        "model_type": "jina_clip_text",
        "embed_dim": WIDTH,
        "hf_model_name_or_path": "jinaai/jina-bert-flash-implementation",
        "hf_model_config_kwargs": {"use_flash_attn": False},
        "pooler_type": "mean_pooler",
        "proj_type": None,
        "proj_bias": False,
    },
    "vision_config": {
        "model_type": "jina_clip_vision",
        "embed_dim": WIDTH,
        "width": WIDTH,
        "image_size": 32,
        "patch_size": 8,
        "layers": DEPTH,
        "head_width": 64,
        "mlp_ratio": 2.6667,
        "qkv_bias": True,
        "ls_init_value": None,
        "patch_dropout": 0.1,
        "post_norm": False,
        "rope_embeddings": True,
        "pt_hw_seq_len": 16,
        "intp_freq": True,
        "naive_swiglu": True,
        "subln": True,
        "proj_type": None,
    },
}
PROCESSOR: dict[str, Any] = {
    "image_processor_type": "JinaCLIPImageProcessor",
    "size": 32,
    "mean": [0.48, 0.46, 0.41],
    "std": [0.27, 0.26, 0.28],
    "resize_mode": "shortest",
    "interpolation": "bicubic",
    "fill_color": 0,
}
EVA = EvaConfig(pixels=32, patch=8, width=WIDTH, depth=DEPTH, heads=2, hidden=HIDDEN)
Change = Mapping[str, Any]
State = dict[str, Tensor]


# a checkpoint


def drawn(shape: tuple[int, ...], seed: int, name: str = "bias") -> Tensor:
    """Norms around 1, everything else around 0, all large enough to count."""
    numbers = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    if len(shape) == 1:
        return 1 + 0.3 * numbers if name.endswith("weight") else 0.3 * numbers
    return numbers * 1.5 / shape[-1] ** 0.5


def weights() -> State:
    """Random numbers under the names of jina-clip-v1."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (WORDS + 4, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "emb_ln.weight": (WIDTH,),
        "emb_ln.bias": (WIDTH,),
    }
    for i in range(DEPTH):
        shapes |= {
            f"encoder.layers.{i}.mixer.Wqkv.weight": (3 * WIDTH, WIDTH),
            f"encoder.layers.{i}.mixer.Wqkv.bias": (3 * WIDTH,),
            f"encoder.layers.{i}.mixer.out_proj.weight": (WIDTH, WIDTH),
            f"encoder.layers.{i}.mixer.out_proj.bias": (WIDTH,),
            f"encoder.layers.{i}.mlp.gated_layers.weight": (2 * HIDDEN, WIDTH),
            f"encoder.layers.{i}.mlp.wo.weight": (WIDTH, HIDDEN),
            f"encoder.layers.{i}.mlp.wo.bias": (WIDTH,),
        } | {f"encoder.layers.{i}.norm{k}.{p}": (WIDTH,) for k in (1, 2) for p in ("weight", "bias")}
    text = {BERT + name: drawn(shape, n, name) for n, (name, shape) in enumerate(shapes.items())}
    eva = {
        f"vision_model.{n}": drawn(tuple(v.shape), i, n)
        for i, (n, v) in enumerate(Eva(EVA).state_dict().items())
    }
    return text | eva | {"logit_scale": torch.tensor(2.6592)}


def tokenizer() -> Tokenizer:
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = special + [f"w{i}" for i in range(WORDS - 4)]
    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    made.add_special_tokens(special)
    made.enable_truncation(512)  # as published: the window is longer
    return made


def write(
    folder: Path, state: State | None = None, config: Change | None = None, processor: Change = PROCESSOR
) -> Path:
    save_file(
        {name: value.contiguous() for name, value in (state or weights()).items()},
        folder / "model.safetensors",
    )
    (folder / "config.json").write_text(json.dumps(config or CONFIG))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    tokenizer().save(str(folder / "tokenizer.json"))
    return folder


def changed(**keys: Any) -> dict[str, Any]:
    """The configuration with some keys replaced: text__pooler_type is text_config's pooler_type."""
    config: dict[str, Any] = json.loads(json.dumps(CONFIG))
    for key, value in keys.items():
        part, _, name = key.rpartition("__")
        (config[f"{part}_config"] if part else config)[name] = value
    return config


def texts(folder: Path, *lines: str) -> Vectors:
    return load_encoder(str(folder), EXACT).encode_text(lines)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("jina"))


def text_of(n: int, start: int = 0) -> str:
    return " ".join(f"w{(start + i * i) % (WORDS - 4)}" for i in range(n))


# text


def ids_of(text: str) -> list[int]:
    made = tokenizer()
    made.no_truncation()
    return list(made.encode(text).ids)


def norm(x: Tensor, p: State, name: str, eps: float = 1e-12) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return (
        centred / (centred.pow(2).mean(-1, keepdim=True) + eps).sqrt() * p[f"{name}.weight"]
        + p[f"{name}.bias"]
    )


def erf_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def tanh_gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def formula(
    state: State,
    text: str,
    *,
    b: bool = False,
    second: bool = False,
    gelu: Callable[[Tensor], Tensor] = erf_gelu,
    slope: Callable[[int], list[float]] = slopes,
    pooled: str = "mean",
    third_norm: bool = True,
) -> np.ndarray:
    """JinaBERT on one text in double precision; `b`: the network of layout B. Names are layout C's or B's."""
    p = {name.removeprefix(BERT): value.double() for name, value in state.items()}
    ids = torch.tensor(ids_of(text))
    x = p["embeddings.word_embeddings.weight"][ids] + p["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, p, "embeddings.LayerNorm" if b else "emb_ln")
    distance = (torch.arange(len(ids))[:, None] - torch.arange(len(ids))).abs()
    bias = -torch.tensor(slope(2)).double()[:, None, None] * distance
    bias[:, :, ids == 0] = -math.inf
    for i in range(DEPTH):
        at = f"encoder.layer.{i}." if b else f"encoder.layers.{i}."
        if b:
            q, k, v = (
                x @ p[f"{at}attention.self.{y}.weight"].T + p[f"{at}attention.self.{y}.bias"]
                for y in ("query", "key", "value")
            )
            q, k = (norm(y, p, f"{at}attention.self.layer_norm_{c}") for y, c in ((q, "q"), (k, "k")))
            out, names = f"{at}attention.output.dense", (f"{at}mlp.up_gated_layer", f"{at}mlp.down_layer")
        else:
            q, k, v = (x @ p[f"{at}mixer.Wqkv.weight"].T + p[f"{at}mixer.Wqkv.bias"]).chunk(3, -1)
            out, names = f"{at}mixer.out_proj", (f"{at}mlp.gated_layers", f"{at}mlp.wo")
        q, k, v = (y.view(len(ids), 2, 64).transpose(0, 1) for y in (q, k, v))
        mixed = ((q @ k.transpose(1, 2) / 8 + bias).softmax(-1) @ v).transpose(0, 1).reshape(len(ids), WIDTH)
        mixed = mixed @ p[f"{out}.weight"].T + p[f"{out}.bias"]
        if b and third_norm:
            mixed = norm(x + mixed, p, f"{at}attention.output.LayerNorm")
        x = norm(x + mixed, p, f"{at}layer_norm_1" if b else f"{at}norm1")
        one, two = (x @ p[f"{names[0]}.weight"].T).chunk(2, -1)
        gated = one * gelu(two) if second else gelu(one) * two
        x = norm(
            x + gated @ p[f"{names[1]}.weight"].T + p[f"{names[1]}.bias"],
            p,
            f"{at}layer_norm_2" if b else f"{at}norm2",
        )
    vector = {"mean": x[ids != 0].mean(0), "first": x[0], "all": x.mean(0)}[pooled]
    unit: np.ndarray = (vector / vector.norm()).numpy()
    return unit


LINES = ["w1", "w5 w9 w2 [PAD] w7", text_of(30), text_of(90, 3)]


def test_text_equals_the_formula_whatever_is_in_the_batch(folder: Path) -> None:
    found = texts(folder, *LINES)
    state = weights()
    for line, vector in zip(LINES, found, strict=True):
        right = formula(state, line)
        assert np.abs(vector - right).max() <= 1e-5
        assert np.abs(formula(state, line, second=True) - right).max() > 1e-2
        assert np.abs(formula(state, line, pooled="first") - right).max() > 1e-2
    right = formula(state, LINES[1])  # of few words, one of which is "[PAD]"
    assert np.abs(formula(state, LINES[1], pooled="all") - right).max() > 1e-3
    assert np.abs(formula(state, LINES[1], gelu=tanh_gelu) - right).max() > 2e-5
    right = formula(state, LINES[2])
    assert np.abs(formula(state, LINES[2], slope=lambda n: [0.0] * n) - right).max() > 1e-3
    assert np.abs(formula(state, LINES[2], slope=lambda n: [-one for one in slopes(n)]) - right).max() > 1e-3


def test_vectors_are_of_unit_length_and_the_record_says_what_the_files_say(folder: Path) -> None:
    encoder = load_encoder(str(folder), EXACT)
    assert np.allclose(np.linalg.norm(encoder.encode_text(LINES), axis=1), 1, atol=1e-5)
    record = encoder.record
    assert (record.family, record.dim, record.text_window, record.pixels) == ("jina-clip", WIDTH, 8192, 32)
    assert encoder.space.dim == WIDTH and encoder.space.encoder == record.name
    assert encoder.temperature == pytest.approx(0.07, abs=1e-4)


def test_padding_does_not_matter(folder: Path) -> None:
    together = texts(folder, *LINES)
    alone = np.concatenate([texts(folder, line) for line in LINES])
    assert np.abs(together - alone).max() <= 1e-5
    assert np.abs(together[0] - together[2]).max() > 1e-2


def test_a_word_far_behind_the_512th_is_read_and_one_behind_the_window_is_not(folder: Path) -> None:
    words = text_of(4000).split()
    words[3000] = "w51" if words[3000] != "w51" else "w50"
    long, other = texts(folder, text_of(4000), " ".join(words))
    assert np.abs(long - other).max() > 1e-5
    tokens = load_encoder(str(folder), EXACT).text.tokens  # type: ignore[attr-defined]
    assert len(tokens.ids([text_of(9000)])[0]) == 8192


def test_a_shorter_window_is_kept_to_where_the_configuration_has_one(tmp_path: Path) -> None:
    kept = write(tmp_path, config=changed(text__hf_model_config_kwargs={"max_position_embeddings": 20}))
    assert load_encoder(str(kept), EXACT).record.text_window == 20
    assert np.array_equal(*texts(kept, text_of(18), text_of(30)))
    assert not np.array_equal(*texts(kept, text_of(17), text_of(30)))


def test_text_reads_no_weights_of_the_image_tower_and_pictures_none_of_the_other(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    really = Checkpoint.tensors

    def watched(self: Checkpoint, wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Tensor]:
        found = really(self, wanted)
        read.extend(found)
        return found

    monkeypatch.setattr(Checkpoint, "tensors", watched)
    encoder = load_encoder(str(folder), EXACT)
    assert read == []
    encoder.encode_text(["w1"])
    assert read and all(name.startswith("text_model.") for name in read)
    read.clear()
    encoder.encode_images([encoder.prepare_image(Image.new("RGB", (40, 40)))])
    assert read and all(name.startswith("vision_model.") for name in read)


# pictures


def picture(size: tuple[int, int] = (70, 45)) -> Image.Image:
    numbers = np.random.default_rng(5).integers(0, 255, (size[1] // 5, size[0] // 5, 3), dtype=np.uint8)
    return Image.fromarray(numbers).resize(size)


def test_pictures_go_through_the_tower_as_the_processor_says(folder: Path) -> None:
    encoder = load_encoder(str(folder), EXACT)
    pixels = encoder.prepare_image(picture())
    whole = picture().resize((int(32 * 70 / 45), 32), Image.Resampling.BICUBIC)
    left = (whole.width - 32) // 2
    assert np.array_equal(pixels, np.asarray(whole.crop((left, 0, left + 32, 32))))

    tower = Eva(EVA).eval()
    tower.load_state_dict({n.removeprefix("vision_model."): v for n, v in weights().items() if "vision" in n})
    normal = (
        torch.tensor(pixels).permute(2, 0, 1) / 255 - torch.tensor([0.48, 0.46, 0.41])[:, None, None]
    ) / (torch.tensor([0.27, 0.26, 0.28])[:, None, None])
    with torch.inference_mode():
        wanted = torch.nn.functional.normalize(tower(normal[None]), dim=-1).numpy()
        plain = torch.nn.functional.normalize(tower(normal[None] * 0.27 + 0.48), dim=-1).numpy()
    found = encoder.encode_images([pixels])
    assert np.abs(plain - wanted).max() > 1e-3
    assert found.shape == (1, WIDTH) and np.abs(found - wanted).max() <= 1e-5


def test_jinas_words_for_the_processor_and_hugging_faces_say_the_same(tmp_path: Path) -> None:
    theirs = {
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
        "do_center_crop": True,
        "resample": 3,
        "image_mean": PROCESSOR["mean"],
        "image_std": PROCESSOR["std"],
    }
    bare = {"size": [32, 32], "resize_mode": "shortest", "interpolation": "bicubic"}
    vectors = []
    for name, processor in {"own": PROCESSOR, "theirs": theirs, "bare": bare}.items():
        (tmp_path / name).mkdir()
        encoder = load_encoder(str(write(tmp_path / name, processor=processor)), EXACT)
        vectors.append(encoder.encode_images([encoder.prepare_image(picture())])[0])
    assert np.array_equal(vectors[0], vectors[1])
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-4  # OpenAI's mean and deviation


def test_squashing_and_bilinear_are_followed(folder: Path, tmp_path: Path) -> None:
    squash = PROCESSOR | {"resize_mode": "squash", "interpolation": "bilinear"}
    prepared = load_encoder(str(write(tmp_path, processor=squash)), EXACT).prepare_image(picture())
    assert np.array_equal(prepared, np.asarray(picture().resize((32, 32), Image.Resampling.BILINEAR)))
    assert not np.array_equal(prepared, load_encoder(str(folder), EXACT).prepare_image(picture()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"resize_mode": "longest"}, "'longest'"),
        ({"interpolation": "nearest"}, "'nearest'"),
        ({"size": [32, 40]}, r"\[32, 40\]"),
        ({"size": 48}, "makes 48 pixels, the network reads 32"),
    ],
)
def test_a_processor_that_cannot_be_followed_is_refused(tmp_path: Path, change: Change, said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        load_encoder(str(write(tmp_path, processor={**PROCESSOR, **change})), EXACT)
    assert str(tmp_path) in str(caught.value)


# layouts and names


def layout_a(state: State) -> State:
    """The same weights as jina-embeddings-v2-base-en names them."""
    inner = {
        "mixer.out_proj": "attention.output.dense",
        "norm1": "attention.output.LayerNorm",
        "norm2": "mlp.layernorm",
        "mlp.gated_layers": "mlp.gated_layers",
        "mlp.wo": "mlp.wo",
    }
    out: State = {}
    for name, value in state.items():
        if not name.startswith(f"{BERT}encoder"):
            out[name.replace("emb_ln", "embeddings.LayerNorm")] = value
            continue
        number, rest = name.removeprefix(f"{BERT}encoder.layers.").split(".", 1)
        module, _, parameter = rest.rpartition(".")
        at = f"{BERT}encoder.layer.{number}."
        if module == "mixer.Wqkv":
            for part, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                out[f"{at}attention.self.{part}.{parameter}"] = rows
        else:
            out[f"{at}{inner[module]}.{parameter}"] = value
    return out


def layout_b(state: State) -> State:
    """The same matrices as in jina-embeddings-v2-base-code, with norms of q and k, and one more behind."""
    new = {
        "mlp.layernorm": "layer_norm_2",
        "mlp.gated_layers": "mlp.up_gated_layer",
        "mlp.wo": "mlp.down_layer",
    }
    out: State = {}
    for name, value in layout_a(state).items():
        for old, renamed in new.items():
            name = name.replace(old, renamed)
        out[name] = value
    for i in range(DEPTH):
        for n, added in enumerate(
            ("attention.self.layer_norm_q", "attention.self.layer_norm_k", "layer_norm_1")
        ):
            for m, parameter in enumerate(("weight", "bias")):
                out[f"{BERT}encoder.layer.{i}.{added}.{parameter}"] = drawn(
                    (WIDTH,), 50 + 6 * i + 2 * n + m, parameter
                )
    return out


def renamed(state: State, **names: str) -> State:
    """With other names for the modules of these names, in the text half."""
    out: State = {}
    for name, value in state.items():
        module, _, parameter = name.rpartition(".")
        above, _, last = module.rpartition(".")
        known = last in names and above.startswith(BERT)
        out[f"{above}.{names[last]}.{parameter}" if known else name] = value
    return out


def test_layouts_a_and_c_are_the_same_network(folder: Path, tmp_path: Path) -> None:
    state = layout_a(weights())
    assert not any("Wqkv" in name or "encoder.layers" in name for name in state)
    assert np.abs(texts(write(tmp_path, state), *LINES) - texts(folder, *LINES)).max() <= 1e-6
    swapped = {name.replace(".query.", ".other.").replace(".key.", ".query."): v for name, v in state.items()}
    swapped = {name.replace(".other.", ".key."): v for name, v in swapped.items()}
    (tmp_path / "swapped").mkdir()
    other = texts(write(tmp_path / "swapped", swapped), *LINES)
    assert np.abs(other - texts(folder, *LINES)).max() > 1e-2  # the order of the three matters


def test_layout_b_is_a_network_of_its_own(folder: Path, tmp_path: Path) -> None:
    state = layout_b(weights())
    found = texts(write(tmp_path, state), *LINES)
    assert np.abs(found - texts(folder, *LINES)).max() > 1e-2
    for line, vector in zip(LINES, found, strict=True):
        assert np.abs(vector - formula(state, line, b=True, second=True)).max() <= 1e-5
        assert np.abs(vector - formula(state, line, b=True)).max() > 1e-2  # gelu on the first half
        assert np.abs(vector - formula(state, line, b=True, second=True, third_norm=False)).max() > 1e-2


def test_the_norms_of_q_and_k_count(tmp_path: Path) -> None:
    state = layout_b(weights())
    before = texts(write(tmp_path, state), *LINES)
    for letter in "qk":
        (tmp_path / letter).mkdir()
        other = dict(state)
        for i in range(DEPTH):
            name = f"{BERT}encoder.layer.{i}.attention.self.layer_norm_{letter}.weight"
            other[name] = other[name] * (1 + torch.arange(WIDTH) % 2)
        assert np.abs(texts(write(tmp_path / letter, other), *LINES) - before).max() > 1e-3


@pytest.mark.parametrize(
    "names",
    [
        {"gated_layers": "up_gated_layer", "wo": "down_layer"},
        {"gated_layers": "fc1", "wo": "fc2"},
        {"gated_layers": "fc1"},
        {"gated_layers": "fc2", "wo": "fc1"},  # which is which, the shapes say
    ],
)
def test_the_feed_forward_part_is_known_under_other_names(
    folder: Path, tmp_path: Path, names: dict[str, str]
) -> None:
    state = renamed(weights(), **names)
    assert state.keys() != weights().keys()
    assert np.array_equal(texts(write(tmp_path, state), *LINES), texts(folder, *LINES))


def test_buffers_are_left_out(folder: Path, tmp_path: Path) -> None:
    state = weights() | {
        f"{BERT}embeddings.position_ids": torch.arange(512)[None],
        f"{BERT}encoder.layers.0.mixer.linear_biases": torch.zeros(1, 2, 16, 16),
        "vision_model.rope.freqs_cos": torch.zeros(16, 64),
        "vision_model.blocks.0.attn.rope.freqs_sin": torch.zeros(16, 64),
    }
    assert np.array_equal(texts(write(tmp_path, state), *LINES), texts(folder, *LINES))


@pytest.mark.parametrize(
    "name",
    [
        f"{BERT}encoder.layers.1.norm2.bias",
        f"{BERT}encoder.layers.0.mlp.wo.weight",
        f"{BERT}encoder.layers.1.mlp.gated_layers.weight",
        f"{BERT}embeddings.word_embeddings.weight",
        f"{BERT}emb_ln.weight",
        "vision_model.blocks.1.mlp.ffn_ln.weight",
        "vision_model.blocks.0.attn.q_bias",
        "vision_model.pos_embed",
        "logit_scale",
    ],
)
def test_a_missing_tensor_is_refused_by_name(tmp_path: Path, name: str) -> None:
    state = weights()
    del state[name]
    with pytest.raises(BadInput, match="missing") as caught:
        load_encoder(str(write(tmp_path, state)), EXACT)
    inner = name.removeprefix(BERT).removeprefix("vision_model.")
    assert inner in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "name",
    [
        f"{BERT}encoder.layers.0.mixer.layer_norm_q.weight",
        f"{BERT}encoder.layers.0.mlp.fc1.weight",
        f"{BERT}encoder.layers.0.mlp.gated_layers.bias",
        f"{BERT}pooler.dense.weight",
        f"{BERT}embeddings.position_embeddings.weight",
        "text_model.proj.weight",
        "text_projection.weight",
        "visual_projection.weight",
        "vision_model.head.weight",
        "vision_model.blocks.0.attn.k_bias",
        "vision_model.blocks.0.gamma_1",
        "something.else",
    ],
)
def test_a_tensor_that_is_left_over_is_refused_by_name(tmp_path: Path, name: str) -> None:
    state = weights() | {name: torch.zeros(2 * HIDDEN, WIDTH)}
    with pytest.raises(BadInput, match=rf"(left over|shape): .*{name.replace('.', '[.]')}"):
        load_encoder(str(write(tmp_path, state)), EXACT)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (f"{BERT}encoder.layers.1.mixer.Wqkv.weight", (3 * WIDTH, WIDTH + 1)),
        (f"{BERT}encoder.layers.1.mlp.gated_layers.weight", (2 * HIDDEN + 2, WIDTH)),
        ("vision_model.blocks.1.mlp.w2.weight", (HIDDEN, WIDTH + 1)),
        ("vision_model.norm.bias", (WIDTH + 1,)),
        ("logit_scale", (2,)),
    ],
)
def test_a_tensor_of_another_shape_is_refused_by_name(
    tmp_path: Path, name: str, shape: tuple[int, ...]
) -> None:
    with pytest.raises(BadInput, match=rf"shape: {name}") as caught:
        load_encoder(str(write(tmp_path, weights() | {name: torch.zeros(shape)})), EXACT)
    assert str(shape) in str(caught.value)


def test_a_layer_of_layout_a_without_its_keys_is_refused_by_what_is_there(tmp_path: Path) -> None:
    state = layout_a(weights())
    del state[f"{BERT}encoder.layer.0.attention.self.key.weight"]
    with pytest.raises(
        BadInput, match=r"left over: .*layer\.0\.attention\.self\.query\.weight.*missing: .*Wqkv"
    ):
        load_encoder(str(write(tmp_path, state)), EXACT)


def test_a_tensor_under_two_names_is_refused(tmp_path: Path) -> None:
    state = layout_a(weights()) | {f"{BERT}emb_ln.weight": torch.zeros(WIDTH)}
    with pytest.raises(BadInput, match="is there twice"):
        load_encoder(str(write(tmp_path, state)), EXACT)


# settings


def test_projections_are_used_where_settings_and_tensors_have_them(tmp_path: Path) -> None:
    dim = 24
    extra = {
        "text_model.proj.weight": drawn((40, WIDTH), 1),
        "text_model.proj.bias": drawn((40,), 2),
        "vision_model.head.weight": drawn((56, WIDTH), 3),
        "vision_model.head.bias": drawn((56,), 4),
        "text_projection.weight": drawn((dim, 40), 5),
        "visual_projection.weight": drawn((dim, 56), 6),
    }
    config = changed(
        add_projections=True,
        projection_dim=dim,
        text__embed_dim=40,
        text__proj_type="linear",
        text__proj_bias=True,
        vision__embed_dim=56,
        vision__proj_type="linear",
    )
    encoder = load_encoder(str(write(tmp_path, weights() | extra, config)), EXACT)
    pixels = encoder.prepare_image(picture())
    assert encoder.space.dim == dim
    for vectors in (encoder.encode_text(LINES), encoder.encode_images([pixels])):
        assert vectors.shape[1] == dim and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)

    (tmp_path / "plain").mkdir()
    plain = load_encoder(str(write(tmp_path / "plain")), EXACT)
    pooled = plain.encode_images([pixels])[0].astype(np.float64)
    tower = Eva(EVA).eval()
    tower.load_state_dict({n.removeprefix("vision_model."): v for n, v in weights().items() if "vision" in n})
    with torch.inference_mode():
        normal = plain.images.preprocess.normalise(torch.tensor(pixels)[None])  # type: ignore[attr-defined]
        raw = tower(normal)[0].double().numpy()
    assert np.allclose(raw / np.linalg.norm(raw), pooled, atol=1e-5)
    head = (
        extra["vision_model.head.weight"].double().numpy() @ raw
        + extra["vision_model.head.bias"].double().numpy()
    )
    wanted = extra["visual_projection.weight"].double().numpy() @ head
    assert np.allclose(encoder.encode_images([pixels])[0], wanted / np.linalg.norm(wanted), atol=1e-5)


@pytest.mark.parametrize(
    ("config", "names"),
    [
        (changed(add_projections=True), ["text_projection.weight", "visual_projection.weight"]),
        (changed(text__proj_type="linear"), ["text_model.proj.weight"]),
        (changed(vision__proj_type="linear"), ["vision_model.head.weight"]),
    ],
)
def test_a_projection_that_only_the_settings_have_is_missed(
    tmp_path: Path, config: Change, names: list[str]
) -> None:
    with pytest.raises(BadInput, match="missing") as caught:
        load_encoder(str(write(tmp_path, config=config)), EXACT)
    assert all(name in str(caught.value) for name in names)


def test_towers_of_different_dimension_are_refused(tmp_path: Path) -> None:
    state = weights() | {"text_model.proj.weight": drawn((40, WIDTH), 1)}
    with pytest.raises(BadInput, match="differ in dimension"):
        load_encoder(str(write(tmp_path, state, changed(text__embed_dim=40))), EXACT)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (changed(text__pooler_type=None), "pooler_type None"),
        (changed(text__pooler_type="max_pooler"), "pooler_type 'max_pooler'"),
        (changed(text__proj_type="mlp"), "proj_type 'mlp'"),
        (changed(text__hf_model_config_kwargs={"position_embedding_type": "rotary"}), "'rotary'"),
        (changed(text__hf_model_config_kwargs={"feed_forward_type": "reglu"}), "'reglu'"),
        (changed(vision__rope_embeddings=False), "rope_embeddings False"),
        (changed(vision__post_norm=True), "post_norm True"),
        (changed(vision__intp_freq=False), "intp_freq is off"),
        (changed(vision__image_size=64), "not 64 pixels"),
        (changed(vision__head_width=30), "heads of 30"),
        (changed(text__hf_model_config_kwargs={"num_attention_heads": 5}), "not 5 heads"),
        (changed(truncate_dim=64), "truncate_dim 64"),
    ],
)
def test_a_setting_that_asks_for_another_network_is_refused(
    tmp_path: Path, config: Change, said: str
) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        load_encoder(str(write(tmp_path, config=config)), EXACT)
    assert str(tmp_path) in str(caught.value) and caught.value.hint


def test_the_first_token_is_pooled_and_heads_and_eps_are_taken_from_the_settings(tmp_path: Path) -> None:
    first = texts(write(tmp_path, config=changed(text__pooler_type="cls_pooler")), *LINES)
    for line, vector in zip(LINES, first, strict=True):
        assert np.abs(vector - formula(weights(), line, pooled="first")).max() <= 1e-5
    for name, given in {"heads": {"num_attention_heads": 4}, "eps": {"layer_norm_eps": 1.0}}.items():
        (tmp_path / name).mkdir()
        other = texts(write(tmp_path / name, config=changed(text__hf_model_config_kwargs=given)), LINES[2])
        assert np.abs(other - formula(weights(), LINES[2])).max() > 1e-3


def test_a_tokenizer_of_another_model_is_refused_when_text_is_encoded(tmp_path: Path) -> None:
    encoder = load_encoder(str(write(tmp_path)), EXACT)
    other = tokenizer()
    other.add_tokens([f"new{i}" for i in range(10)])
    other.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(BadInput, match="of another model"):
        encoder.encode_text(["w1"])
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match="is no tokenizer"):
        encoder.encode_text(["w1"])
