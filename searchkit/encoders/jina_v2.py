"""Jina CLIP 2: XLM-RoBERTa with rotary positions reads the text, up to 8,192 tokens in 89 languages, and
EVA02 the picture.

The text tower is published with LoRA adapters beside its weights; those of one task are merged into the
weights when these are read. Sizes come from the tensors' shapes, settings from config.json; a missing key
means what it means to jina-embeddings-v3, which the text tower was made from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from searchkit.encoders.checkpoint import AGAIN, Checkpoint, Setting, account, below, shapes_of
from searchkit.encoders.device import Placement
from searchkit.encoders.image import ImageTower
from searchkit.encoders.jina_pixels import preprocess
from searchkit.encoders.matryoshka import Matryoshka
from searchkit.encoders.records import described
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.encoders.towers import learned_temperature
from searchkit.errors import BadInput
from searchkit.models.eva import Eva, EvaConfig, eva_config, from_eva_clip
from searchkit.models.lora import Lora, is_adapted, merged
from searchkit.models.xlm_rope import XlmRope, XlmRopeConfig, from_published, xlm_rope_config
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
FAMILY = "jina-clip-v2"
WINDOW = 8192
TASK = "retrieval.query"
"""The task whose adapters are merged where config.json names none, and whose prompt precedes a question."""
LORA = ("lora_adaptations", "lora_alpha", "lora_rank")
TEXT, IMAGES, SCALE = "text_model.transformer.", "vision_model.", "logit_scale"
GELU: dict[str, Literal["none", "tanh"]] = {"gelu": "none", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> Matryoshka:
    """The encoder in a checkpoint, of which no weights are read yet.

    Raises `BadInput` naming the tensors that are left over, missing or of another shape, or the setting
    that cannot be followed.
    """
    config, shapes = checkpoint.json(), checkpoint.shapes()
    text, vision = _text_settings(config), config.get("vision_config") or {}
    _check_settings(checkpoint, config, text, vision)
    lora = _lora(checkpoint, text, shapes)
    texts, images = _networks(checkpoint, shapes, text, vision, lora)
    dim, pixels = images.config.dim, images.config.pixels
    if not texts.config.width == dim == (text.get("embed_dim") or dim):
        raise BadInput(f"{checkpoint.name}: its texts and its pictures differ in dimension", hint=AGAIN)
    window = min(WINDOW, text.get("max_position_embeddings") or WINDOW)
    full = described(checkpoint, record, FAMILY, dim=dim, text_window=window, pixels=pixels)
    if record is None:
        full = replace(full, query_prompt=(text.get("task_instructions") or {}).get(TASK) or "")

    def read_texts() -> nn.Module:
        texts.load_state_dict(_text_state(checkpoint.below(TEXT), lora, where.dtype), assign=True)
        return texts

    def read_images() -> nn.Module:
        images.load_state_dict(from_eva_clip(checkpoint.below(IMAGES)), assign=True)
        return images

    return Matryoshka(
        full,
        Space(full.name, checkpoint.sha256, PREPROCESSING, dim),
        TextTower(
            partial(_tokens, checkpoint, text, texts.config, window), read_texts, where, dim=dim, is_mean=True
        ),
        ImageTower(preprocess(checkpoint, pixels), read_images, where, dim=dim),
        partial(learned_temperature, checkpoint),
        dimensions=config.get("matryoshka_dimensions") or (),
    )


def _text_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of text_config, with those of jina-embeddings-v3's own configuration that it changes."""
    text = config.get("text_config") or {}
    return {**text, **(text.get("hf_model_config_kwargs") or {})}


def _check_settings(
    checkpoint: Checkpoint, config: Mapping[str, Any], text: Mapping[str, Any], vision: Mapping[str, Any]
) -> None:
    """Raises `BadInput` for a setting that asks for another network than the two that can be built."""
    settings: tuple[Setting, ...] = (
        ("add_projections", config.get("add_projections") or False, (False,)),
        ("truncate_dim", config.get("truncate_dim"), (None,)),
        ("text_config.pooler_type", text.get("pooler_type"), (None, "mean_pooler")),
        ("text_config.proj_type", text.get("proj_type"), (None,)),
        ("text_config.default_instruction_task", text.get("default_instruction_task"), (None,)),
        ("text_config.position_embedding_type", text.get("position_embedding_type", "rotary"), ("rotary",)),
        ("text_config.hidden_act", text.get("hidden_act", "gelu"), GELU),
        ("vision_config.proj_type", vision.get("proj_type"), (None,)),
        ("vision_config.rope_embeddings", vision.get("rope_embeddings", False), (True,)),
        ("vision_config.post_norm", vision.get("post_norm", False), (False,)),
    )
    checkpoint.check_settings(settings)


def _lora(checkpoint: Checkpoint, text: Mapping[str, Any], shapes: Mapping[str, Any]) -> Lora | None:
    """How the adapters are merged; None for a checkpoint that has none and names none.

    Nothing is guessed: another alpha would give vectors that look right and are not.
    """
    if not is_adapted(shapes):
        if text.get(LORA[0]):
            raise BadInput(
                f"{checkpoint.name} has no LoRA adapters, but config.json names some",
                hint=f"fetch the model again; if they are merged already, take {LORA[0]} out of config.json",
            )
        return None
    missing = [key for key in LORA if not text.get(key)]
    if missing:
        raise BadInput(
            f"{checkpoint.name} has LoRA adapters, but config.json says nothing of {', '.join(missing)}",
            hint="text_config.hf_model_config_kwargs of the published model has them: fetch it again",
        )
    tasks, alpha, rank = (text[key] for key in LORA)
    task = text.get("default_lora_task", TASK)
    if task not in tasks:
        raise BadInput(
            f"{checkpoint.name} has no LoRA adapter for the task {task!r}",
            hint=f"it has: {', '.join(tasks)} (default_lora_task in text_config of config.json)",
        )
    return Lora(float(alpha), int(rank), len(tasks), tasks.index(task))


def _networks(
    checkpoint: Checkpoint,
    shapes: Mapping[str, tuple[int, ...]],
    text: Mapping[str, Any],
    vision: Mapping[str, Any],
    lora: Lora | None,
) -> tuple[XlmRope, Eva]:
    """Both networks without weights. Raises `BadInput` unless every tensor belongs to one of them."""
    blank = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    try:
        words, pictures = _text_state(below(TEXT, blank), lora), from_eva_clip(below(IMAGES, blank))
        xlm = xlm_rope_config(
            {name: tuple(value.shape) for name, value in words.items()},
            heads=text.get("num_attention_heads"),
            eps=text.get("layer_norm_eps") or 1e-5,
            theta=float(text.get("rotary_emb_base") or 20_000),
            pad=text.get("pad_token_id", 1),
            gelu=GELU[text.get("hidden_act", "gelu")],
        )
        eva = _eva_config(vision, below(IMAGES, shapes))
    except ValueError as error:
        raise BadInput(f"{checkpoint.name}: {error}", hint=AGAIN) from error
    with torch.device("meta"):  # names and shapes; weights are put in their places when they are read
        texts, images = XlmRope(xlm), Eva(eva)
    rest = {name: value for name, value in blank.items() if not name.startswith((TEXT, IMAGES))}
    if math.prod(shapes.get(SCALE, ())) == 1:
        rest.pop(SCALE, None)
    have = rest | _under(TEXT, words) | _under(IMAGES, pictures)
    want = _under(TEXT, texts.state_dict()) | _under(IMAGES, images.state_dict())
    account(checkpoint.name, shapes_of(have), shapes_of(want))
    return texts, images


def _text_state(
    state: Mapping[str, Tensor], lora: Lora | None, dtype: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """The tensors below `TEXT` under the names of `XlmRope`, with the adapters of one task merged."""
    named = from_published(state)
    return merged(named, lora, dtype) if lora is not None else named


def _eva_config(vision: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]]) -> EvaConfig:
    """The sizes of the image tower: 512 pixels are 36 patches of 14, and 8 pixels that are not read."""
    sizes = eva_config(
        shapes,
        head_width=vision.get("head_width", 64),
        pretrained_grid=vision.get("pt_hw_seq_len", 16),
    )
    pixels = vision.get("image_size") or sizes.pixels
    if pixels // sizes.patch != sizes.grid:
        raise ValueError(
            f"pos_embed has {sizes.grid} patches of {sizes.patch} along a side, for {pixels} pixels"
        )
    if not vision.get("intp_freq") and sizes.grid != sizes.pretrained_grid:
        raise ValueError(f"vision_config.intp_freq is off, but {sizes.grid} patches are not pt_hw_seq_len")
    return replace(sizes, pixels=pixels, head_dim=0)  # a head's tensors would be left over


def _under(prefix: str, named: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in named.items()}


def _tokens(checkpoint: Checkpoint, text: Mapping[str, Any], xlm: XlmRopeConfig, window: int) -> Tokens:
    tokenizer = read_tokenizer(checkpoint)
    tokens = Tokens(tokenizer, window, xlm.pad)
    around = [text.get("bos_token_id", 0)], [text.get("eos_token_id", 2)]
    if (
        tokenizer.get_vocab_size() > xlm.vocabulary
        or tokenizer.token_to_id("<pad>") not in (None, xlm.pad)
        or tokens.special != around
    ):
        raise BadInput(
            f"{checkpoint.name}: the tokenizer is of another model: its tokens, its padding, or what it puts "
            "around a text",
            hint=AGAIN,
        )
    return tokens
