"""MobileCLIP's small text tower (MCt) in plain torch: pre-norm attention between two blocks that mix
neighbouring tokens by a convolution, which costs next to nothing at inference. Its output is read at the end
of the text, or as the mean of the tokens.

    x = words + positions;  x = mixer(x);  x = x + A(LN x);  x = x + F(LN x);  …;  x = mixer(x);  y = W·LN x
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.bert import mean_pool
from searchkit.models.reparam import fuse
from searchkit.models.repmixer import MixerBlock


@dataclass(frozen=True, slots=True)
class TextRepMixerConfig:
    """The architecture as data. The defaults are MobileCLIP-S0's: 42.4 M parameters, 25.3 M of them words."""

    vocabulary: int = 49408
    window: int = 77
    width: int = 512
    attention: int = 4
    """The number of transformer layers, between one convolutional block in front and one behind."""
    heads: int = 8
    mlp_ratio: float = 4.0
    kernel: int = 11
    """The number of tokens that a convolution sees."""
    dim: int = 512
    pool: Literal["end", "mean"] = "end"
    fused: bool = False


class Layer(nn.Module):
    """A pre-norm layer: x + A(LN x), then x + F(LN x)."""

    def __init__(self, c: TextRepMixerConfig) -> None:
        super().__init__()
        hidden = int(c.width * c.mlp_ratio)
        self.heads = c.heads
        self.norm1, self.norm2 = nn.LayerNorm(c.width), nn.LayerNorm(c.width)
        self.qkv, self.out = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)
        self.fc1, self.fc2 = nn.Linear(c.width, hidden), nn.Linear(hidden, c.width)

    def forward(self, x: Tensor, seen: Tensor) -> Tensor:
        b, n, w = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, w // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (b, heads, n, w/heads)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=seen)
        x = x + self.out(attended.transpose(1, 2).reshape(b, n, w))
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out


class TextRepMixer(nn.Module):
    """The text tower, (b, n) ids and mask of 0/1, padding behind the text → (b, dim), not normalised.

    A convolution sees padding as zero, like everything beyond the end of the text: a text has the same vector
    however far it is padded.
    """

    def __init__(self, config: TextRepMixerConfig) -> None:
        super().__init__()
        c = self.config = config
        self.words = nn.Embedding(c.vocabulary, c.width)
        self.position = nn.Parameter(torch.randn(c.window, c.width) * 0.01)
        kernel = (1, c.kernel)
        self.first, self.last = (
            MixerBlock(c.width, c.mlp_ratio, mixing=kernel, feeding=kernel) for _ in range(2)
        )
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.attention))
        self.norm = nn.LayerNorm(c.width)
        self.projection = nn.Linear(c.width, c.dim, bias=False)
        nn.init.normal_(self.words.weight, std=0.02)
        if c.fused:
            fuse(self)

    def token_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The tokens behind the last norm: (b, n, width)."""
        here = mask[..., None].to(self.position.dtype)  # (b, n, 1)
        x = self.words(ids) + self.position[: ids.shape[1]]
        x = _along(self.first, x, here)
        seen = mask.bool()[:, None, None, :]
        for layer in self.layers:
            x = layer(x, seen)
        out: Tensor = self.norm(_along(self.last, x, here))
        return out

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        tokens = self.token_vectors(ids, mask)
        if self.config.pool == "mean":
            pooled = mean_pool(tokens, mask)
        else:
            pooled = tokens[torch.arange(len(ids), device=ids.device), mask.sum(1) - 1]
        out: Tensor = self.projection(pooled)
        return out


def _along(block: MixerBlock, x: Tensor, here: Tensor) -> Tensor:
    """A convolutional block along the tokens, (b, n, w) → (b, n, w), which sees padding as zero."""
    row = here.transpose(1, 2).unsqueeze(2)  # (b, 1, 1, n)
    y = (x * here).transpose(1, 2).unsqueeze(2)  # (b, w, 1, n)
    y = block.mixer(y) * row
    y = y + block.feed_forward(y)
    out: Tensor = y.squeeze(2).transpose(1, 2)
    return out
