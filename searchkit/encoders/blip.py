"""BLIP in transformers' form: what the checkpoints that write captions share with those that match texts with
pictures. The network is transformers' own; tokenizer and preparation of pictures are searchkit's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from searchkit.encoders.checkpoint import AGAIN, BUFFERS, Checkpoint, account
from searchkit.encoders.clip import COLOURS, processor
from searchkit.encoders.device import Placement, keep_freed_memory
from searchkit.encoders.foreign import LOCAL, building, need_transformers
from searchkit.encoders.image import Preprocess, from_processor
from searchkit.encoders.tokens import Tokens, read_tokenizer
from searchkit.errors import BadInput

CAPTIONING = "BlipForConditionalGeneration"
MATCHING = "BlipForImageTextRetrieval"
TELLING = {CAPTIONING: "text_decoder.", MATCHING: "itm_head."}
"""How the names of tensors begin that only this kind has."""
KNOWN = {CAPTIONING: "Salesforce/blip-image-captioning-base", MATCHING: "Salesforce/blip-itm-base-coco"}
DOES = {CAPTIONING: "writes captions", MATCHING: "matches texts with pictures"}

EPS = 1e-6
"""The epsilon of the image tower's layer norms, in the code that trained the published weights.

transformers takes 1e-5, which their config.json files repeat; that moves the logits by 3e-4."""
BERT_BASE = 768, 12
"""Width and heads of the text network of all published weights.

transformers takes 8 heads where no number is given, as it did when it wrote their config.json files; the
shapes of the weights do not tell."""

DEFAULTS = {"vocab_size": 30524, "bos_token_id": 30522, "pad_token_id": 0}
"""Settings of the text network that a config.json may leave out."""


@dataclass(frozen=True)
class Blip:
    """One checkpoint, of which no weights are read yet."""

    checkpoint: Checkpoint
    kind: str
    """`CAPTIONING` or `MATCHING`."""
    config: Mapping[str, Any]
    where: Placement
    preprocess: Preprocess

    @cached_property
    def network(self) -> Any:
        """The network with its weights.

        Raises `BadInput` for tensors that are left over, missing or of another shape.
        """
        keep_freed_memory()
        with building(self.checkpoint) as transformers:
            network, info = getattr(transformers, self.kind).from_pretrained(
                self.checkpoint.folder,
                config=transformers.BlipConfig.from_dict(dict(self.config)),
                use_safetensors=True,
                dtype=self.where.dtype,
                output_loading_info=True,
                **LOCAL,
            )
        have, want = (
            {name: () for name in info[keys] if not BUFFERS.search(name)}
            for keys in ("unexpected_keys", "missing_keys")
        )
        account(self.checkpoint.name, have, want)  # transformers has checked the shapes
        return network.eval().to(self.where.device)

    def tokens(self, window: int, clean: Callable[[str], str] | None = None) -> Tokens:
        """The tokenizer, with its window in ids. Raises `BadInput` for one of another network."""
        tokenizer = read_tokenizer(self.checkpoint)
        text = self.config["text_config"]
        if tokenizer.get_vocab_size() > text["vocab_size"]:
            raise BadInput(f"{self.checkpoint.name}: the tokenizer is not that of the network", hint=AGAIN)
        return Tokens(tokenizer, window, pad=int(text["pad_token_id"]), clean=clean)

    def normal(self, pixels: Sequence[np.ndarray]) -> Tensor:
        """The (n, 3, p, p) batch that the network reads, from n results of `preprocess`."""
        batch = torch.from_numpy(np.stack(pixels)).to(self.where.device)
        return self.preprocess.normalise(batch).to(self.where.dtype)


def read_blip(checkpoint: Checkpoint, where: Placement, kind: str | None = None) -> Blip:
    """The BLIP in a checkpoint, of that kind where one is given.

    Raises `BadInput` for another model; `ModelMissing` for a file that is not there, or where transformers
    is not installed.
    """
    checkpoint.need("config.json", "tokenizer.json")
    names = checkpoint.shapes()
    kinds = (known for known, start in TELLING.items() if any(name.startswith(start) for name in names))
    is_kind = next(kinds, None) if checkpoint.json().get("model_type") == "blip" else None
    if is_kind is None or kind not in (None, is_kind):
        wanted = list(DOES) if kind is None else [kind]
        raise BadInput(
            f"{checkpoint.name} is no BLIP that {' or '.join(DOES[name] for name in wanted)}",
            hint=f"one that does: {', '.join(KNOWN[name] for name in wanted)}",
        )
    need_transformers(checkpoint, "'searchkit[blip]'")
    config = corrected(checkpoint.json())
    pixels = int(config["vision_config"]["image_size"])
    square = {"size": {"height": pixels, "width": pixels}}
    preprocess = from_processor({**COLOURS, **square, **processor(checkpoint)}, pixels=pixels)
    return Blip(checkpoint, is_kind, config, where, preprocess)


def corrected(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with its omissions filled in, and the known mistakes of published ones corrected.

    >>> wrong = {"text_config": {"num_attention_heads": 8}, "vision_config": {"layer_norm_eps": 1e-5}}
    >>> right = corrected(wrong)
    >>> right["text_config"]["num_attention_heads"], right["vision_config"]["layer_norm_eps"]
    (12, 1e-06)
    >>> narrow = {"hidden_size": 64, "num_attention_heads": 8}
    >>> corrected({"text_config": narrow})["text_config"] == {**DEFAULTS, **narrow}
    True
    """
    text = {**DEFAULTS, **(config.get("text_config") or {})}
    vision = {"image_size": 384, **(config.get("vision_config") or {})}
    width, heads = BERT_BASE
    if text.get("hidden_size", width) == width and text.get("num_attention_heads", 8) == 8:
        text["num_attention_heads"] = heads
    if vision.get("layer_norm_eps", 1e-5) == 1e-5:
        vision["layer_norm_eps"] = EPS
    return {**config, "text_config": text, "vision_config": vision}
