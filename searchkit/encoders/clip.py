"""CLIP in the form that transformers writes: OpenAI's, LAION's and others' checkpoints of `model_type` clip.

Sizes come from the tensors' shapes; what shapes do not say, from config.json, where an absent key means
what it means to transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.device import Placement
from searchkit.encoders.image import CLIP_MEAN, CLIP_STD, ImageTower, from_processor
from searchkit.encoders.records import described
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens, plain, read_tokenizer
from searchkit.encoders.towers import TwoTowers, learned_temperature
from searchkit.errors import BadInput
from searchkit.models.clip import ACTIVATIONS, ClipText, ClipVision, TextConfig, Tower, VisionConfig
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
START, END = "<|startoftext|>", "<|endoftext|>"
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
"""Matches what CLIP's vocabulary was made from: contractions, runs of letters, digits, runs of the rest."""
TEXT = {"num_attention_heads": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407}
VISION = {"num_attention_heads": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "image_size": 224}
COLOURS = {"image_mean": CLIP_MEAN, "image_std": CLIP_STD}
"""The settings of a preprocessor_config.json that says nothing of colours."""


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet. Raises `BadInput` and `ModelMissing`."""
    if not checkpoint.has("vocab.json", "merges.txt"):
        checkpoint.need("tokenizer.json")
    config, shapes = checkpoint.json(), Shapes(checkpoint)
    text_config, vision_config = sizes(config, "text", TEXT), sizes(config, "vision", VISION)
    text = text_of(shapes, text_config, dim=shapes("text_projection.weight")[0])
    vision = vision_of(shapes, vision_config, dim=shapes("visual_projection.weight")[0])
    with torch.device("meta"):
        texts, images = ClipText(text), ClipVision(vision)
    checkpoint.account(texts, images, beside=("logit_scale",))
    record = described(
        checkpoint, record, "clip", dim=text.dim, text_window=text.window, pixels=vision.pixels
    )
    preprocess = from_processor({**COLOURS, **processor(checkpoint)}, pixels=vision.pixels)
    return TwoTowers(
        record,
        Space(record.name, checkpoint.sha256, PREPROCESSING, text.dim),
        TextTower(lambda: _tokens(checkpoint, text), lambda: checkpoint.fill(texts), where, dim=text.dim),
        ImageTower(preprocess, lambda: checkpoint.fill(images), where, dim=text.dim),
        lambda: learned_temperature(checkpoint),
    )


class Shapes:
    """The shapes of a checkpoint's tensors, by name. Raises `BadInput` for one that is not there."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self.checkpoint, self.known = checkpoint, checkpoint.shapes()

    def __call__(self, name: str) -> tuple[int, ...]:
        if name not in self.known:
            raise BadInput(
                f"{self.checkpoint.name} has no tensor {name}", hint="fetch or copy the model again"
            )
        return self.known[name]

    def depth(self, prefix: str) -> int:
        """The number of layers below a prefix."""
        return len({name.split(".")[prefix.count(".")] for name in self.known if name.startswith(prefix)})


def processor(checkpoint: Checkpoint) -> Mapping[str, Any]:
    """How pictures are prepared: the content of preprocessor_config.json, or the part for pictures of the
    processor_config.json that newer versions of transformers write.

    Raises `ModelMissing` where there is neither.
    """
    if not checkpoint.has("preprocessor_config.json") and checkpoint.has("processor_config.json"):
        together = checkpoint.json("processor_config.json").get("image_processor")
        if isinstance(together, Mapping):
            return together
    return checkpoint.json("preprocessor_config.json")


def sizes(config: Mapping[str, Any], which: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of one tower, `which` being "text" or "vision", with the defaults of transformers.

    Early configurations have a second place, "…_config_dict": where it is there, it alone counts, as
    transformers reads it.
    """
    second = config.get(f"{which}_config_dict")
    given = second if second is not None else config.get(f"{which}_config") or {}
    settings = {**defaults, **{key: value for key, value in given.items() if value is not None}}
    if settings["hidden_act"] not in ACTIVATIONS:
        raise BadInput(
            f"config.json has {which}_config.hidden_act {settings['hidden_act']!r}",
            hint=f"what can be followed: {', '.join(ACTIVATIONS)}",
        )
    return settings


def tower(shapes: Shapes, config: Mapping[str, Any], prefix: str) -> Tower:
    """The sizes of the transformer whose tensors' names begin with `prefix`."""
    hidden, width = shapes(f"{prefix}encoder.layers.0.mlp.fc1.weight")
    return Tower(
        width,
        hidden,
        shapes.depth(f"{prefix}encoder.layers."),
        int(config["num_attention_heads"]),
        float(config["layer_norm_eps"]),
        config["hidden_act"],
    )


def text_of(shapes: Shapes, config: Mapping[str, Any], *, dim: int) -> TextConfig:
    """The sizes of the text tower, as shapes and settings tell them."""
    base = tower(shapes, config, "text_model.")
    vocabulary, _ = shapes("text_model.embeddings.token_embedding.weight")
    window, _ = shapes("text_model.embeddings.position_embedding.weight")
    return TextConfig(
        base.width, base.hidden, base.depth, base.heads, base.eps, base.activation,
        vocabulary, window, dim, int(config["eos_token_id"]),
    )  # fmt: skip


def vision_of(
    shapes: Shapes, config: Mapping[str, Any], *, dim: int, class_token: bool = True
) -> VisionConfig:
    """The sizes of the image tower. Raises `BadInput` where settings and shapes contradict each other."""
    base = tower(shapes, config, "vision_model.")
    patch = shapes("vision_model.embeddings.patch_embedding.weight")[-1]
    tokens = shapes("vision_model.embeddings.position_embedding.weight")[0] - class_token
    pixels = int(config["image_size"])  # may be more than the patches cover: 384 of 14 are 27, and 6 left
    if (pixels // patch) ** 2 != tokens:
        raise BadInput(
            f"config.json has an image_size of {pixels}, the network {tokens} places for patches of {patch}",
            hint="copy config.json again from where the weights are from",
        )
    return VisionConfig(
        base.width, base.hidden, base.depth, base.heads, base.eps, base.activation, pixels, patch, dim
    )


def _tokens(checkpoint: Checkpoint, text: TextConfig) -> Tokens:
    tokenizer = (
        read_tokenizer(checkpoint) if checkpoint.has("tokenizer.json") else plain(_from_merges(checkpoint))
    )
    end = tokenizer.token_to_id(END)
    if end is None or tokenizer.get_vocab_size() > text.vocabulary:
        raise BadInput(
            f"{checkpoint.name}: the tokenizer is not that of the network", hint="copy the model again"
        )
    return Tokens(tokenizer, text.window, pad=end)


def _from_merges(checkpoint: Checkpoint) -> Tokenizer:
    """CLIP's byte-pair encoding from vocab.json and merges.txt, which older checkpoints have."""
    tokenizer = Tokenizer(
        models.BPE.from_file(
            str(checkpoint.path("vocab.json")),
            str(checkpoint.path("merges.txt")),
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            unk_token=END,
        )
    )
    tokenizer.add_special_tokens([START, END])
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    start, end = (tokenizer.token_to_id(mark) or 0 for mark in (START, END))
    tokenizer.post_processor = processors.RobertaProcessing(
        (END, end), (START, start), trim_offsets=False, add_prefix_space=False
    )
    return tokenizer
