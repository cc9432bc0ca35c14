"""A text tower: a tokenizer, a network, and batches of texts of like length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from searchkit.encoders.device import Placement, keep_freed_memory, rows
from searchkit.encoders.tokens import Tokens
from searchkit.types import TokenVectors, Vectors

BATCH_TOKENS = 8192
"""Tokens of one batch, padding included: 32 passages of 256 tokens, or one text of 8,192."""
MAX_BATCH = 64


class TextTower:
    """Encodes texts as (n, dim) unit vectors. Tokenizer and network are made when first needed.

    `network` maps (b, n) ids and (b, n) mask of 0/1, both long, to (b, dim), not normalised. With `is_mean`
    its output is the mean of its `token_vectors(ids, mask)`, (b, n, dim).
    """

    def __init__(
        self,
        tokens: Callable[[], Tokens],
        network: Callable[[], nn.Module],
        placement: Placement,
        *,
        dim: int,
        is_mean: bool = False,
    ) -> None:
        self._make_tokens, self._make_network = tokens, network
        self.placement, self.dim, self.is_mean = placement, dim, is_mean

    @cached_property
    def tokens(self) -> Tokens:
        return self._make_tokens()

    @cached_property
    def network(self) -> nn.Module:
        keep_freed_memory()
        return self._make_network().eval().to(self.placement.device, self.placement.dtype)

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self.tokens.offsets(text)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32, unit rows, in input order."""
        out = np.empty((len(texts), self.dim), np.float32)
        if not texts:
            return out
        ids = self.tokens.ids(texts)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        while order:
            chosen = self._batch(order, ids)
            out[chosen] = self._encode_batch([ids[i] for i in chosen])
            order = order[len(chosen) :]
        return out

    def _batch(self, order: Sequence[int], ids: Sequence[Sequence[int]]) -> list[int]:
        """The next texts of like length that fit one batch; `order` is from short to long."""
        if self.tokens.to_window:
            return list(order[: max(1, min(MAX_BATCH, BATCH_TOKENS // self.tokens.window))])
        count = 0
        while count < min(MAX_BATCH, len(order)) and (count + 1) * len(ids[order[count]]) <= BATCH_TOKENS:
            count += 1
        return list(order[: max(1, count)])

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The vectors and offsets of each text's tokens, as `Encoder.token_vectors`; only for `is_mean`."""
        front, behind = self.tokens.special
        room = self.tokens.window - len(front) - len(behind)
        encoded = self.tokens.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ids = [[*front, *each.ids[:room], *behind] for each in encoded]
        vectors: dict[int, np.ndarray] = {}
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        while order:
            chosen = self._batch(order, ids)
            vectors |= zip(chosen, self._token_batch([ids[i] for i in chosen]), strict=True)
            order = order[len(chosen) :]
        ends = [(len(text), len(text)) for text in texts]
        spans = [
            [*((0, 0) for _ in front), *each.offsets[:room], *(end for _ in behind)]
            for each, end in zip(encoded, ends, strict=True)
        ]
        return [TokenVectors(vectors[n], np.array(rows, np.int64)) for n, rows in enumerate(spans)]

    @torch.inference_mode()
    def _token_batch(self, ids: Sequence[Sequence[int]]) -> list[np.ndarray]:
        tokens, mask = self._batched(ids)
        vectors = self.network.token_vectors(tokens, mask)  # type: ignore[operator]
        return [row[seen == 1].cpu().numpy() for row, seen in zip(vectors, mask, strict=True)]

    @torch.inference_mode()
    def _encode_batch(self, ids: Sequence[Sequence[int]]) -> Vectors:
        pooled: Tensor = self.network(*self._batched(ids))
        return rows(pooled)

    def _batched(self, ids: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """(b, n) ids and mask on the network's device."""
        tokens, mask = self.tokens.padded(ids)
        device = self.placement.device
        return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)
