"""Blocks that train as several branches and run as one convolution, since a sum of linear maps is linear.

    BN(conv(x)):  w' = w·g/√(v + ε),   b' = β − μ·g/√(v + ε)
    BN(x):        the same with w the depthwise kernel that has a 1 at its centre

MobileOne's block is a sum of such branches; RepMixer's is x + γ(mixer(x) − norm(x)), which is linear too.
`fuse` replaces each by its one convolution, folded in float64, so that they differ by rounding alone.
"""

from __future__ import annotations

from functools import reduce
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

Kernel = tuple[int, int]


@runtime_checkable
class Fusable(Protocol):
    """A module that one convolution can replace in evaluation mode."""

    def fused(self) -> nn.Conv2d:
        """The convolution that computes the same."""
        ...


class Branches(nn.Module):
    """MobileOne's block without its activation, (b, in, h, w) → (b, out, h/stride, w/stride):

        Σᵢ BNᵢ(convᵢ(x)) + BN(conv₁ₓ₁(x)) + BN(x)

    `pointwise` adds the 1×1 branch, `skip` the last one, which needs as many channels out as in and stride 1.
    """

    def __init__(
        self,
        into: int,
        out: int,
        kernel: Kernel,
        *,
        stride: int = 1,
        groups: int = 1,
        convolutions: int = 1,
        pointwise: bool = False,
        skip: bool = False,
    ) -> None:
        super().__init__()
        if skip and (into != out or stride != 1):
            raise ValueError(f"no skip from {into} to {out} channels at stride {stride}")
        self.kernel, self.stride, self.groups = kernel, stride, groups
        self.convolutions = nn.ModuleList(
            _normed(into, out, kernel, stride, groups) for _ in range(convolutions)
        )
        self.pointwise = _normed(into, out, (1, 1), stride, groups) if pointwise else None
        self.skip = nn.BatchNorm2d(into) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        branches = [*self.convolutions, self.pointwise, self.skip]
        out: Tensor = reduce(torch.add, (branch(x) for branch in branches if branch is not None))
        return out

    def folded(self) -> tuple[Tensor, Tensor]:
        """The kernel (out, in/groups, k, k) and the bias (out,), in float64, of the sum of all branches."""
        folded = [_fold(branch[0].weight, branch[1]) for branch in self.convolutions]  # type: ignore[index]
        if self.pointwise is not None:
            weight, bias = _fold(self.pointwise[0].weight, self.pointwise[1])  # type: ignore[arg-type]
            folded.append((_centred(weight, self.kernel), bias))
        if self.skip is not None:
            channels = self.skip.num_features
            folded.append(_fold(_identity(channels, self.groups, self.kernel), self.skip))
        weights, biases = zip(*folded, strict=True)
        return torch.stack(weights).sum(0), torch.stack(biases).sum(0)

    def fused(self) -> nn.Conv2d:
        return _convolution(*self.folded(), stride=self.stride, groups=self.groups)


class RepMixer(nn.Module):
    """Token mixing by a depthwise convolution, (b, c, h, w) → (b, c, h, w):

    train  y = x + γ ⊙ (BN(conv(x)) [+ BN(conv₁ₓ₁(x))] + BN(x) − BN'(x))
    fused  W = Id + γ(W_mixer − W_norm),   b = γ(b_mixer − b_norm)
    """

    def __init__(self, channels: int, kernel: Kernel, *, pointwise: bool, scale: float = 1e-5) -> None:
        super().__init__()
        self.mixer = Branches(channels, channels, kernel, groups=channels, pointwise=pointwise, skip=True)
        self.norm = nn.BatchNorm2d(channels)
        self.gamma = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.gamma[:, None, None] * (self.mixer(x) - self.norm(x))
        return out

    def fused(self) -> nn.Conv2d:
        channels, kernel = len(self.gamma), self.mixer.kernel
        weight, bias = self.mixer.folded()
        identity = _identity(channels, channels, kernel)
        norm_weight, norm_bias = _fold(identity, self.norm)
        gamma = self.gamma.detach().double()
        weight = identity.double() + gamma[:, None, None, None] * (weight - norm_weight)
        return _convolution(weight, gamma * (bias - norm_bias), groups=channels)


class NormedPointwise(nn.Module):
    """The projection of convolutional attention, conv₁ₓ₁(BN(x)), with a bias."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(into), nn.Conv2d(into, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(self.norm(x))
        return out

    def fused(self) -> nn.Conv2d:
        scale, shift = _affine(self.norm)
        weight = self.conv.weight.detach().double()
        return _convolution(
            weight * scale[None, :, None, None], _bias(self.conv) + weight[:, :, 0, 0] @ shift
        )


class ScaledPointwise(nn.Module):
    """The end of a residual branch with its layer scale, γ ⊙ conv₁ₓ₁(x)."""

    def __init__(self, into: int, out: int, scale: float = 1e-5) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, 1)
        self.gamma = nn.Parameter(torch.full((out,), scale))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.gamma[:, None, None] * self.conv(x)
        return out

    def fused(self) -> nn.Conv2d:
        gamma = self.gamma.detach().double()
        weight = gamma[:, None, None, None] * self.conv.weight.detach().double()
        return _convolution(weight, gamma * _bias(self.conv))


def fuse(network: nn.Module) -> nn.Module:
    """Replaces every fusable block of a network by its one convolution, and returns the network itself.

    It is for evaluation: a fused network no longer trains as before.
    """
    for name, child in network.named_children():
        if isinstance(child, Fusable):
            setattr(network, name, child.fused())
        else:
            fuse(child)
    return network


def _normed(into: int, out: int, kernel: Kernel, stride: int, groups: int) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    conv = nn.Conv2d(into, out, kernel, stride=stride, padding=padding, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(out))


def _affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """The scale and the shift, (c,) in float64, of a batch norm in evaluation."""
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    scale = norm.weight.detach().double() / torch.sqrt(variance.double() + norm.eps)
    return scale, norm.bias.detach().double() - mean.double() * scale


def _fold(weight: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    scale, shift = _affine(norm)
    return weight.detach().double() * scale[:, None, None, None], shift


def _centred(weight: Tensor, kernel: Kernel) -> Tensor:
    """A larger kernel with the 1×1 kernel at its centre and zeros around it."""
    rows, columns = kernel[0] // 2, kernel[1] // 2
    return nn.functional.pad(weight, (columns, columns, rows, rows))


def _identity(channels: int, groups: int, kernel: Kernel) -> Tensor:
    """The kernel of the grouped convolution that changes nothing."""
    inputs = channels // groups
    weight = torch.zeros(channels, inputs, *kernel)
    rows = torch.arange(channels)
    weight[rows, rows % inputs, kernel[0] // 2, kernel[1] // 2] = 1.0
    return weight


def _bias(conv: nn.Conv2d) -> Tensor:
    assert conv.bias is not None
    return conv.bias.detach().double()


def _convolution(weight: Tensor, bias: Tensor, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    out, inputs, *kernel = weight.shape
    conv = nn.Conv2d(
        inputs * groups,
        out,
        (kernel[0], kernel[1]),
        stride=stride,
        padding=(kernel[0] // 2, kernel[1] // 2),
        groups=groups,
    )
    conv.weight.data, conv.bias.data = weight.float(), bias.float()  # type: ignore[union-attr]
    return conv
