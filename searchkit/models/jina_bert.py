"""JinaBERT, the text tower of Jina CLIP 1, in plain torch: a BERT without a table of positions.

ALiBi tells where a token stands, symmetrically since nothing is causal: a score falls with the distance,

    score(i, j) = qᵢ·kⱼ / √d − sₕ |i − j|        sₕ the slope of head h

so that it reads texts far longer than those of its training. Post-norm, GEGLU feed-forward. Modules have the
names of Jina CLIP's checkpoints; `jina_layouts` reads two other layouts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.bert import mean_pool
from searchkit.models.embedding import Embedding

SCORES = 2048**2
"""The most scores of one head that are computed at once; beyond, queries go in blocks."""


@dataclass(frozen=True, slots=True)
class JinaBertConfig:
    """The architecture of the network. The defaults are those of JinaBERT base."""

    vocabulary: int = 30528
    types: int = 2
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 3072
    """The inner width of the GEGLU: half the rows of its first matrix."""
    eps: float = 1e-12
    pad: int = 0
    pooling: Literal["mean", "first"] = "mean"
    qk_norm: bool = False
    """Whether it is the network of layout B, which differs: see `Mixer`, `GEGLU` and `Layer`."""


def slopes(heads: int) -> list[float]:
    """ALiBi's slope of each head: 2^(-8/n), and its powers, for a power of two n.

    Any other number of heads takes the slopes of the power of two below, then every second one of the
    power above.

    >>> slopes(4)
    [0.25, 0.0625, 0.015625, 0.00390625]
    >>> slopes(6)
    [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]
    """
    below = 1 << (heads.bit_length() - 1)
    first = [2.0 ** (-8 * (i + 1) / below) for i in range(below)]
    return first if below == heads else first + slopes(2 * below)[0::2][: heads - below]


class Bias:
    """The bias that is added to the scores of one batch: −sₕ |i − j|, and −∞ for keys that are padding.

    Keys are in reverse, j' = n − 1 − j: the bias is then one line of 2n − 1 numbers a head, and query i reads
    n of them from i on. That is a view, and costs nothing. Written out, heads × n × n numbers would be 3 GB
    for 8,192 tokens, and a processor would spend more time on them than on the attention.
    """

    def __init__(self, heads: int, seen: Tensor, dtype: torch.dtype, scores: int = SCORES) -> None:
        batch, self.n = seen.shape
        distance = (torch.arange(2 * self.n - 1, device=seen.device) - (self.n - 1)).abs()
        slope = torch.tensor(slopes(heads), device=seen.device)
        self.line = (-slope[:, None] * distance).to(dtype)  # (heads, 2n - 1)
        self.padding: Tensor | None = None
        if not bool(seen.all()):
            hidden = torch.zeros_like(seen, dtype=dtype).masked_fill(~seen, float("-inf"))
            self.padding = hidden.flip(1)[:, None, None, :]  # (b, 1, 1, n)
        biases = 1 if self.padding is None else batch  # without padding all texts share one bias
        self.block = min(self.n, max(1, scores // (biases * self.n)))
        self.whole = self._rows(0, self.n) if self.block == self.n else None  # once, for all layers

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Slices of the queries, each with its bias of (b or 1, heads, queries, n)."""
        if self.whole is not None:
            yield slice(0, self.n), self.whole
            return
        for start in range(0, self.n, self.block):
            stop = min(self.n, start + self.block)
            yield slice(start, stop), self._rows(start, stop)

    def _rows(self, start: int, stop: int) -> Tensor:
        rows = self.line.unfold(1, self.n, 1)[None, :, start:stop]
        if self.padding is not None:
            return rows + self.padding
        # kernels for accelerators need aligned rows
        return rows if rows.device.type == "cpu" else rows.contiguous()


class Mixer(nn.Module):
    """Attention; with `qk_norm`, q and k are normalised over their whole width before they become heads."""

    def __init__(self, c: JinaBertConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.Wqkv, self.out_proj = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
        self.layer_norm_q, self.layer_norm_k = (
            nn.LayerNorm(c.width, eps=c.eps) if c.qk_norm else nn.Identity() for _ in range(2)
        )

    def forward(self, x: Tensor, bias: Bias) -> Tensor:
        b, n, w = x.shape
        q, k, v = self.Wqkv(x).chunk(3, dim=-1)
        q, k, v = (
            y.view(b, n, self.heads, w // self.heads).transpose(1, 2)  # (b, heads, n, w/heads)
            for y in (self.layer_norm_q(q), self.layer_norm_k(k).flip(1), v.flip(1))
        )
        attended = torch.cat(
            [
                F.scaled_dot_product_attention(q[:, :, block], k, v, attn_mask=added)
                for block, added in bias.blocks()
            ],
            dim=2,
        )
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(b, n, w))
        return out


class GEGLU(nn.Module):
    """The feed-forward part W₂ (gelu(h₁) ⊙ h₂) + b₂, with h = W₁ x in two halves.

    With `qk_norm`, gelu is on the second half.
    """

    def __init__(self, c: JinaBertConfig) -> None:
        super().__init__()
        self.second = c.qk_norm
        self.gated_layers = nn.Linear(c.width, 2 * c.hidden, bias=False)
        self.wo = nn.Linear(c.hidden, c.width)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.gated_layers(x).chunk(2, dim=-1)
        out: Tensor = self.wo(first * F.gelu(second) if self.second else F.gelu(first) * second)
        return out


class Layer(nn.Module):
    """A post-norm layer: x = LN(x + A(x)), then LN(x + M(x)); with `qk_norm`, LN(x + A(x)) replaces A(x)."""

    def __init__(self, c: JinaBertConfig) -> None:
        super().__init__()
        self.mixer, self.mlp = Mixer(c), GEGLU(c)
        self.norm = nn.LayerNorm(c.width, eps=c.eps) if c.qk_norm else None
        self.norm1, self.norm2 = nn.LayerNorm(c.width, eps=c.eps), nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, x: Tensor, bias: Bias) -> Tensor:
        attended = self.mixer(x, bias)
        if self.norm is not None:
            attended = self.norm(x + attended)
        x = self.norm1(x + attended)
        out: Tensor = self.norm2(x + self.mlp(x))
        return out


class JinaBert(nn.Module):
    """Pools a text by the mean of its tokens without padding, or by its first: (b, n) ids → (b, width).

    Padding is told by the ids, as in the model's own code: a "[PAD]" that is written in a text is not seen
    either. The mask that a text tower passes is not needed.
    """

    def __init__(self, config: JinaBertConfig, *, scores: int = SCORES) -> None:
        super().__init__()
        c = self.config = config
        self.scores = scores
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": Embedding(c.vocabulary, c.width),
                "token_type_embeddings": Embedding(c.types, c.width),
            }
        )
        self.emb_ln = nn.LayerNorm(c.width, eps=c.eps)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(Layer(c) for _ in range(c.depth))})

    def tokens(self, ids: Tensor) -> Tensor:
        """The vectors of all tokens: (b, n) ids → (b, n, width)."""
        kind = self.embeddings["token_type_embeddings"](torch.zeros_like(ids[:1, :1]))
        x: Tensor = self.emb_ln(self.embeddings["word_embeddings"](ids) + kind)
        bias = Bias(self.config.heads, ids != self.config.pad, x.dtype, self.scores)
        for layer in self.encoder["layers"].children():
            x = layer(x, bias)
        return x

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        seen = ids != self.config.pad
        if len(ids) > 1 and ids.numel() * ids.shape[1] > self.scores and _is_slow_to_hide(seen):
            return torch.cat(
                [self(row[None, : _length(row_seen)]) for row, row_seen in zip(ids, seen, strict=True)]
            )
        tokens = self.tokens(ids)
        if self.config.pooling == "first":
            return tokens[:, 0]
        return mean_pool(tokens.float(), seen).to(tokens.dtype)


def _is_slow_to_hide(seen: Tensor) -> bool:
    """Whether a batch has padding on a CPU, which reads long texts faster one by one: without padding their
    bias is a view."""
    return seen.device.type == "cpu" and not bool(seen.all())


def _length(seen: Tensor) -> int:
    """The number of tokens up to the last that is not padding, and at least 1."""
    return 1 + int(seen.nonzero().max()) if bool(seen.any()) else 1
