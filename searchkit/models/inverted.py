"""An image tower of inverted residuals, like MobileNetV2: thin between blocks, wide inside them.

    stem     3×3 stride 2                                                       p → p/2
    block    x [+] project(depthwise(expand(x)))     1×1 ReLU, 3×3 ReLU, 1×1; + where the shape stays
    end      1×1 ReLU, mean over the picture, two-layer head

Every convolution has a batch norm while it trains and none when it runs (see `reparam`). Convolutions learn
from some ten thousand pictures what a transformer does not, and their maps can be trained to match those of a
convolutional teacher, position by position.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.head import two_layer_head
from searchkit.models.reparam import Branches, fuse

POINT, SMALL = (1, 1), (3, 3)


@dataclass(frozen=True, slots=True)
class InvertedConfig:
    """The architecture as data, written beside the weights and read back."""

    pixels: int = 144
    stem: int = 24
    channels: tuple[int, ...] = (24, 40, 80, 112, 192)
    """Channels between the blocks of each stage."""
    depths: tuple[int, ...] = (2, 3, 4, 4, 4)
    """Blocks of each stage."""
    strides: tuple[int, ...] = (2, 2, 2, 1, 2)
    """The stride of the first block of each stage."""
    expansion: int = 4
    """Channels inside a block for each channel between blocks."""
    end: int = 1280
    """Channels of the last convolution."""
    dim: int = 384
    """The width of the output space."""
    fused: bool = False
    """Whether blocks are single convolutions: to run, not to train."""

    def __post_init__(self) -> None:
        for name in ("channels", "depths", "strides"):  # JSON and TOML have lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        lengths = {len(self.channels), len(self.depths), len(self.strides)}
        if len(lengths) != 1 or not self.channels:
            raise ValueError("channels, depths and strides are of as many stages, one or more")

    @property
    def width(self) -> int:
        """The width of the pooled trunk."""
        return self.end


class InvertedResidual(nn.Module):
    """A block, (b, before, h, w) → (b, after, h/stride, w/stride)."""

    def __init__(self, before: int, after: int, *, stride: int, expansion: int) -> None:
        super().__init__()
        inside = before * expansion
        self.expand = Branches(before, inside, POINT)
        self.depthwise = Branches(inside, inside, SMALL, stride=stride, groups=inside)
        self.project = Branches(inside, after, POINT)
        self.stays = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        inside = F.relu(self.expand(x), inplace=True)
        inside = F.relu(self.depthwise(inside), inplace=True)
        out: Tensor = self.project(inside)
        return x + out if self.stays else out


class InvertedTower(nn.Module):
    """The image tower, (b, 3, pixels, pixels), normalised → (b, dim), not normalised."""

    def __init__(self, config: InvertedConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Branches(3, config.stem, SMALL, stride=2)
        self.stages = nn.ModuleList()
        before = config.stem
        for after, depth, stride in zip(config.channels, config.depths, config.strides, strict=True):
            blocks = []
            for block in range(depth):
                blocks.append(
                    InvertedResidual(before, after, stride=1 if block else stride, expansion=config.expansion)
                )
                before = after
            self.stages.append(nn.Sequential(*blocks))
        self.end = Branches(before, config.end, POINT)
        self.head = two_layer_head(config.width, config.dim)
        if config.fused:
            fuse(self)

    def stemmed(self, pixels: Tensor) -> Tensor:
        """The input of the first stage: (b, 3, p, p) → (b, stem, p/2, p/2)."""
        # channels last takes half the time, forward and backward
        return F.relu(self.stem(pixels.contiguous(memory_format=torch.channels_last)), inplace=True)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """The maps (b, c, h, w) behind each stage, for distillation from a teacher's maps."""
        x = self.stemmed(pixels)
        maps = []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def pooled(self, last: Tensor) -> Tensor:
        """The pooled trunk of the last map: (b, c, h, w) → (b, width)."""
        return F.relu(self.end(last), inplace=True).mean(dim=(2, 3))

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled trunk, for distillation from features: (b, 3, p, p) → (b, width)."""
        return self.pooled(self.maps(pixels)[-1])

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(pixels))
        return out
