"""From the vectors of a text's tokens to one vector: pooling, and small layers behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.bert import mean_pool


def cls_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The first token."""
    return tokens[:, 0]


def max_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """Of each column the largest value."""
    return tokens.masked_fill(mask.unsqueeze(-1) == 0, float("-inf")).amax(1)


def sqrt_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """Σ mask·token / √(Σ mask)"""
    return mean_pool(tokens, mask) * mask.sum(1, keepdim=True).to(tokens.dtype).sqrt()


def weighted_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """Σ i·token_i / Σ i, with i from 1: late tokens, which have seen more in a decoder, weigh more."""
    return mean_pool(tokens, mask * torch.arange(1, mask.shape[1] + 1, device=mask.device))


def last_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The last token that is not padding."""
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
"""(b, n, w) token vectors and (b, n) mask of 0/1, padding behind the text → (b, w). In the order in which
several are joined, under the names that checkpoints use."""

ACTIVATIONS: dict[str, type[nn.Module]] = {
    each.__name__: each for each in (nn.Identity, nn.Tanh, nn.ReLU, nn.GELU, nn.SiLU, nn.Sigmoid)
}


class Dense(nn.Module):
    """(b, w) → (b, v): activation(W x + b)."""

    def __init__(self, inner: int, outer: int, *, bias: bool, activation: str) -> None:
        super().__init__()
        self.linear = nn.Linear(inner, outer, bias=bias)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.linear(x.to(self.linear.weight.dtype)))
        return out


class Normalize(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class Sentence(nn.Module):
    """(b, n) ids and mask → (b, dim): the tokens' network, its pools side by side, and what comes behind."""

    def __init__(self, tokens: nn.Module, pools: Sequence[str], behind: Sequence[nn.Module]) -> None:
        super().__init__()
        self.tokens, self.pools, self.behind = tokens, tuple(pools), nn.Sequential(*behind)

    def token_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """(b, n, dim): the tokens through the layers behind the pooling. Where those are linear and the pool
        is the mean, the mean of these is the text's vector, but for its length."""
        out: Tensor = self.tokens(ids, mask).float()
        for layer in self.behind:
            out = out if isinstance(layer, Normalize) else layer(out)
        return out

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        tokens = self.tokens(ids, mask).float()  # sums over many tokens are not for 16 bits
        pooled = torch.cat([POOLS[pool](tokens, mask) for pool in self.pools], dim=-1)
        out: Tensor = self.behind(pooled)
        return out
