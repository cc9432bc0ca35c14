"""Pooling: one vector of a text from those of its tokens, and the small layers behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.bert import mean_pool


def cls_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The first token: (b, n, w) → (b, w)."""
    return tokens[:, 0]


def max_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The largest value of each column: (b, n, w) → (b, w)."""
    return tokens.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)


def sqrt_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The sum over the root of the length, Σ mask·token / √(Σ mask): (b, n, w) → (b, w)."""
    return mean_pool(tokens, mask) * mask.sum(1, keepdim=True).to(tokens.dtype).sqrt()


def weighted_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The mean Σ i·token_i / Σ i, with i from 1: late tokens, which see more in a decoder, weigh more."""
    return mean_pool(tokens, mask * torch.arange(1, mask.shape[1] + 1, device=mask.device))


def last_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The last token that is not padding: (b, n, w) → (b, w)."""
    last = (mask.sum(1) - 1).clamp(min=0)
    return tokens[torch.arange(len(tokens), device=tokens.device), last]


POOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cls": cls_pool,
    "max": max_pool,
    "mean": mean_pool,
    "mean_sqrt_len_tokens": sqrt_pool,
    "weightedmean": weighted_pool,
    "lasttoken": last_pool,
}
"""The pools under the names that checkpoints use, in the order in which several are joined.

Each maps (b, n, w) token vectors and a (b, n) mask of 0/1, padding behind the text, to (b, w)."""

ACTIVATIONS: dict[str, type[nn.Module]] = {
    layer.__name__: layer for layer in (nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid)
}


class Dense(nn.Module):
    """A dense layer, activation(W x + b): (b, w) → (b, v)."""

    def __init__(self, inner: int, outer: int, *, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer, bias=bias)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.linear(x.to(self.linear.weight.dtype)))
        return out


class Normalize(nn.Module):
    """Rows to unit length, (b, w) → (b, w)."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class Sentence(nn.Module):
    """A sentence encoder, (b, n) ids and mask → (b, dim).

    It is a network for tokens, its pools side by side, and the layers behind them.
    """

    def __init__(self, tokens: nn.Module, pools: Sequence[str], behind: Sequence[nn.Module]) -> None:
        super().__init__()
        self.tokens, self.pools, self.behind = tokens, tuple(pools), nn.Sequential(*behind)

    def token_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The tokens through the layers behind the pooling: (b, n, dim) float32.

        Where those are linear and the pool is the mean, the mean of these, normalised, is the text's vector.
        """
        out: Tensor = self.tokens(ids, mask).float()
        for layer in self.behind:
            out = out if isinstance(layer, Normalize) else layer(out)
        return out

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        tokens = self.tokens(ids, mask).float()  # 16 bits are too few for sums over many tokens
        pooled = torch.cat([POOLS[pool](tokens, mask) for pool in self.pools], dim=-1)
        out: Tensor = self.behind(pooled)
        return out
