"""BLIP as an image–text matcher: how well a text fits a picture, read together and compared as vectors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import normalize

from searchkit.encoders.blip import Blip
from searchkit.encoders.checkpoint import AGAIN
from searchkit.errors import BadInput

WORDS, WINDOW = 50, 35
"""The most words of a text, then the most tokens, special ones included."""
ENC = "[ENC]"
"""The token in place of [CLS] where a text is read together with a picture."""
BATCH = 16
"""Pictures that go through the network together."""


@dataclass(frozen=True, slots=True)
class Judged:
    """The judgement of a matcher on n texts about one picture."""

    logits: np.ndarray
    """The logits of "does not fit" and "fits": (n, 2) float32."""
    similarity: np.ndarray
    """The cosines of text and picture, each encoded by itself: (n,) float32."""

    @property
    def scores(self) -> np.ndarray:
        """The scores that BLIP ranks by, logits[:, 1] + similarity: (n,) float32."""
        scores: np.ndarray = self.logits[:, 1] + self.similarity
        return scores

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities that a text fits, softmax(logits)[:, 1]: (n,) float64.

        >>> Judged(np.array([[0, 0], [-50, 50]], np.float32), np.zeros(2, np.float32)).probabilities.tolist()
        [0.5, 1.0]
        """
        no, yes = self.logits.T.astype(np.float64)
        probabilities: np.ndarray = 1 / (1 + np.exp(no - yes))
        return probabilities


class BlipMatcher:
    """Judges each pair of a picture and a text, whatever the other pairs are."""

    def __init__(self, blip: Blip) -> None:
        self.blip, self.name = blip, blip.checkpoint.name
        self.preprocess, self.pixels = blip.preprocess, blip.preprocess.pixels
        self._tokens = blip.tokens(WINDOW, clean)
        text = blip.config["text_config"]
        listed = self._tokens.tokenizer.token_to_id(ENC)  # by few files
        self._enc = int(text["bos_token_id"]) + 1 if listed is None else listed
        if self._enc >= text["vocab_size"]:
            raise BadInput(f"{self.name} has no token {ENC}", hint=AGAIN)

    def __call__(self, pixels: Sequence[np.ndarray], texts: Sequence[Sequence[str]]) -> list[Judged]:
        """The judgement on the texts of each picture; `pixels` are results of `preprocess`.

        Raises `BadInput` where the dtype is too narrow for finite scores.
        """
        return [
            judged
            for start in range(0, len(pixels), BATCH)
            for judged in self._batch(pixels[start : start + BATCH], texts[start : start + BATCH])
        ]

    @torch.inference_mode()
    def _batch(self, pixels: Sequence[np.ndarray], texts: Sequence[Sequence[str]]) -> list[Judged]:
        network, device = self.blip.network, self.blip.where.device
        seen = network.vision_model(pixel_values=self.blip.normal(pixels)).last_hidden_state  # (b, places, w)
        counts = [len(group) for group in texts]
        flat = [text for group in texts for text in group]
        if not flat:
            return [Judged(np.empty((0, 2), np.float32), np.empty(0, np.float32)) for _ in texts]
        of = torch.from_numpy(np.repeat(np.arange(len(texts)), counts)).to(device)  # (n,) rows of `pixels`
        padded = self._tokens.padded(self._tokens.ids(flat))
        ids, mask = (torch.from_numpy(array).to(device) for array in padded)
        alone = network.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        pictures = normalize(network.vision_proj(seen[:, 0]).float(), dim=-1)
        cosines = (normalize(network.text_proj(alone[:, 0]).float(), dim=-1) * pictures[of]).sum(dim=-1)
        ids[:, 0] = self._enc
        places = torch.ones(len(flat), seen.shape[1], dtype=torch.long, device=device)
        together = network.text_encoder(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=seen[of], encoder_attention_mask=places
        ).last_hidden_state
        logits = network.itm_head(together[:, 0]).float()
        if not (logits.isfinite().all() and cosines.isfinite().all()):
            raise BadInput(f"{self.name} gives no finite scores in this dtype", hint="--dtype float32")
        ends = np.cumsum(counts)[:-1]
        parts = np.split(logits.cpu().numpy(), ends), np.split(cosines.cpu().numpy(), ends)
        return [Judged(*part) for part in zip(*parts, strict=True)]


def clean(text: str) -> str:
    """The text cleaned as the captions were that BLIP was trained on.

    >>> clean('  A Dog: "on" the BEACH!!  #fun ')
    'a dog on the beach fun'
    """
    return " ".join(re.sub(r'[.!"*#:;~]', " ", text.lower()).split()[:WORDS])
