"""A small vision transformer with a convolutional stem, in plain torch.

The stem (stride-2 3×3 convolutions) replaces the patchify matrix: from some ten thousand training pictures a
transformer does not learn local edges by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.head import two_layer_head


@dataclass(frozen=True, slots=True)
class ViTConfig:
    """The architecture as data, written beside the weights and read back."""

    pixels: int = 128
    patch: int = 16
    width: int = 256
    depth: int = 8
    heads: int = 4
    mlp_ratio: float = 3.0
    dim: int = 384
    """The width of the output space."""

    @property
    def tokens(self) -> int:
        return (self.pixels // self.patch) ** 2


class ConvStem(nn.Module):
    """The stem, (b, 3, p, p) → (b, width, p/patch, p/patch): log2(patch) convolutions of stride 2, a 1×1."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        halvings = config.patch.bit_length() - 1
        channels = [3] + [config.width >> (halvings - i) for i in range(1, halvings + 1)]
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.GELU(),
            ]
        layers.append(nn.Conv2d(channels[-1], config.width, 1))
        self.layers = nn.Sequential(*layers)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.layers(pixels)
        return out


class Block(nn.Module):
    """A pre-norm layer: x + A(LN x), then x + M(LN x)."""

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        hidden = int(config.width * config.mlp_ratio)
        self.heads = config.heads
        self.norm1 = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.norm2 = nn.LayerNorm(config.width)
        self.fc1 = nn.Linear(config.width, hidden)
        self.fc2 = nn.Linear(hidden, config.width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, w = x.shape
        qkv = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, w // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (b, heads, n, w/heads)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w)
        x = x + self.out(attended)
        out: Tensor = x + self.fc2(F.gelu(self.fc1(self.norm2(x))))
        return out


class VisionTransformer(nn.Module):
    """The image tower, (b, 3, pixels, pixels), normalised → (b, dim), not normalised.

    It pools by the mean and has no class token.
    """

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = ConvStem(config)
        self.position = nn.Parameter(torch.randn(1, config.tokens, config.width) * 0.02)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        self.head = two_layer_head(config.width, config.dim)
        self.apply(_initialise)

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled trunk, for distillation from features: (b, 3, p, p) → (b, width)."""
        x = self.stem(pixels).flatten(2).transpose(1, 2)  # (b, tokens, width)
        x = x + self.position
        for block in self.blocks:
            x = block(x)
        pooled: Tensor = self.norm(x).mean(dim=1)
        return pooled

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(pixels))
        return out


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
