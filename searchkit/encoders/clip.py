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
from searchkit.encoders.image import ImageTower, from_processor
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
"""What CLIP's vocabulary was made from: contractions, runs of letters, single digits, runs of the rest."""
TEXT = {"num_attention_heads": 8, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "eos_token_id": 49407}
VISION = {"num_attention_heads": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "image_size": 224}
COLOURS = {
    "image_mean": (0.48145466, 0.4578275, 0.40821073),
    "image_std": (0.26862954, 0.26130258, 0.27577711),
}


def load(found: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet. Raises `BadInput`, `ModelMissing`."""
    if not found.has("vocab.json", "merges.txt"):
        found.need("tokenizer.json")
    config, shapes = found.json(), Shapes(found)
    text_config, vision_config = sizes(config, "text", TEXT), sizes(config, "vision", VISION)
    text = text_of(shapes, text_config, dim=shapes("text_projection.weight")[0])
    vision = vision_of(shapes, vision_config, dim=shapes("visual_projection.weight")[0])
    with torch.device("meta"):
        texts, images = ClipText(text), ClipVision(vision)
    found.account(texts, images, beside=("logit_scale",))
    record = described(found, record, "clip", dim=text.dim, text_window=text.window, pixels=vision.pixels)
    preprocess = from_processor({**COLOURS, **processor(found)}, pixels=vision.pixels)
    return TwoTowers(
        record,
        Space(record.name, found.sha256, PREPROCESSING, text.dim),
        TextTower(lambda: _tokens(found, text), lambda: found.fill(texts), where, dim=text.dim),
        ImageTower(preprocess, lambda: found.fill(images), where, dim=text.dim),
        lambda: learned_temperature(found),
    )


class Shapes:
    """The shapes of a checkpoint's tensors, by name. Raises `BadInput` for one that is not there."""

    def __init__(self, found: Checkpoint) -> None:
        self.found, self.known = found, found.shapes()

    def __call__(self, name: str) -> tuple[int, ...]:
        if name not in self.known:
            raise BadInput(f"{self.found.name} has no tensor {name}", hint="fetch or copy the model again")
        return self.known[name]

    def depth(self, prefix: str) -> int:
        """The number of layers below a prefix."""
        return len({name.split(".")[prefix.count(".")] for name in self.known if name.startswith(prefix)})


def processor(found: Checkpoint) -> Mapping[str, Any]:
    """What is done to pictures: in a file of its own, or in the one that newer versions of transformers write
    for texts and pictures together. Raises `ModelMissing` where there is neither."""
    if not found.has("preprocessor_config.json") and found.has("processor_config.json"):
        together = found.json("processor_config.json").get("image_processor")
        if isinstance(together, Mapping):
            return together
    return found.json("preprocessor_config.json")


def sizes(config: Mapping[str, Any], which: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """One tower's settings. Where an early configuration has a second place for them, that one counts, and
    what it leaves out has its default: so transformers reads it, whatever the first place says."""
    second = config.get(f"{which}_config_dict")
    said = second if second is not None else config.get(f"{which}_config") or {}
    found = {**defaults, **{key: value for key, value in said.items() if value is not None}}
    if found["hidden_act"] not in ACTIVATIONS:
        raise BadInput(
            f"config.json has {which}_config.hidden_act {found['hidden_act']!r}",
            hint=f"what can be followed: {', '.join(ACTIVATIONS)}",
        )
    return found


def tower(shapes: Shapes, config: Mapping[str, Any], prefix: str) -> Tower:
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


def _tokens(found: Checkpoint, text: TextConfig) -> Tokens:
    tokenizer = read_tokenizer(found) if found.has("tokenizer.json") else plain(_from_merges(found))
    end = tokenizer.token_to_id(END)
    if end is None or tokenizer.get_vocab_size() > text.vocabulary:
        raise BadInput(f"{found.name}: the tokenizer is not that of the network", hint="copy the model again")
    return Tokens(tokenizer, text.window, pad=end)


def _from_merges(found: Checkpoint) -> Tokenizer:
    """CLIP's byte-pair encoding from the two files that older checkpoints have instead."""
    tokenizer = Tokenizer(
        models.BPE.from_file(
            str(found.path("vocab.json")),
            str(found.path("merges.txt")),
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
