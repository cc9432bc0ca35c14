"""Our EVA02 tower against timm's, both fed the same random weights under the names EVA-CLIP publishes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from searchkit.models.eva import Eva, EvaConfig, eva_config, from_eva_clip

timm = pytest.importorskip("timm", reason="make extras")

TOLERANCE = 2e-5
"""Absolute, in fp32, of class tokens whose components are about 1."""


@dataclass(frozen=True, slots=True)
class Published:
    """A published tower, with fewer blocks."""

    timm_name: str
    pixels: int
    patch: int
    width: int
    hidden: int
    depth: int

    @property
    def heads(self) -> int:
        return self.width // 64

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """EVA-CLIP's names, and the shapes that the publication gives them."""
        w, h = self.width, self.hidden
        block: dict[str, tuple[int, ...]] = {
            **{f"norm{i}.{kind}": (w,) for i in (1, 2) for kind in ("weight", "bias")},
            **{f"attn.{letter}_proj.weight": (w, w) for letter in "qkv"},
            **{f"attn.{letter}_bias": (w,) for letter in "qv"},
            **{f"attn.inner_attn_ln.{kind}": (w,) for kind in ("weight", "bias")},
            "attn.proj.weight": (w, w),
            "attn.proj.bias": (w,),
            **{f"mlp.{name}.weight": (h, w) for name in ("w1", "w2")},
            **{f"mlp.{name}.bias": (h,) for name in ("w1", "w2")},
            **{f"mlp.ffn_ln.{kind}": (h,) for kind in ("weight", "bias")},
            "mlp.w3.weight": (w, h),
            "mlp.w3.bias": (w,),
        }
        return {
            "cls_token": (1, 1, w),
            "pos_embed": (1, 1 + (self.pixels // self.patch) ** 2, w),
            "patch_embed.proj.weight": (w, 3, self.patch, self.patch),
            "patch_embed.proj.bias": (w,),
            **{f"blocks.{i}.{name}": shape for i in range(self.depth) for name, shape in block.items()},
            "norm.weight": (w,),
            "norm.bias": (w,),
        }

    def weights(self) -> dict[str, Tensor]:
        """Scaled so that every part counts: attention is far from even, norms are far from the identity."""
        torch.manual_seed(self.pixels)
        return {name: _weight(name, shape) for name, shape in self.shapes().items()}


def _weight(name: str, shape: tuple[int, ...]) -> Tensor:
    if name.endswith((".bias", "_bias")):
        return 0.3 * torch.randn(shape)
    if len(shape) == 1:  # a norm's
        return 1 + 0.3 * torch.randn(shape)
    if name in ("cls_token", "pos_embed"):
        return 0.5 * torch.randn(shape)
    inputs = torch.Size(shape[1:]).numel()
    gain = 2.0 if "q_proj" in name or "k_proj" in name else 1.0
    return gain * torch.randn(shape) / inputs**0.5


BASE = Published("eva02_base_patch16_clip_224", pixels=224, patch=16, width=768, hidden=2048, depth=3)
# 36 patches of 14 are 504 pixels: the last eight rows and columns are not looked at
LARGE = Published("eva02_large_patch14_clip_224", pixels=512, patch=14, width=1024, hidden=2730, depth=2)


@dataclass(frozen=True, slots=True)
class Case:
    published: Published
    weights: Mapping[str, Tensor]
    pixels: Tensor
    theirs: Tensor
    """(2, width): timm's class tokens."""


def made(published: Published) -> Case:
    weights = published.weights()
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, published.pixels, published.pixels)
    return Case(published, weights, pixels, _run(timm_tower(published, weights), pixels))


@pytest.fixture(scope="module")
def base() -> Case:
    return made(BASE)


def timm_tower(published: Published, weights: Mapping[str, Tensor]) -> nn.Module:
    from timm.models.eva import checkpoint_filter_fn

    network: nn.Module = timm.create_model(
        published.timm_name, img_size=published.pixels, depth=published.depth, num_classes=0
    )
    network.load_state_dict(checkpoint_filter_fn(dict(weights), network), strict=True)
    return network


def our_tower(config: EvaConfig, weights: Mapping[str, Tensor]) -> Eva:
    network = Eva(config)
    network.load_state_dict(from_eva_clip(weights), strict=True)
    return network


@torch.inference_mode()
def _run(network: nn.Module, pixels: Tensor) -> Tensor:
    out: Tensor = network.eval()(pixels)
    return out


def _config(published: Published) -> EvaConfig:
    return eva_config(published.shapes())


def _distance(one: Tensor, other: Tensor) -> float:
    return float((one - other).abs().max())


@pytest.mark.parametrize("published", [BASE, LARGE], ids=["base-224", "large-512"])
def test_the_class_token_is_timms(published: Published) -> None:
    case = made(published)
    ours = _run(our_tower(_config(case.published), case.weights), case.pixels)
    assert _distance(ours[0], ours[1]) > 0.1  # it depends on the picture
    assert ours.shape == case.theirs.shape and case.theirs.abs().max() > 1
    assert _distance(ours, case.theirs) <= TOLERANCE


@pytest.mark.parametrize(
    "name",
    [
        "pos_embed",
        "blocks.0.attn.q_bias",
        "blocks.0.attn.inner_attn_ln.weight",
        "blocks.1.mlp.ffn_ln.bias",
        "blocks.1.mlp.w2.weight",
    ],
)
def test_one_wrong_weight_is_seen(base: Case, name: str) -> None:
    wrong = {**base.weights, name: base.weights[name].roll(1, -1)}
    ours = _run(our_tower(_config(base.published), wrong), base.pixels[:1])
    assert _distance(ours, base.theirs[:1]) > 100 * TOLERANCE


@pytest.mark.parametrize("change", [{"pretrained_grid": 14}, {"eps": 1e-2}])
def test_another_formula_is_seen(base: Case, change: dict[str, float]) -> None:
    config = replace(_config(base.published), **change)
    ours = _run(our_tower(config, base.weights), base.pixels[:1])
    assert _distance(ours, base.theirs[:1]) > 100 * TOLERANCE


def test_gates_and_values_of_the_mlp_are_not_interchangeable(base: Case) -> None:
    swapped = {
        name.replace(".w1.", ".w0.").replace(".w2.", ".w1.").replace(".w0.", ".w2."): value
        for name, value in base.weights.items()
    }
    ours = _run(our_tower(_config(base.published), swapped), base.pixels[:1])
    assert _distance(ours, base.theirs[:1]) > 100 * TOLERANCE
