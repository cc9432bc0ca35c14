"""An image tower of MobileOne and RepMixer blocks, like MobileCLIP's: convolutions, and attention at the end,
where the picture has become small. It trains as branches and runs as single convolutions (see `reparam`).

    stem     3×3 stride 2, 3×3 depthwise stride 2, 1×1                     p → p/4
    stage    x = RepMixer(x);  x = x + γ·FFN(x)        FFN: depthwise 7×7 BN, 1×1 GELU 1×1
    between  depthwise 7×7 and 3×3 stride 2, 1×1                           half the side, more channels
    last     x = x + γ·attention(BN x);  x = x + γ·FFN(x) behind a depthwise 7×7 for positions
    end      depthwise 3×3 that doubles the channels, GELU, mean over the picture, two-layer head
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.head import two_layer_head
from searchkit.models.reparam import Branches, NormedPointwise, RepMixer, ScaledPointwise, fuse

SMALL, LARGE = (3, 3), (7, 7)


@dataclass(frozen=True, slots=True)
class RepMixerConfig:
    """The architecture as data, written beside the weights and read back."""

    pixels: int = 128
    channels: tuple[int, ...] = (48, 96, 192, 384)
    """Channels of each stage. MobileCLIP-S0 has 64, 128, 256, 512."""
    depths: tuple[int, ...] = (2, 4, 6, 2)
    """Blocks of each stage; those of the last stage are attention."""
    mlp_ratio: float = 3.0
    head_width: int = 32
    """The width of one head of attention."""
    dim: int = 384
    """The width of the output space."""
    fused: bool = False
    """Whether blocks are single convolutions: to run, not to train."""

    def __post_init__(self) -> None:
        for name in ("channels", "depths"):  # JSON and TOML have lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if len(self.channels) != len(self.depths) or len(self.channels) < 2:
            raise ValueError(
                f"{len(self.channels)} widths and {len(self.depths)} depths of two stages or more"
            )
        if self.channels[-1] % self.head_width:
            raise ValueError(f"{self.channels[-1]} channels are not heads of {self.head_width}")

    @property
    def width(self) -> int:
        """The width of the pooled trunk."""
        return 2 * self.channels[-1]


class FeedForward(nn.Sequential):
    """A depthwise convolution with BN, 1×1, GELU, and 1×1 with a layer scale: (b, c, h, w) → (b, c, h, w)."""

    def __init__(self, channels: int, kernel: tuple[int, int], mlp_ratio: float) -> None:
        hidden = int(channels * mlp_ratio)
        super().__init__(
            Branches(channels, channels, kernel, groups=channels),
            nn.Conv2d(channels, hidden, 1),
            nn.GELU(),
            ScaledPointwise(hidden, channels),
        )


class MixerBlock(nn.Module):
    """A convolutional block, (b, c, h, w) → (b, c, h, w): x = RepMixer(x), then x + FFN(x)."""

    def __init__(
        self,
        channels: int,
        mlp_ratio: float,
        *,
        mixing: tuple[int, int] = SMALL,
        feeding: tuple[int, int] = LARGE,
    ) -> None:
        super().__init__()
        # a kernel along one axis has no 1×1 branch, as in MobileCLIP's text tower
        self.mixer = RepMixer(channels, mixing, pointwise=mixing[0] > 1)
        self.feed_forward = FeedForward(channels, feeding, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mixer(x)
        out: Tensor = x + self.feed_forward(x)
        return out


class AttentionBlock(nn.Module):
    """An attention block, (b, c, h, w) → (b, c, h, w): x = x + γ·attention(BN x), then x + FFN(x)."""

    def __init__(self, channels: int, mlp_ratio: float, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.qkv = NormedPointwise(channels, 3 * channels)
        self.out = ScaledPointwise(channels, channels)
        self.feed_forward = FeedForward(channels, LARGE, mlp_ratio)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        qkv = self.qkv(x).view(b, 3, c // self.head_width, self.head_width, h * w)
        q, k, v = qkv.transpose(3, 4).unbind(1)  # each (b, heads, h·w, head_width)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(2, 3).reshape(b, c, h, w)
        x = x + self.out(attended)
        out: Tensor = x + self.feed_forward(x)
        return out


class RepMixerTower(nn.Module):
    """The image tower, (b, 3, pixels, pixels), normalised → (b, dim), not normalised."""

    def __init__(self, config: RepMixerConfig) -> None:
        super().__init__()
        self.config = config
        last = config.channels[-1]
        self.trunk = nn.Sequential(
            *_stem(config.channels[0]),
            *_stages(config),
            Branches(last, 2 * last, SMALL, groups=last, pointwise=True),
            nn.GELU(),
        )
        self.head = two_layer_head(config.width, config.dim)
        if config.fused:
            fuse(self)

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled trunk, for distillation from features: (b, 3, p, p) → (b, width)."""
        pooled: Tensor = self.trunk(pixels).mean(dim=(2, 3))
        return pooled

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(pixels))
        return out


def _stem(channels: int) -> Sequence[nn.Module]:
    return (
        Branches(3, channels, SMALL, stride=2, pointwise=True),
        nn.GELU(),
        Branches(channels, channels, SMALL, stride=2, groups=channels, pointwise=True),
        nn.GELU(),
        Branches(channels, channels, (1, 1), skip=True),
        nn.GELU(),
    )


def _stages(config: RepMixerConfig) -> Iterator[nn.Module]:
    *early, last = range(len(config.channels))
    steps = [*pairwise(config.channels), (config.channels[-1], 0)]
    for stage in early:
        before, after = steps[stage]
        for _ in range(config.depths[stage]):
            yield MixerBlock(before, config.mlp_ratio)
        yield Halving(before, after)
    yield Branches(
        config.channels[last], config.channels[last], LARGE, groups=config.channels[last], skip=True
    )
    for _ in range(config.depths[last]):
        yield AttentionBlock(config.channels[last], config.mlp_ratio, config.head_width)


class Halving(nn.Sequential):
    """Halves the sides, (b, before, h, w) → (b, after, h/2, w/2): two depthwise kernels, then a 1×1."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(
            TwoKernels(before, after),
            nn.GELU(),
            Branches(after, after, (1, 1), skip=True),
            nn.GELU(),
        )


class TwoKernels(nn.Module):
    """The sum BN(conv₇ₓ₇(x)) + BN(conv₃ₓ₃(x)) at stride 2, depthwise where the widths divide."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.large = Branches(before, after, LARGE, stride=2, groups=gcd(before, after))
        self.small = Branches(before, after, SMALL, stride=2, groups=gcd(before, after))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.large(x) + self.small(x)
        return out

    def fused(self) -> nn.Conv2d:
        conv, small = self.large.fused(), self.small.fused()
        conv.weight.data += F.pad(small.weight.data, (2, 2, 2, 2))
        conv.bias.data += small.bias.data  # type: ignore[union-attr]
        return conv
