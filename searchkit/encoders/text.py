"""A text tower: a tokenizer, a network, and batches of texts of like length."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from searchkit.encoders.checkpoint import following
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
        with following("tokenizer.json"):
            return self._make_tokens()

    @cached_property
    def network(self) -> nn.Module:
        keep_freed_memory()
        with following("config.json, or the weights beside it,"):
            return self._make_network().eval().to(self.placement.device, self.placement.dtype)

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self.tokens.offsets(text)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of n texts: (n, dim) float32, unit rows, in input order."""
        out = np.empty((len(texts), self.dim), np.float32)
        if not texts:
            return out
        ids = self.tokens.ids(texts)
        for chosen in self._batches(ids):
            out[chosen] = self._encode_batch([ids[row] for row in chosen])
        return out

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        """The vectors and spans of each text's tokens, as `Encoder.token_vectors`; only for `is_mean`."""
        ids, spans = self.tokens.ids_and_spans(texts)
        vectors: dict[int, np.ndarray] = {}
        for chosen in self._batches(ids):
            batch = self._token_batch([ids[row] for row in chosen])
            vectors |= zip(chosen, batch, strict=True)
        return [TokenVectors(vectors[row], span) for row, span in enumerate(spans)]

    def _batches(self, ids: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        """The rows of each batch: texts of like length, from short to long, that fit `BATCH_TOKENS`."""
        order = sorted(range(len(ids)), key=lambda row: len(ids[row]))
        while order:
            size = self._batch_size([len(ids[row]) for row in order[:MAX_BATCH]])
            yield order[:size]
            order = order[size:]

    def _batch_size(self, lengths: Sequence[int]) -> int:
        """The number of texts, of ascending lengths, that go into one batch; at least 1."""
        if self.tokens.to_window:
            return max(1, min(len(lengths), BATCH_TOKENS // self.tokens.window))
        size = 0
        while size < len(lengths) and (size + 1) * lengths[size] <= BATCH_TOKENS:
            size += 1
        return max(1, size)

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
        """The padded ids and their mask on the network's device, both (b, n)."""
        tokens, mask = self.tokens.padded(ids)
        device = self.placement.device
        return torch.from_numpy(tokens).to(device), torch.from_numpy(mask).to(device)
