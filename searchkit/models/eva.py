"""EVA02 image towers, as EVA-CLIP and Jina CLIP use them, in plain torch: rotary positions, sub-LN, SwiGLU.

    block:  x = x + γ₁ A(LN x);  x = x + γ₂ M(LN x)             γ only with layer scale
    A:      q = W_q x + b_q,  k = W_k x,  v = W_v x + b_v;  q and k of patches rotated, the class token's not
            W_o LN(softmax(q kᵀ / √d) v) + b_o
    M:      W₃ LN(silu(W₁ x + b₁) ⊙ (W₂ x + b₂)) + b₃

Modules have the names of the published weights. Patch dropout, which only training has, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import torch
import torch.nn.functional as F
from torch import Tensor, nn

THETA = 10_000.0


@dataclass(frozen=True, slots=True)
class EvaConfig:
    """The architecture of the network. The defaults are those of EVA02-CLIP-B/16."""

    pixels: int = 224
    patch: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    hidden: int = 2048
    """The inner width of the SwiGLU: rows of w1 and of w2."""
    eps: float = 1e-6
    pretrained_grid: int = 16
    """Patches along a side in training; the positions of any other grid are scaled to this one."""
    head_dim: int = 0
    """The width of the projection behind the class token; 0 without one."""
    layer_scale: bool = False
    head_bias: bool = True

    @property
    def grid(self) -> int:
        """Patches along a side of the picture."""
        return self.pixels // self.patch

    @property
    def dim(self) -> int:
        return self.head_dim or self.width


def rotary_table(config: EvaConfig) -> tuple[Tensor, Tensor]:
    """The cosines and the sines of every patch's angles, each (grid², width / heads) float32, row by row.

    The first half of a head is rotated by the patch's row, the second by its column: with m = width / heads
    / 2 and t = i / grid · pretrained_grid, by t · θ^(-2j/m) for j < m / 2, each for two neighbours.
    """
    m = config.width // config.heads // 2
    # device="cpu": the table follows from the config, so it is filled even on the device "meta"
    frequencies = THETA ** (-torch.arange(0, m, 2, dtype=torch.float32, device="cpu") / m)
    t = torch.arange(config.grid, dtype=torch.float32, device="cpu") / config.grid * config.pretrained_grid
    angles = torch.outer(t, frequencies).repeat_interleave(2, dim=1)  # (grid, m)
    down = angles[:, None, :].expand(-1, config.grid, -1)
    across = angles[None, :, :].expand(config.grid, -1, -1)
    both = torch.cat([down, across], dim=-1).reshape(config.grid**2, 2 * m)
    return both.cos(), both.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates neighbours (x₂ⱼ, x₂ⱼ₊₁) as one complex number: (…, n, d) by tables of (n, d)."""
    quarter = torch.stack([-x[..., 1::2], x[..., 0::2]], dim=-1).flatten(-2)  # times i
    return x * cos + quarter * sin


class Attention(nn.Module):
    """Attention with rotary positions and a norm before the output, (b, n, w) → (b, n, w)."""

    def __init__(self, c: EvaConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(c.width, c.width, bias=False) for _ in range(3))
        self.q_bias, self.v_bias = (nn.Parameter(torch.zeros(c.width)) for _ in range(2))
        self.inner_attn_ln = nn.LayerNorm(c.width, eps=c.eps)
        self.proj = nn.Linear(c.width, c.width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        b, n, w = x.shape
        q, k, v = (
            F.linear(x, f.weight, bias).view(b, n, self.heads, w // self.heads).transpose(1, 2)
            for f, bias in ((self.q_proj, self.q_bias), (self.k_proj, None), (self.v_proj, self.v_bias))
        )  # each (b, heads, n, w/heads)
        q, k = (torch.cat([y[:, :, :1], rotate(y[:, :, 1:], cos, sin)], dim=2) for y in (q, k))
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w)
        out: Tensor = self.proj(self.inner_attn_ln(attended))
        return out


class SwiGLU(nn.Module):
    """The feed-forward part, (b, n, w) → (b, n, w)."""

    def __init__(self, c: EvaConfig) -> None:
        super().__init__()
        self.w1, self.w2 = nn.Linear(c.width, c.hidden), nn.Linear(c.width, c.hidden)
        self.ffn_ln = nn.LayerNorm(c.hidden, eps=c.eps)
        self.w3 = nn.Linear(c.hidden, c.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.w3(self.ffn_ln(F.silu(self.w1(x)) * self.w2(x)))
        return out


class Block(nn.Module):
    """A pre-norm layer: x + γ₁ A(LN x), then x + γ₂ M(LN x)."""

    def __init__(self, c: EvaConfig) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(c.width, eps=c.eps), nn.LayerNorm(c.width, eps=c.eps)
        self.attn, self.mlp = Attention(c), SwiGLU(c)
        self.gamma_1, self.gamma_2 = (
            nn.Parameter(torch.ones(c.width)) if c.layer_scale else None for _ in range(2)
        )

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + _scaled(self.attn(self.norm1(x), cos, sin), self.gamma_1)
        return x + _scaled(self.mlp(self.norm2(x)), self.gamma_2)


def _scaled(x: Tensor, gamma: Tensor | None) -> Tensor:
    return x if gamma is None else x * gamma


class Eva(nn.Module):
    """The image tower, (b, 3, pixels, pixels), normalised → (b, width or head_dim).

    Its output is the class token after the last norm, through the head where there is one.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, config: EvaConfig) -> None:
        super().__init__()
        c = self.config = config
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, c.width, c.patch, stride=c.patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, c.width))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + c.grid**2, c.width))
        self.blocks = nn.ModuleList(Block(c) for _ in range(c.depth))
        self.norm = nn.LayerNorm(c.width, eps=c.eps)
        self.head = nn.Linear(c.width, c.head_dim, bias=c.head_bias) if c.head_dim else nn.Identity()
        cos, sin = rotary_table(c)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embed["proj"](pixels).flatten(2).transpose(1, 2)  # (b, grid², width)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1) + self.pos_embed
        for block in self.blocks:
            x = block(x, self.cos, self.sin)
        out: Tensor = self.head(self.norm(x[:, 0]))
        return out


BUFFERS = ("freqs_cos", "freqs_sin")
FUSED = "attn.qkv.weight"


def from_eva_clip(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published weights under this module's names: q, k and v apart, without the rotary tables.

    A name that is not known stays as it is, for `load_state_dict` to refuse.
    """
    kept: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.rpartition(".")[2] in BUFFERS:
            continue
        if not name.endswith(FUSED):
            kept[name] = value
            continue
        for letter, rows in zip("qkv", value.chunk(3), strict=True):  # (3 · width, width)
            kept[name.replace(FUSED, f"attn.{letter}_proj.weight")] = rows
    return kept


def eva_config(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    pixels: int | None = None,
    head_width: int = 64,
    eps: float = 1e-6,
    pretrained_grid: int = 16,
) -> EvaConfig:
    """The sizes that the published names and shapes tell. `pixels`, where given, has to agree with them.

    Raises `ValueError` naming the tensor that is missing or does not fit such a tower.
    """
    for name in ("patch_embed.proj.weight", "pos_embed", "blocks.0.mlp.w1.weight"):
        if name not in shapes:
            raise ValueError(f"{name} is missing")
    if len(shapes["patch_embed.proj.weight"]) != 4 or len(shapes["pos_embed"]) != 3:
        raise ValueError("patch_embed.proj.weight or pos_embed has too few or too many dimensions")
    width, _, patch, _ = shapes["patch_embed.proj.weight"]
    grid = isqrt(shapes["pos_embed"][1] - 1)
    if grid * grid + 1 != shapes["pos_embed"][1]:
        raise ValueError(f"pos_embed {shapes['pos_embed']} is not a class token and a square of patches")
    if pixels is not None and pixels != grid * patch:
        raise ValueError(
            f"pos_embed has {grid} patches of {patch} along a side, which are not {pixels} pixels"
        )
    if head_width % 4 or width % head_width:
        raise ValueError(f"patch_embed.proj.weight: {width} is not made of heads of {head_width}, 4 · n wide")
    return EvaConfig(
        pixels=grid * patch,
        patch=patch,
        width=width,
        depth=len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
        heads=width // head_width,
        hidden=shapes["blocks.0.mlp.w1.weight"][0],
        eps=eps,
        pretrained_grid=pretrained_grid,
        head_dim=shapes["head.weight"][0] if "head.weight" in shapes else 0,
        layer_scale="blocks.0.gamma_1" in shapes,
        head_bias="head.bias" in shapes,
    )
