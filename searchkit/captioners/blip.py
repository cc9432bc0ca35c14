"""BLIP as a captioner: an image-grounded decoder that continues "a picture of "."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from searchkit.encoders.blip import Blip

PROMPT = "a picture of "
"""In front of every caption while it is written, and cut from it."""
NUCLEUS = 0.9
"""Words are drawn from the likeliest that have this much probability together. What is drawn is noisier than
what a beam search finds and more various, and training on it does better (BLIP, table 2)."""
SHORTEST, LONGEST = 5, 20
"""Tokens of a caption, those of the prompt included."""
REPEATED = 1.1
"""What the logit of a token is divided by (multiplied with, below 0) that is there already."""


class BlipCaptioner:
    """Pictures to some captions of each, those that come out alike once.

    They depend on the seed and on the picture, as the network sees it: not on what else is in the call, nor
    on the calls before.
    """

    def __init__(self, blip: Blip, *, captions: int, seed: int) -> None:
        self.blip, self.captions, self.seed = blip, captions, seed
        self.identity = (
            f"{blip.found.name} {blip.found.sha256[:16]}: {captions} by nucleus {NUCLEUS} of {SHORTEST} to "
            f"{LONGEST} tokens, repetition {REPEATED}, seed {seed}"
        )
        """Changes when the captions do."""
        tokens = blip.tokens(LONGEST)
        self._tokenizer = tokenizer = tokens.tokenizer
        (self._prompt,) = tokens.ids([PROMPT])  # with [CLS], which becomes [DEC], and [SEP], which is cut
        self._said = tokenizer.decode(self._prompt, skip_special_tokens=True)

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
        return caption.removeprefix(self._said).strip()

    def _seed_of(self, pixels: np.ndarray) -> int:
        digest = hashlib.sha256(f"{self.seed} ".encode() + pixels.tobytes()).digest()
        return int.from_bytes(digest[:8], "little") >> 1
