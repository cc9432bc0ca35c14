"""The inputs of open_clip's networks: text cut into tokens, and pictures framed, as open_clip does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.image import CLIP_MEAN, CLIP_STD, Preprocess, triple
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.errors import ModelMissing

FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "random": Image.Resampling.BICUBIC,  # in training either of them, otherwise this
}
PIECES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""Matches what CLIP cuts a text into before it looks for pieces of words that it knows."""


def module(name: str) -> Any:
    """A module of open_clip's or timm's. Raises `ModelMissing` with the reason why there is none."""
    try:
        return import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise not_installed(str(error)) from error


def not_installed(why: str) -> ModelMissing:
    """The error for a model that needs open_clip, with the reason why it cannot be used."""
    return ModelMissing(
        f"this model runs on open_clip, which cannot be used here: {why}",
        hint="pip install 'searchkit[openclip]' (which brings torchvision, and with it a torch of its own)",
    )


@dataclass(frozen=True, slots=True)
class Whole(Preprocess):
    """Puts the whole picture in the middle of a square of grey level `fill`."""

    fill: int = 0

    def __call__(self, image: Image.Image) -> np.ndarray:
        """The picture as (pixels, pixels, 3) uint8."""
        ratio = max(image.size) / self.pixels
        width, height = (max(1, round(side / ratio)) for side in image.size)
        if (width, height) != image.size:
            image = image.resize((width, height), self.resample)
        square = Image.new("RGB", (self.pixels, self.pixels), (self.fill,) * 3)
        square.paste(image, ((self.pixels - width) // 2, (self.pixels - height) // 2))
        return np.asarray(square)


def framing(settings: Mapping[str, Any], pixels: int) -> Preprocess:
    """The preparation that `preprocess_cfg` describes. Raises ValueError for an unknown filter or mode."""
    mode, resample = settings.get("resize_mode") or "shortest", settings.get("interpolation") or "bicubic"
    if mode not in ("shortest", "longest", "squash") or resample not in FILTERS:
        raise ValueError(f"resize_mode {mode!r}, interpolation {resample!r}")
    mean, std = triple(settings.get("mean") or CLIP_MEAN), triple(settings.get("std") or CLIP_STD)
    if mode == "longest":
        fill = int(settings.get("fill_color") or 0)
        return Whole(pixels, mean, std, resample=FILTERS[resample], fill=fill)
    fit: Literal["crop", "squash"] = "squash" if mode == "squash" else "crop"
    return Preprocess(pixels, mean, std, fit, resample=FILTERS[resample], round_crop=True)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How `text_cfg` has a text become tokens."""

    window: int
    own: bool
    """Whether the repository's tokenizer.json cuts; else CLIP's vocabulary does, which open_clip brings."""
    cleaning: Literal["lower", "whitespace", "canonicalize"]

    def tokens(self, checkpoint: Checkpoint) -> Tokens:
        """The tokenizer, which pads to the window as in training: non-causal attention sees the padding."""
        clean: Callable[[str], str] = module("open_clip.tokenizer").get_clean_fn(self.cleaning)
        if self.own:
            tokenizer = read_tokenizer(checkpoint)
            pad = _pad(checkpoint, tokenizer)
        else:
            tokenizer, pad = clip_tokenizer(), 0
        return Tokens(tokenizer, self.window, pad, to_window=True, clean=clean)


def cutting(text: Mapping[str, Any]) -> Cutting:
    """The tokenizer that `text_cfg` describes. Raises ValueError for settings of it that are not known."""
    settings = dict(text.get("tokenizer_kwargs") or {})
    own = bool(text.get("hf_tokenizer_name"))
    cleaning = settings.pop("clean", "whitespace" if own else "lower")
    if cleaning not in ("lower", "whitespace", "canonicalize") or settings or text.get("tokenizer_mode"):
        known = {"clean": cleaning, "tokenizer_mode": text.get("tokenizer_mode")}
        raise ValueError(f"a tokenizer with {settings | known}")
    return Cutting(int(text.get("context_length", 77)), own, cleaning)


def clip_tokenizer() -> Tokenizer:
    """open_clip's vocabulary as a tokenizer that knows where in the text each token is.

    The names of the two special tokens mean nothing in a text: they are cut like any other word.
    """
    simple = module("open_clip.tokenizer").SimpleTokenizer()
    first, last = ((name, simple.encoder[name]) for name in ("<start_of_text>", "<end_of_text>"))
    tokenizer = Tokenizer(
        models.BPE(vocab=simple.encoder, merges=list(simple.bpe_ranks), end_of_word_suffix="</w>")
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PIECES), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{first[0]} $A {last[0]}", special_tokens=[first, last]
    )
    return tokenizer


def _pad(checkpoint: Checkpoint, tokenizer: Tokenizer) -> int:
    """The id of the token that tokenizer_config.json names, else 0."""
    pad = checkpoint.optional_json("tokenizer_config.json").get("pad_token")
    token = pad.get("content") if isinstance(pad, dict) else pad
    pad_id = tokenizer.token_to_id(token) if token else None
    return 0 if pad_id is None else int(pad_id)
