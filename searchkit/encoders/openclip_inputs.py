"""What open_clip's networks are given: text cut into tokens, and pictures framed, as open_clip does it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
from PIL import Image
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.image import Preprocess
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.errors import ModelMissing

CLIP_MEAN, CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
FILTERS = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "random": Image.Resampling.BICUBIC,  # in training either of them, otherwise this
}
PIECES = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
"""What CLIP cuts a text into before it looks for pieces of words that it knows."""


def module(name: str) -> Any:
    """A module of open_clip's or timm's. Raises `ModelMissing` with the reason why there is none."""
    try:
        return import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: a torchvision made for another torch
        raise not_installed(str(error)) from error


def not_installed(why: str) -> ModelMissing:
    return ModelMissing(
        f"this model runs on open_clip, which cannot be used here: {why}",
        hint="pip install 'searchkit[openclip]' (which brings torchvision, and with it a torch of its own)",
    )


@dataclass(frozen=True, slots=True)
class Whole(Preprocess):
    """The whole picture in the middle of a square of grey level `fill`."""

    fill: int = 0

    def __call__(self, image: Image.Image) -> np.ndarray:
        """(pixels, pixels, 3) uint8."""
        ratio = max(image.size) / self.pixels
        width, height = (max(1, round(side / ratio)) for side in image.size)
        if (width, height) != image.size:
            image = image.resize((width, height), self.resample)
        square = Image.new("RGB", (self.pixels, self.pixels), (self.fill,) * 3)
        square.paste(image, ((self.pixels - width) // 2, (self.pixels - height) // 2))
        return np.asarray(square)


def framing(said: Mapping[str, Any], pixels: int) -> Preprocess:
    """What `preprocess_cfg` says. Raises ValueError for a filter or a mode that is not known."""
    mode, filtered = said.get("resize_mode") or "shortest", said.get("interpolation") or "bicubic"
    if mode not in ("shortest", "longest", "squash") or filtered not in FILTERS:
        raise ValueError(f"resize_mode {mode!r}, interpolation {filtered!r}")
    mean, std = _triple(said.get("mean") or CLIP_MEAN), _triple(said.get("std") or CLIP_STD)
    if mode == "longest":
        fill = int(said.get("fill_color") or 0)
        return Whole(pixels, mean, std, resample=FILTERS[filtered], fill=fill)
    fit: Literal["crop", "squash"] = "squash" if mode == "squash" else "crop"
    return Preprocess(pixels, mean, std, fit, resample=FILTERS[filtered], round_crop=True)


def _triple(values: Sequence[float] | float) -> tuple[float, float, float]:
    red, green, blue = values if isinstance(values, Sequence) else (values,) * 3
    return float(red), float(green), float(blue)


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a text becomes tokens, as `text_cfg` says."""

    window: int
    own: bool
    """By the repository's tokenizer.json; otherwise by CLIP's vocabulary, which comes with open_clip."""
    cleaning: Literal["lower", "whitespace", "canonicalize"]

    def tokens(self, found: Checkpoint) -> Tokens:
        """Padded to the window, as in training: where attention is not causal the padding is seen."""
        clean: Callable[[str], str] = module("open_clip.tokenizer").get_clean_fn(self.cleaning)
        if self.own:
            tokenizer = read_tokenizer(found)
            pad = _pad(found, tokenizer)
        else:
            tokenizer, pad = clip_tokenizer(), 0
        return Tokens(tokenizer, self.window, pad, to_window=True, clean=clean)


def cutting(said: Mapping[str, Any]) -> Cutting:
    """What `text_cfg` says. Raises ValueError for settings of a tokenizer that are not known."""
    settings = dict(said.get("tokenizer_kwargs") or {})
    own = bool(said.get("hf_tokenizer_name"))
    cleaning = settings.pop("clean", "whitespace" if own else "lower")
    if cleaning not in ("lower", "whitespace", "canonicalize") or settings or said.get("tokenizer_mode"):
        known = {"clean": cleaning, "tokenizer_mode": said.get("tokenizer_mode")}
        raise ValueError(f"a tokenizer with {settings | known}")
    return Cutting(int(said.get("context_length", 77)), own, cleaning)


def clip_tokenizer() -> Tokenizer:
    """open_clip's vocabulary as a tokenizer that knows where in the text each token is.

    The names of the two special tokens mean nothing in a text: they are cut like any other word.
    """
    theirs = module("open_clip.tokenizer").SimpleTokenizer()
    first, last = ((name, theirs.encoder[name]) for name in ("<start_of_text>", "<end_of_text>"))
    tokenizer = Tokenizer(
        models.BPE(vocab=theirs.encoder, merges=list(theirs.bpe_ranks), end_of_word_suffix="</w>")
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


def _pad(found: Checkpoint, tokenizer: Tokenizer) -> int:
    """The id of the token that tokenizer_config.json names, else 0."""
    said = (
        found.json("tokenizer_config.json").get("pad_token") if found.has("tokenizer_config.json") else None
    )
    token = said.get("content") if isinstance(said, dict) else said
    known = tokenizer.token_to_id(token) if token else None
    return 0 if known is None else int(known)
