"""An image tower of inverted residuals, like MobileNetV2: thin between blocks, wide inside them.

    stem     3×3 stride 2                                                       p → p/2
    block    x [+] project(depthwise(expand(x)))     1×1 ReLU, k×k ReLU, 1×1; + where the shape stays
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
    """Channels inside a block for each channel between blocks, where `expansions` says nothing."""
    expansions: tuple[int, ...] = ()
    """The expansion of each stage, in the place of `expansion`; with 1 a block has no first convolution."""
    kernels: tuple[int, ...] = ()
    """The side of each stage's depthwise kernels; () is 3 in all."""
    most: float = 0.0
    """What no activation is above: 6 is ReLU6, 0 is no bound."""
    end: int = 1280
    """Channels of the last convolution."""
    hidden: int = 0
    """The width of the head between its two layers; 0 is twice `dim`."""
    dim: int = 384
    """The width of the output space."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """What is taken off red, green and blue, each from 0 to 1, before `std` divides them."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    fused: bool = False
    """Whether blocks are single convolutions: to run, not to train."""

    def __post_init__(self) -> None:
        stages = len(self.channels)
        given = {"kernels": self.kernels or (3,) * stages}
        given["expansions"] = self.expansions or (self.expansion,) * stages
        for name in ("channels", "depths", "strides", "mean", "std", *given):  # JSON and TOML have lists
            object.__setattr__(self, name, tuple(given.get(name) or getattr(self, name)))
        if {len(getattr(self, name)) for name in ("depths", "strides", *given)} != {stages} or not stages:
            raise ValueError("channels, depths, strides, kernels and expansions: as many stages, one or more")

    @property
    def width(self) -> int:
        """The width of the pooled trunk."""
        return self.end


class InvertedResidual(nn.Module):
    """A block, (b, before, h, w) → (b, after, h/stride, w/stride)."""

    def __init__(
        self, before: int, after: int, *, stride: int, expansion: int, kernel: int, most: float
    ) -> None:
        super().__init__()
        inside = before * expansion
        self.expand = Branches(before, inside, POINT) if expansion > 1 else None
        self.depthwise = Branches(inside, inside, (kernel, kernel), stride=stride, groups=inside)
        self.project = Branches(inside, after, POINT)
        self.stays = stride == 1 and before == after
        self.most = most

    def forward(self, x: Tensor) -> Tensor:
        inside = x if self.expand is None else rectified(self.expand(x), self.most)
        inside = rectified(self.depthwise(inside), self.most)
        out: Tensor = self.project(inside)
        return x + out if self.stays else out


def rectified(x: Tensor, most: float) -> Tensor:
    """Rectifies x in its place: max(0, min(x, most)); `most` 0 is no bound."""
    return F.hardtanh(x, 0.0, most, inplace=True) if most else F.relu(x, inplace=True)


class InvertedTower(nn.Module):
    """The image tower, (b, 3, pixels, pixels), normalised → (b, dim), not normalised."""

    def __init__(self, config: InvertedConfig) -> None:
        super().__init__()
        self.config = config
        self.stem = Branches(3, config.stem, SMALL, stride=2)
        self.stages = nn.ModuleList()
        for stage in range(len(config.channels)):
            self.stages.append(nn.Sequential(*self._blocks(stage)))
        self.end = Branches(config.channels[-1], config.end, POINT)
        self.head = two_layer_head(config.width, config.dim, config.hidden)
        if config.fused:
            fuse(self)

    def _blocks(self, stage: int) -> list[InvertedResidual]:
        config = self.config
        after = config.channels[stage]
        first = config.channels[stage - 1] if stage else config.stem
        return [
            InvertedResidual(
                after if block else first,
                after,
                stride=1 if block else config.strides[stage],
                expansion=config.expansions[stage],
                kernel=config.kernels[stage],
                most=config.most,
            )
            for block in range(config.depths[stage])
        ]

    def stemmed(self, pixels: Tensor) -> Tensor:
        """The input of the first stage: (b, 3, p, p) → (b, stem, p/2, p/2)."""
        # channels last takes half the time, forward and backward
        return rectified(self.stem(pixels.contiguous(memory_format=torch.channels_last)), self.config.most)

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
        return rectified(self.end(last), self.config.most).mean(dim=(2, 3))

    def features(self, pixels: Tensor) -> Tensor:
        """The pooled trunk, for distillation from features: (b, 3, p, p) → (b, width)."""
        return self.pooled(self.maps(pixels)[-1])

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(pixels))
        return out
