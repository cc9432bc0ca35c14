"""SigLIP, and SigLIP2 of fixed resolution, in the form that transformers writes.

Every text is cut and padded to the whole window, as in training; neither the published tokenizer nor its
configuration does so.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable

import torch
from tokenizers import normalizers

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.clip import Shapes, processor, sizes, text_of, vision_of
from searchkit.encoders.device import Placement
from searchkit.encoders.image import ImageTower, from_processor
from searchkit.encoders.records import described
from searchkit.encoders.text import TextTower
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.encoders.towers import TwoTowers, learned_temperature
from searchkit.errors import BadInput
from searchkit.models.clip import TextConfig
from searchkit.models.siglip import SiglipText, SiglipVision
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
DEFAULTS = {
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
    "eos_token_id": 1,
    "image_size": 224,
}
LOWERCASE = normalizers.Lowercase()
"""Letter by letter: of "ΟΔΟΣ" the last is σ, where Python's own `lower` writes ς."""
PUNCTUATION = str.maketrans("", "", string.punctuation)


def load(checkpoint: Checkpoint, record: EncoderRecord | None, where: Placement) -> TwoTowers:
    """The encoder in a checkpoint, of which no weights are read yet. Raises `BadInput` and `ModelMissing`."""
    config, shapes = checkpoint.json(), Shapes(checkpoint)
    if (
        config["model_type"] == "siglip2"
        or len(shapes("vision_model.embeddings.patch_embedding.weight")) != 4
    ):
        raise BadInput(
            f"{checkpoint.name} is a SigLIP2 for pictures of any shape (naflex), which cannot be read",
            hint="one of fixed resolution can: google/siglip2-base-patch16-256",
        )
    checkpoint.need("tokenizer.json")
    text_config, vision_config = sizes(config, "text", DEFAULTS), sizes(config, "vision", DEFAULTS)
    text = text_of(shapes, text_config, dim=shapes("text_model.head.weight")[0])
    width = shapes("vision_model.embeddings.patch_embedding.weight")[0]
    vision = vision_of(shapes, vision_config, dim=width, class_token=False)
    with torch.device("meta"):
        texts, images = SiglipText(text), SiglipVision(vision)
    checkpoint.account(texts, images, beside=("logit_scale", "logit_bias"))
    if text.dim != vision.dim:
        raise BadInput(
            f"{checkpoint.name}: texts have {text.dim} dimensions, pictures {vision.dim}", hint="another copy"
        )
    record = described(
        checkpoint, record, "siglip", dim=text.dim, text_window=text.window, pixels=vision.pixels
    )
    preprocess = from_processor(processor(checkpoint), pixels=vision.pixels)
    return TwoTowers(
        record,
        Space(record.name, checkpoint.sha256, PREPROCESSING, text.dim),
        TextTower(lambda: _tokens(checkpoint, text), lambda: checkpoint.fill(texts), where, dim=text.dim),
        ImageTower(preprocess, lambda: checkpoint.fill(images), where, dim=text.dim),
        lambda: learned_temperature(checkpoint),
    )


def without_punctuation(text: str) -> str:
    """The text in small letters, without punctuation, with single spaces, as the first SigLIP read it.

    >>> without_punctuation("  A dog,  on the BEACH! ")
    'a dog on the beach'
    """
    return re.sub(r"\s+", " ", text.lower().translate(PUNCTUATION)).strip()


def _tokens(checkpoint: Checkpoint, text: TextConfig) -> Tokens:
    tokenizer = read_tokenizer(checkpoint)
    config = checkpoint.optional_json("tokenizer_config.json")
    kind = str(config.get("tokenizer_class", "Siglip2Tokenizer"))
    clean: Callable[[str], str] = (
        without_punctuation if kind.startswith("SiglipTokenizer") else LOWERCASE.normalize_str
    )
    pad = config.get("pad_token", "<pad>")
    pad_id = tokenizer.token_to_id(pad["content"] if isinstance(pad, dict) else str(pad))
    if pad_id is None or tokenizer.get_vocab_size() > text.vocabulary:
        raise BadInput(
            f"{checkpoint.name}: the tokenizer is not that of the network", hint="copy the model again"
        )
    left = config.get("padding_side") == "left"
    return Tokens(tokenizer, text.window, pad=pad_id, to_window=True, left=left, clean=clean)
