"""BLIP in transformers' form: what the checkpoints that write captions and those that match texts with
pictures have in common. The network is transformers' own, pictures and texts go into it by our own rules."""

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
"""How the tensors of the two begin that the other has not."""
KNOWN = {CAPTIONING: "Salesforce/blip-image-captioning-base", MATCHING: "Salesforce/blip-itm-base-coco"}
DOES = {CAPTIONING: "writes captions", MATCHING: "matches texts with pictures"}

EPS = 1e-6
"""Of the image tower's layer norms, in the code that trained the published weights. transformers takes 1e-5,
which their config.json files repeat; that moves the logits by 3e-4."""
BERT_BASE = 768, 12
"""Width and heads of the text network of all published weights. transformers takes 8 heads where no number is
given, as it did when it wrote config.json files for these; the shapes of the weights do not tell."""

DEFAULTS = {"vocab_size": 30524, "bos_token_id": 30522, "pad_token_id": 0}
"""Of the text network."""


@dataclass(frozen=True)
class Blip:
    """One checkpoint, of which no weights are read yet."""

    found: Checkpoint
    kind: str
    """`CAPTIONING` or `MATCHING`."""
    config: Mapping[str, Any]
    where: Placement
    preprocess: Preprocess

    @cached_property
    def network(self) -> Any:
        """Raises `BadInput` for tensors that are left over, missing or of another shape."""
        keep_freed_memory()
        with building(self.found) as transformers:
            network, info = getattr(transformers, self.kind).from_pretrained(
                self.found.folder,
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
        account(self.found.name, have, want)  # of shapes it is strict
        return network.eval().to(self.where.device)

    def tokens(self, window: int, clean: Callable[[str], str] | None = None) -> Tokens:
        tokenizer = read_tokenizer(self.found)
        text = self.config["text_config"]
        if tokenizer.get_vocab_size() > text["vocab_size"]:
            raise BadInput(f"{self.found.name}: the tokenizer is not that of the network", hint=AGAIN)
        return Tokens(tokenizer, window, pad=int(text["pad_token_id"]), clean=clean)

    def normal(self, pixels: Sequence[np.ndarray]) -> Tensor:
        """n results of `preprocess` → (n, 3, p, p) as the network reads them."""
        batch = torch.from_numpy(np.stack(pixels)).to(self.where.device)
        return self.preprocess.normalise(batch).to(self.where.dtype)


def read_blip(found: Checkpoint, where: Placement, kind: str | None = None) -> Blip:
    """A checkpoint of that kind, or of either.

    Raises `BadInput` for another; `ModelMissing` for a file that is not there, and where transformers is not
    installed.
    """
    found.need("config.json", "tokenizer.json")
    names = found.shapes()
    said = (one for one, start in TELLING.items() if any(name.startswith(start) for name in names))
    is_kind = next(said, None) if found.json().get("model_type") == "blip" else None
    if is_kind is None or kind not in (None, is_kind):
        wanted = list(DOES) if kind is None else [kind]
        raise BadInput(
            f"{found.name} is no BLIP that {' or '.join(DOES[one] for one in wanted)}",
            hint=f"one that does: {', '.join(KNOWN[one] for one in wanted)}",
        )
    need_transformers(found, "'searchkit[blip]'")
    config = corrected(found.json())
    pixels = int(config["vision_config"]["image_size"])
    square = {"size": {"height": pixels, "width": pixels}}
    preprocess = from_processor({**COLOURS, **square, **processor(found)}, pixels=pixels)
    return Blip(found, is_kind, config, where, preprocess)


def corrected(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with what it leaves out, and with what is known to be wrong in those of the published
    weights put right.

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
