"""BLIP as an image–text matcher: how well a text fits a picture, looked at together and side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from searchkit.encoders.blip import Blip
from searchkit.encoders.checkpoint import AGAIN
from searchkit.errors import BadInput

WORDS, WINDOW = 50, 35
"""Of a text: words, then tokens, special ones included."""
ENC = "[ENC]"
"""The token in place of [CLS] where a text is read together with a picture."""
BATCH = 16
"""Pictures at a time."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a matcher says of n texts about one picture."""

    logits: np.ndarray
    """(n, 2) float32: does not fit, fits."""
    similarity: np.ndarray
    """(n,) float32 cosines of text and picture, each read by itself."""

    @property
    def scores(self) -> np.ndarray:
        """(n,) logits[:, 1] + similarity: what BLIP ranks by."""
        found: np.ndarray = self.logits[:, 1] + self.similarity
        return found

    @property
    def probabilities(self) -> np.ndarray:
        """(n,) softmax(logits)[:, 1], that the text fits.

        >>> Judged(np.array([[0, 0], [-50, 50]], np.float32), np.zeros(2, np.float32)).probabilities.tolist()
        [0.5, 1.0]
        """
        against, for_it = self.logits.T.astype(np.float64)
        found: np.ndarray = 1 / (1 + np.exp(against - for_it))
        return found


class BlipMatcher:
    """Texts and pictures to what the network says of each pair, whatever the other pairs are."""

    def __init__(self, blip: Blip) -> None:
        self.blip, self.name = blip, blip.found.name
        self.preprocess, self.pixels = blip.preprocess, blip.preprocess.pixels
        self._tokens = blip.tokens(WINDOW, clean)
        text = blip.config["text_config"]
        known = self._tokens.tokenizer.token_to_id(ENC)
        self._enc = int(text["bos_token_id"]) + 1 if known is None else known  # most files do not list it
        if self._enc >= text["vocab_size"]:
            raise BadInput(f"{self.name} has no token {ENC}", hint=AGAIN)

    def __call__(self, pixels: Sequence[np.ndarray], texts: Sequence[Sequence[str]]) -> list[Judged]:
        """`pixels` are results of `preprocess`; of each picture, what is said of its texts.

        Raises `BadInput` where numbers are too small for the network.
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
        of = torch.tensor([n for n, some in enumerate(texts) for _ in some], dtype=torch.long, device=device)
        said = [text for some in texts for text in some]
        if not said:
            return [Judged(np.empty((0, 2), np.float32), np.empty(0, np.float32)) for _ in texts]
        ids, mask = self._padded(said)
        alone = network.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        pictures = normalize(network.vision_proj(seen[:, 0]).float(), dim=-1)
        cosines = (normalize(network.text_proj(alone[:, 0]).float(), dim=-1) * pictures[of]).sum(dim=-1)
        ids[:, 0] = self._enc
        places = torch.ones(len(said), seen.shape[1], dtype=torch.long, device=device)
        together = network.text_encoder(
            input_ids=ids, attention_mask=mask, encoder_hidden_states=seen[of], encoder_attention_mask=places
        ).last_hidden_state
        logits = network.itm_head(together[:, 0]).float()
        if not (logits.isfinite().all() and cosines.isfinite().all()):
            raise BadInput(f"{self.name} gives no finite scores in this dtype", hint="--dtype float32")
        ends = np.cumsum([len(some) for some in texts])[:-1]
        parts = np.split(logits.cpu().numpy(), ends), np.split(cosines.cpu().numpy(), ends)
        return [Judged(*one) for one in zip(*parts, strict=True)]

    def _padded(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(n, longest) ids, and a mask of 0/1."""
        ids = self._tokens.ids(texts)
        longest = max(map(len, ids))
        padded = [[*one, *[self._tokens.pad] * (longest - len(one))] for one in ids]
        mask = [[1] * len(one) + [0] * (longest - len(one)) for one in ids]
        device = self.blip.where.device
        return torch.tensor(padded, device=device), torch.tensor(mask, device=device)


def clean(text: str) -> str:
    """As BLIP's captions were before it read them.

    >>> clean('  A Dog: "on" the BEACH!!  #fun ')
    'a dog on the beach fun'
    """
    return " ".join(re.sub(r'[.!"*#:;~]', " ", text.lower()).split()[:WORDS])
