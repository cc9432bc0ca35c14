"""BLIP as a captioner: a decoder that looks at the picture and continues "a picture of "."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from searchkit.encoders.blip import Blip

PROMPT = "a picture of "
"""Precedes every caption while it is written, and is cut from it."""
NUCLEUS = 0.9
"""Each word is drawn from the likeliest ones that have this much probability together (nucleus sampling).

The captions are noisier and more diverse than those of a beam search, and training on them does better (BLIP,
table 2)."""
SHORTEST, LONGEST = 5, 20
"""The fewest and the most tokens of a caption, those of the prompt included."""
REPEATED = 1.1
"""Divides the logit of a token that is there already (multiplies one below 0)."""


class BlipCaptioner:
    """Writes up to `captions` different captions of each picture.

    They depend on the seed and on the picture, as the network sees it: not on the other pictures of a call,
    nor on the calls before.
    """

    def __init__(self, blip: Blip, *, captions: int, seed: int) -> None:
        self.blip, self.captions, self.seed = blip, captions, seed
        self.identity = (
            f"{blip.checkpoint.name} {blip.checkpoint.sha256[:16]}: {captions} by nucleus {NUCLEUS} of "
            f"{SHORTEST} to {LONGEST} tokens, repetition {REPEATED}, seed {seed}"
        )
        """Changes when the captions do."""
        tokens = blip.tokens(LONGEST)
        self._tokenizer = tokenizer = tokens.tokenizer
        (self._prompt,) = tokens.ids([PROMPT])  # with [CLS], which becomes [DEC], and [SEP], which is cut
        self._prefix = tokenizer.decode(self._prompt, skip_special_tokens=True)

    def __call__(self, pictures: Sequence[Image.Image]) -> list[list[str]]:
        return [self._captions(self.blip.preprocess(picture)) for picture in pictures]

    @torch.inference_mode()
    def _captions(self, pixels: np.ndarray) -> list[str]:
        blip = self.blip
        ids = torch.tensor([self._prompt], device=blip.where.device)
        with torch.random.fork_rng([blip.where.device] if blip.where.device.type == "cuda" else []):
            torch.manual_seed(self._seed_of(pixels))
            written = blip.network.generate(
                pixel_values=blip.normal([pixels]),
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                num_beams=1,
                temperature=1.0,
                top_p=NUCLEUS,
                top_k=0,
                num_return_sequences=self.captions,
                min_length=SHORTEST,
                max_length=LONGEST,
                repetition_penalty=REPEATED,
            )
        whole = self._tokenizer.decode_batch(written.tolist(), skip_special_tokens=True)
        return [text for text in dict.fromkeys(map(self._cut, whole)) if text]

    def _cut(self, caption: str) -> str:
        return caption.removeprefix(self._prefix).strip()

    def _seed_of(self, pixels: np.ndarray) -> int:
        digest = hashlib.sha256(f"{self.seed} ".encode() + pixels.tobytes()).digest()
        return int.from_bytes(digest[:8], "little") >> 1
