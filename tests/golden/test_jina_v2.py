"""Jina CLIP 2 in its published form, with random weights: the text tower against transformers, which renames
the tensors by its own rules; the picture's tower against Eva; dimensions; and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.matryoshka import shortened, truncated
from searchkit.encoders.towers import TEMPERATURE, TwoTowers
from searchkit.errors import BadInput
from searchkit.models.eva import Eva, EvaConfig, from_eva_clip
from searchkit.models.xlm_rope import XlmRope, XlmRopeConfig, from_published, xlm_rope_config
from searchkit.registry import load_encoder
from searchkit.types import Runtime, Vectors

WIDTH, DEPTH, HIDDEN, VOCABULARY, PIXELS, PATCH = 128, 2, 192, 64, 44, 14
GRID = PIXELS // PATCH  # and 2 pixels are left over, as 8 of 512 are
RANK, ALPHA = 4, 8.0
TASKS = ["retrieval.passage", "retrieval.query"]
QUERY = "Represent the query for retrieving evidence documents: "
ROBERTA = "text_model.transformer.roberta."
WHAT = (
    ".parametrizations.weight.original",
    ".parametrizations.weight.0.lora_A",
    ".parametrizations.weight.0.lora_B",
)
TEXTS = ["a dog on the beach", "", "two birds " * 30, "café"]
FP32 = Runtime(dtype="float32")

KWARGS: dict[str, Any] = {
    "load_trained_adapters": True,
    "lora_adaptations": TASKS,
    "lora_alpha": ALPHA,
    "lora_dropout_p": 0.0,
    "lora_main_params_trainable": False,
    "lora_rank": RANK,
    "task_instructions": {
        "retrieval.passage": "Represent the document for retrieval: ",
        "retrieval.query": QUERY,
    },
    "use_flash_attn": True,
}
CONFIG: dict[str, Any] = {
    "model_type": "jina_clip",
    "add_projections": False,
    "projection_dim": WIDTH,
    "logit_scale_init_value": 2.6592,
    "matryoshka_dimensions": [16, 32, 64, WIDTH],
    "truncate_dim": None,
    "text_config": {
        "model_type": "jina_clip_text",
        "embed_dim": WIDTH,
        "default_instruction_task": None,
        "default_lora_task": "retrieval.query",
        "hf_model_name_or_path": "jinaai/jina-embeddings-v3",
        "hf_model_config_kwargs": KWARGS,
        "pooler_type": "mean_pooler",
        "proj_bias": False,
        "proj_type": None,
    },
    "vision_config": {
        "model_type": "jina_clip_vision",
        "embed_dim": WIDTH,
        "width": WIDTH,
        "head_width": 64,
        "image_size": PIXELS,
        "patch_size": PATCH,
        "layers": DEPTH,
        "mlp_ratio": 2.6667,
        "intp_freq": True,
        "ls_init_value": None,
        "naive_swiglu": True,
        "patch_dropout": 0.1,
        "post_norm": False,
        "proj_type": None,
        "pt_hw_seq_len": 16,
        "qkv_bias": True,
        "rope_embeddings": True,
        "subln": True,
    },
}
PROCESSOR = {
    "image_processor_type": "JinaCLIPImageProcessor",
    "size": PIXELS,
    "mean": [0.48145466, 0.4578275, 0.40821073],
    "std": [0.26862954, 0.26130258, 0.27577711],
    "resize_mode": "shortest",
    "interpolation": "bicubic",
    "fill_color": 0,
}


def text_shapes() -> dict[str, tuple[int, ...]]:
    """Of the network without adapters, under the names of the published weights."""
    w, h = WIDTH, HIDDEN
    layer = {
        "mixer.Wqkv.weight": (3 * w, w),
        "mixer.Wqkv.bias": (3 * w,),
        "mixer.out_proj.weight": (w, w),
        "mixer.out_proj.bias": (w,),
        "mlp.fc1.weight": (h, w),
        "mlp.fc1.bias": (h,),
        "mlp.fc2.weight": (w, h),
        "mlp.fc2.bias": (w,),
        **{f"norm{i}.{kind}": (w,) for i in (1, 2) for kind in ("weight", "bias")},
    }
    return {
        "embeddings.word_embeddings.weight": (VOCABULARY, w),
        "embeddings.token_type_embeddings.weight": (1, w),
        "emb_ln.weight": (w,),
        "emb_ln.bias": (w,),
        **{f"encoder.layers.{i}.{name}": shape for i in range(DEPTH) for name, shape in layer.items()},
    }


def image_shapes() -> dict[str, tuple[int, ...]]:
    w, h = WIDTH, 320
    block = {
        **{f"norm{i}.{kind}": (w,) for i in (1, 2) for kind in ("weight", "bias")},
        **{f"attn.{letter}_proj.weight": (w, w) for letter in "qkv"},
        **{f"attn.{letter}_bias": (w,) for letter in "qv"},
        **{f"attn.inner_attn_ln.{kind}": (w,) for kind in ("weight", "bias")},
        "attn.proj.weight": (w, w),
        "attn.proj.bias": (w,),
        "mlp.w1.weight": (h, w),
        "mlp.w1.bias": (h,),
        "mlp.w2.weight": (h, w),
        "mlp.w2.bias": (h,),
        "mlp.ffn_ln.weight": (h,),
        "mlp.ffn_ln.bias": (h,),
        "mlp.w3.weight": (w, h),
        "mlp.w3.bias": (w,),
        "attn.rope.freqs_cos": (GRID * GRID, 64),
        "attn.rope.freqs_sin": (GRID * GRID, 64),
    }
    return {
        "cls_token": (1, 1, w),
        "pos_embed": (1, 1 + GRID * GRID, w),
        "patch_embed.proj.weight": (w, 3, PATCH, PATCH),
        "patch_embed.proj.bias": (w,),
        "norm.weight": (w,),
        "norm.bias": (w,),
        **{f"blocks.{i}.{name}": shape for i in range(DEPTH) for name, shape in block.items()},
    }


def random_state(shapes: dict[str, tuple[int, ...]], seed: int) -> dict[str, Tensor]:
    """So large that attention is far from even, and norms that are not 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for name, shape in shapes.items():
        spread = torch.randn(shape, generator=generator)
        gain = name.endswith("weight") and len(shape) == 1
        made[name] = (
            1 + 0.3 * spread if gain else spread * (0.3 if len(shape) == 1 else 1.5 / shape[-1] ** 0.5)
        )
    return made


def is_table(name: str) -> bool:
    return "embeddings" in name


def adapted(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Every matrix with the adapters of two tasks beside it, as the published weights have them."""
    generator = torch.Generator().manual_seed(7)
    out = {}
    for name, value in state.items():
        if value.ndim == 1:
            out[name] = value
            continue
        (outer, inner), module = value.shape, name.removesuffix(".weight")
        a, b = ((outer, RANK), (RANK, inner)) if is_table(name) else ((RANK, inner), (outer, RANK))
        for what, part in zip(
            WHAT,
            (value, *(0.1 * torch.randn(len(TASKS), *each, generator=generator) for each in (a, b))),
            strict=True,
        ):
            out[module + what] = part
    return out


def merged_by_hand(state: dict[str, Tensor], task: int) -> dict[str, Tensor]:
    """Names without adapters, for the network alone: W + α/r·B A of a layer, W + α/r·A B of a table."""
    out = {}
    for name, value in state.items():
        module, _, what = name.partition(".parametrizations.")
        if not what:
            out[name] = value
        elif what == "weight.original":
            a, b = state[module + WHAT[1]][task], state[module + WHAT[2]][task]
            out[f"{module}.weight"] = value + ALPHA / RANK * (a @ b if is_table(name) else b @ a)
    return out


def tokenizer() -> Tokenizer:
    """XLM-RoBERTa's: unigram pieces, <s> … </s>, padding 1."""
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    pieces = ["▁", "▁a", "▁the", "▁dog", "▁on", "▁bird", "ea", "▁two", "▁be", *"abcdefghijklmnopqrstuvwxyz:R"]
    vocabulary = [(piece, 0.0) for piece in special]
    vocabulary += [(piece, -2.0 - 0.1 * i) for i, piece in enumerate(pieces)] + [("<mask>", 0.0)]
    made = Tokenizer(models.Unigram(vocabulary, unk_id=3))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.add_special_tokens([*special, "<mask>"])
    made.enable_truncation(8)  # a limit of the file's own, which is not the model's
    return made


@pytest.fixture(scope="module")
def tensors() -> dict[str, Tensor]:
    text = adapted(random_state(text_shapes(), 1))
    images = random_state(image_shapes(), 2)
    return {
        "logit_scale": torch.tensor(3.0),
        **{ROBERTA + name: value for name, value in text.items()},
        **{f"vision_model.{name}": value for name, value in images.items()},
    }


def write(
    folder: Path,
    tensors: dict[str, Tensor],
    config: dict[str, Any] = CONFIG,
    processor: dict[str, Any] = PROCESSOR,
) -> str:
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    tokenizer().save(str(folder / "tokenizer.json"))
    return str(folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, tensors: dict[str, Tensor]) -> str:
    return write(tmp_path_factory.mktemp("jina") / "v2", tensors)


@pytest.fixture(scope="module")
def encoder(folder: str) -> TwoTowers:
    made = load_encoder(folder, FP32)
    assert isinstance(made, TwoTowers)
    return made


def text_weights(tensors: dict[str, Tensor], task: int = 1) -> dict[str, Tensor]:
    below = {n.removeprefix(ROBERTA): value for n, value in tensors.items() if n.startswith(ROBERTA)}
    return merged_by_hand(below, task)


def batch() -> tuple[Tensor, Tensor]:
    """(n, longest) ids and mask of TEXTS."""
    made = tokenizer()
    made.no_truncation()
    made.enable_padding(pad_id=1, pad_token="<pad>")
    encoded = made.encode_batch(TEXTS)
    return torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])


def transformers_model(folder: Path, weights: dict[str, Tensor], **settings: Any) -> Any:
    """JinaEmbeddingsV3Model of the same sizes, from a folder with the published names."""
    from transformers import JinaEmbeddingsV3Config, JinaEmbeddingsV3Model

    settings = {"rope_parameters": {"rope_type": "default", "rope_theta": 20_000.0}, **settings}
    config = JinaEmbeddingsV3Config(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=WIDTH // 64,
        intermediate_size=HIDDEN,
        **settings,
    )
    folder.mkdir(exist_ok=True)
    config.save_pretrained(folder)
    save_file({name: value.contiguous() for name, value in weights.items()}, folder / "model.safetensors")
    model, said = JinaEmbeddingsV3Model.from_pretrained(
        folder, add_pooling_layer=False, attn_implementation="eager", output_loading_info=True
    )
    assert not said["missing_keys"] and not said["unexpected_keys"]
    return model.train(False).float()


def theirs(model: Any) -> Tensor:
    ids, mask = batch()
    with torch.inference_mode():
        out: Tensor = model(input_ids=ids, attention_mask=mask)[0]
    return out


def ours(weights: dict[str, Tensor], **settings: Any) -> XlmRope:
    weights = from_published(weights)
    network = XlmRope(xlm_rope_config({n: tuple(v.shape) for n, v in weights.items()}, **settings))
    network.load_state_dict(weights)
    return network.eval()


def distance(network: XlmRope, reference: Tensor) -> float:
    """The largest difference of a number of a token that is not padding."""
    ids, mask = batch()
    with torch.inference_mode():
        return float((network.tokens(ids) - reference)[mask.bool()].abs().max())


def pooled(reference: Tensor) -> Vectors:
    mask = batch()[1].unsqueeze(-1)
    mean = (reference * mask).sum(1) / mask.sum(1)
    out: Vectors = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return out


# the text network


def test_plain_torch_equals_transformers_with_padding_in_the_batch(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    weights = text_weights(tensors)
    reference = theirs(transformers_model(tmp_path, weights))
    assert not batch()[1].bool().all()  # there is padding
    assert distance(ours(weights, theta=10_000.0), reference) > 1e-3
    assert distance(ours(weights, heads=1), reference) > 1e-2
    swapped = {**weights}
    for name in weights:
        if name.endswith("Wqkv.weight"):
            swapped[name] = weights[name].roll(WIDTH, 0)
    assert distance(ours(swapped), reference) > 1e-2
    assert distance(ours(weights), reference) <= 1e-5


def test_another_theta_and_another_gelu_are_followed(tensors: dict[str, Tensor], tmp_path: Path) -> None:
    weights = text_weights(tensors)
    rope = {"rope_type": "default", "rope_theta": 500.0}
    reference = theirs(
        transformers_model(tmp_path, weights, rope_parameters=rope, hidden_act="gelu_pytorch_tanh")
    )
    assert distance(ours(weights, theta=500.0), reference) > 1e-4
    assert distance(ours(weights, theta=500.0, gelu="tanh"), reference) <= 1e-5


def test_the_defaults_are_those_of_jina_embeddings_v3() -> None:
    from transformers import JinaEmbeddingsV3Config

    said, made = JinaEmbeddingsV3Config(), XlmRopeConfig()
    assert made == XlmRopeConfig(
        vocabulary=said.vocab_size,
        types=said.type_vocab_size,
        width=said.hidden_size,
        depth=said.num_hidden_layers,
        heads=said.num_attention_heads,
        hidden=said.intermediate_size,
        eps=said.layer_norm_eps,
        theta=said.default_theta,
        pad=said.pad_token_id,
    )


def test_no_score_of_a_long_text_is_written_out(
    tensors: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, ...]] = []
    real = torch.nn.functional.scaled_dot_product_attention

    def watched(*args: Tensor, attn_mask: Tensor | None, **rest: Any) -> Tensor:
        if attn_mask is not None:
            seen.append(tuple(attn_mask.shape))
        return real(*args, attn_mask=attn_mask, **rest)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", watched)
    ids = torch.full((2, 600), 5)
    ids[1, 500:] = 1
    with torch.inference_mode():
        ours(text_weights(tensors))(ids)
    assert seen == [(2, 1, 1, 600)] * DEPTH


# the encoder


def test_text_vectors_equal_transformers_with_the_querys_adapters_merged(
    encoder: TwoTowers, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    reference, other = (
        pooled(theirs(transformers_model(tmp_path / str(task), text_weights(tensors, task))))
        for task in (1, 0)
    )
    vectors = encoder.encode_text(TEXTS)
    assert np.abs(vectors - other).max() > 1e-2  # the other task's adapters give other vectors
    assert np.abs(vectors - reference).max() <= 1e-5


def test_image_vectors_equal_the_image_network(encoder: TwoTowers, tensors: dict[str, Tensor]) -> None:
    network = Eva(EvaConfig(PIXELS, PATCH, WIDTH, DEPTH, heads=WIDTH // 64, hidden=320))
    below = {n.removeprefix("vision_model."): v for n, v in tensors.items() if n.startswith("vision_model.")}
    network.load_state_dict(from_eva_clip(below))
    pictures = [encoder.prepare_image(picture(seed)) for seed in (1, 2)]
    mean, std = (torch.tensor(PROCESSOR[key])[:, None, None] for key in ("mean", "std"))
    pixels = torch.stack([torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 255 for p in pictures])
    with torch.inference_mode():
        reference = torch.nn.functional.normalize(network.eval()((pixels - mean) / std), dim=-1).numpy()
    vectors = encoder.encode_images(pictures)
    assert abs(float(vectors[0] @ vectors[1])) < 0.99  # pictures differ
    assert np.abs(vectors - reference).max() <= 1e-5


def picture(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (30, 50, 3), np.uint8)
    return Image.fromarray(pixels).resize((100, 60))


def test_the_processor_is_read_in_jinas_words_and_in_hugging_faces(
    encoder: TwoTowers, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    said = {
        "crop_size": {"height": PIXELS, "width": PIXELS},
        "size": {"shortest_edge": PIXELS},
        "image_mean": PROCESSOR["mean"],
        "image_std": PROCESSOR["std"],
        "resample": 3,
        "do_center_crop": True,
    }
    other = load_encoder(write(tmp_path / "hf", tensors, processor=said), FP32)
    squashed = load_encoder(
        write(tmp_path / "sq", tensors, processor={**PROCESSOR, "resize_mode": "squash"}), FP32
    )
    assert np.array_equal(encoder.prepare_image(picture(1)), other.prepare_image(picture(1)))
    assert not np.array_equal(encoder.prepare_image(picture(1)), squashed.prepare_image(picture(1)))


def test_a_checkpoint_describes_itself(encoder: TwoTowers, folder: str) -> None:
    record = encoder.record
    assert (record.family, record.dim, record.pixels, record.text_window) == (
        "jina-clip-v2",
        WIDTH,
        PIXELS,
        8192,
    )
    assert record.as_query("a dog") == QUERY + "a dog" and record.as_passage("a dog") == "a dog"
    assert encoder.space.dim == WIDTH and encoder.space.weights == Checkpoint(folder, Path(folder)).sha256
    assert encoder.temperature == pytest.approx(np.exp(-3.0))


def test_a_text_query_reads_no_weights_of_the_image_tower(
    folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = Checkpoint.tensors

    def watched(self: Checkpoint, *wanted: Any) -> dict[str, Tensor]:
        found = real(self, *wanted)
        read.extend(found)
        return found

    monkeypatch.setattr(Checkpoint, "tensors", watched)
    made = load_encoder(folder, FP32)
    assert not read
    made.encode_text(["a"])
    assert read and not any(name.startswith("vision_model.") for name in read)
    read.clear()
    made.encode_images([made.prepare_image(picture(1))])
    assert read and all(name.startswith("vision_model.") for name in read)


def test_padding_that_is_written_in_a_text_is_not_seen(encoder: TwoTowers) -> None:
    ids = encoder.text.tokens.ids(["a<pad> dog"])[0]
    assert ids.count(1) == 1
    without = torch.tensor([[i for i in ids if i != 1]])
    with torch.inference_mode():
        network = encoder.text.network
        seen = network.tokens(torch.tensor([ids]))[0, [i != 1 for i in ids]].mean(0)
        got = network(torch.tensor([ids]))[0]
        assert (got - network(without)[0]).abs().max() > 1e-4  # it takes a position
    assert (got - seen).abs().max() <= 1e-6


def test_bfloat16_gives_the_same_directions(encoder: TwoTowers, folder: str) -> None:
    half = load_encoder(folder, Runtime(dtype="bfloat16"))
    full, rough = encoder.encode_text(TEXTS), half.encode_text(TEXTS)
    assert np.abs(full - rough).max() > 1e-5
    assert (np.einsum("nd,nd->n", full, rough) > 0.999).all()


def test_weights_without_adapters_and_without_a_scale_are_read_too(
    encoder: TwoTowers, tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    plain = {f"text_model.transformer.{name}": value for name, value in text_weights(tensors).items()}
    plain |= {name: value for name, value in tensors.items() if name.startswith("vision_model.")}
    text = {**CONFIG["text_config"], "hf_model_name_or_path": "xlm-roberta", "hf_model_config_kwargs": {}}
    made = load_encoder(write(tmp_path / "plain", plain, {**CONFIG, "text_config": text}), FP32)
    assert np.abs(made.encode_text(TEXTS) - encoder.encode_text(TEXTS)).max() <= 1e-5
    assert made.temperature == TEMPERATURE and made.record.query_prompt == ""


# dimensions


def test_a_truncated_encoder_gives_the_first_numbers_as_unit_vectors(encoder: TwoTowers) -> None:
    short = truncated(encoder, 32)
    pictures = [encoder.prepare_image(picture(seed)) for seed in (1, 2)]
    for whole, got in (
        (encoder.encode_text(TEXTS), short.encode_text(TEXTS)),
        (encoder.encode_images(pictures), short.encode_images(pictures)),
    ):
        cut = whole[:, :32]
        lengths = np.linalg.norm(cut, axis=1)
        assert (lengths < 0.9).all()  # a slice alone is no unit vector
        assert np.abs(got - cut / lengths[:, None]).max() <= 1e-6
        assert got.dtype == np.float32 and np.allclose(np.linalg.norm(got, axis=1), 1, atol=1e-6)


def test_a_truncated_encoder_has_a_space_of_its_own(encoder: TwoTowers) -> None:
    short = truncated(encoder, 32)
    assert short.record.dim == short.space.dim == 32
    assert len({each.space.key for each in (encoder, short, truncated(encoder, 64))}) == 3
    assert truncated(encoder, WIDTH) is encoder
    assert short.encode_text([]).shape == (0, 32)
    assert short.temperature == encoder.temperature
    assert short.token_offsets("a dog") == encoder.token_offsets("a dog")


def test_a_dimension_that_was_not_trained_is_refused_with_those_that_were(encoder: TwoTowers) -> None:
    for dim in (0, 33, 2 * WIDTH):
        with pytest.raises(BadInput, match=f"no vectors of {dim} numbers") as error:
            truncated(encoder, dim)
        assert error.value.hint == f"one of: 16, 32, 64, {WIDTH}"


def test_an_encoder_that_was_not_trained_to_be_cut_is_not(encoder: TwoTowers) -> None:
    other = TwoTowers(encoder.record, encoder.space, encoder.text, encoder.images)
    assert truncated(other, WIDTH) is other
    with pytest.raises(BadInput, match="no vectors of 32 numbers"):
        truncated(other, 32)


def test_a_row_of_zeros_stays_one() -> None:
    assert not shortened(np.zeros((1, 8), np.float32), 4).any()


# what is refused


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"text_model.transformer.roberta.pooler.dense.weight": (4, 4)},
            r"left over: .*pooler\.dense\.weight",
        ),
        ({"vision_model.head.weight": (WIDTH, WIDTH)}, r"left over: .*vision_model\.head\.weight"),
        ({"visual_projection.weight": (4, 4)}, r"left over: .*visual_projection\.weight"),
        ({"logit_scale": (2,)}, r"left over: .*logit_scale"),
        ({"text_model.transformer.emb_ln.bias": (WIDTH,)}, r"left over: .*roberta\.emb_ln\.bias"),
        ({ROBERTA + "emb_ln.bias": None}, r"missing: .*emb_ln\.bias"),
        ({"vision_model.blocks.1.norm2.bias": None}, r"missing: .*blocks\.1\.norm2\.bias"),
        ({ROBERTA + "emb_ln.bias": (3,)}, r"shape: .*emb_ln\.bias \(3,\) for \(128,\)"),
        (
            {ROBERTA + "encoder.layers.1.mlp.fc1" + WHAT[2]: None},
            r"left over: .*fc1\.parametrizations.*lora_A",
        ),
        ({ROBERTA + "encoder.layers.0.mlp.fc1" + WHAT[0]: None}, r"fc1\.weight is missing"),
        (
            {ROBERTA + "encoder.layers.1.mlp.fc2.weight": (WIDTH, HIDDEN)},
            r"left over: .*fc2\.parametrizations",
        ),
        ({ROBERTA + "encoder.layers.1.mlp.fc2" + WHAT[1]: (1, RANK, HIDDEN)}, r"fc2.* do not fit it"),
    ],
)
def test_every_tensor_is_accounted_for(
    tensors: dict[str, Tensor], tmp_path: Path, change: dict[str, tuple[int, ...] | None], said: str
) -> None:
    changed = dict(tensors)
    for name, shape in change.items():
        changed.pop(name, None)
        if shape is not None:
            changed[name] = torch.zeros(shape)
    with pytest.raises(BadInput, match=said) as error:
        load_encoder(write(tmp_path / "odd", changed), FP32)
    assert str(tmp_path) in str(error.value) and error.value.hint


def with_kwargs(**changes: Any) -> dict[str, Any]:
    kwargs = {key: value for key, value in {**KWARGS, **changes}.items() if value is not None}
    return {**CONFIG, "text_config": {**CONFIG["text_config"], "hf_model_config_kwargs": kwargs}}


def with_text(**changes: Any) -> dict[str, Any]:
    return {**CONFIG, "text_config": {**CONFIG["text_config"], **changes}}


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (with_kwargs(lora_alpha=None), "says nothing of lora_alpha"),
        (with_kwargs(lora_rank=None, lora_adaptations=None), "says nothing of lora_adaptations, lora_rank"),
        (with_kwargs(lora_rank=RANK + 1), "do not fit it, with 2 tasks of rank 5"),
        (with_kwargs(lora_adaptations=TASKS[1:]), "do not fit it, with 1 tasks"),
        (with_kwargs(lora_adaptations=["a", "b"]), "no LoRA adapter for the task 'retrieval.query'"),
        (with_text(default_lora_task=None), "no LoRA adapter for the task None"),
        (with_text(proj_type="linear"), "proj_type 'linear'"),
        (with_text(pooler_type="cls_pooler"), "pooler_type 'cls_pooler'"),
        (with_text(embed_dim=64), "differ in dimension"),
        (with_text(default_instruction_task="retrieval.query"), "default_instruction_task"),
        (with_kwargs(hidden_act="relu"), "hidden_act 'relu'"),
        (with_kwargs(position_embedding_type="absolute"), "position_embedding_type 'absolute'"),
        ({**CONFIG, "truncate_dim": 64}, "truncate_dim 64"),
        ({**CONFIG, "add_projections": True}, "add_projections True"),
        ({**CONFIG, "vision_config": {**CONFIG["vision_config"], "intp_freq": False}}, "intp_freq is off"),
        ({**CONFIG, "vision_config": {**CONFIG["vision_config"], "image_size": 64}}, "for 64 pixels"),
    ],
)
def test_a_setting_that_cannot_be_followed_is_refused(
    folder: str, tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    (changed / "config.json").write_text(json.dumps(config))
    with pytest.raises(BadInput, match=said) as error:
        load_encoder(str(changed), FP32)
    assert error.value.hint


def test_adapters_that_the_settings_name_and_the_weights_lack_are_refused(
    tensors: dict[str, Tensor], tmp_path: Path
) -> None:
    plain = {f"text_model.transformer.{name}": value for name, value in text_weights(tensors).items()}
    plain |= {name: value for name, value in tensors.items() if name.startswith("vision_model.")}
    text = {**CONFIG["text_config"], "hf_model_name_or_path": "xlm-roberta"}
    with pytest.raises(BadInput, match="has no LoRA adapters") as error:
        load_encoder(write(tmp_path / "plain", plain, {**CONFIG, "text_config": text}), FP32)
    assert "lora_adaptations" in error.value.hint


def test_a_setting_that_is_followed_changes_the_vectors(
    encoder: TwoTowers, folder: str, tmp_path: Path
) -> None:
    whole = encoder.encode_text(TEXTS)
    for name, value in {"rotary_emb_base": 10_000.0, "lora_alpha": ALPHA / 2, "layer_norm_eps": 0.1}.items():
        changed = Path(shutil.copytree(folder, tmp_path / name))
        (changed / "config.json").write_text(json.dumps(with_kwargs(**{name: value})))
        assert np.abs(load_encoder(str(changed), FP32).encode_text(TEXTS) - whole).max() > 1e-4, name


def test_a_tokenizer_of_another_model_is_refused(folder: str, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(folder, tmp_path / "other"))
    other = tokenizer()
    other.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    other.save(str(changed / "tokenizer.json"))
    with pytest.raises(BadInput, match="is of another model"):
        load_encoder(str(changed), FP32).encode_text(["a"])
    (changed / "tokenizer.json").write_text("{}")
    with pytest.raises(BadInput, match="is no tokenizer"):
        load_encoder(str(changed), FP32).encode_text(["a"])


def test_the_weights_on_disk_are_left_as_they_are(
    encoder: TwoTowers, folder: str, tensors: dict[str, Tensor]
) -> None:
    encoder.encode_text(TEXTS)
    again = load_file(Path(folder) / "model.safetensors")
    assert all(torch.equal(again[name], value) for name, value in tensors.items())
