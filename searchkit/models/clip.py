"""CLIP's and SigLIP's towers in plain torch, with the names of the published weights.

Both are pre-norm transformers and differ at the ends: CLIP reads text causally up to its end mark and
takes a class token of the picture; SigLIP reads all of the text, takes the last place of it, and pools the
picture's patches by one learned question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def quick_gelu(x: Tensor) -> Tensor:
    """x·σ(1.702 x): what OpenAI's weights were trained with."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "quick_gelu": quick_gelu,
    "gelu": F.gelu,
    "gelu_pytorch_tanh": partial(F.gelu, approximate="tanh"),
}


@dataclass(frozen=True, slots=True)
class Tower:
    """The sizes of one transformer."""

    width: int
    hidden: int
    depth: int
    heads: int
    eps: float
    activation: str


@dataclass(frozen=True, slots=True)
class TextConfig(Tower):
    vocabulary: int
    window: int
    dim: int
    """Of the output."""
    end: int
    """CLIP: the id of the end mark, where the text is read off; 2 means the greatest id, as in early
    configurations."""


@dataclass(frozen=True, slots=True)
class VisionConfig(Tower):
    pixels: int
    patch: int
    dim: int


class Attention(nn.Module):
    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.heads = c.heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(c.width, c.width) for _ in range(3))
        self.out_proj = nn.Linear(c.width, c.width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        b, n, w = x.shape
        q, k, v = (
            f(x).view(b, n, self.heads, w // self.heads).transpose(1, 2)  # (b, heads, n, w/heads)
            for f in (self.q_proj, self.k_proj, self.v_proj)
        )
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(b, n, w))
        return out


class FeedForward(nn.Module):
    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[c.activation]
        self.fc1, self.fc2 = nn.Linear(c.width, c.hidden), nn.Linear(c.hidden, c.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.activation(self.fc1(x)))
        return out


class Layer(nn.Module):
    """Pre-norm: x + A(LN x), then x + F(LN x)."""

    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = (nn.LayerNorm(c.width, eps=c.eps) for _ in range(2))
        self.self_attn, self.mlp = Attention(c), FeedForward(c)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        x = x + self.self_attn(self.layer_norm1(x), causal)
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out


class Layers(nn.Module):
    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.depth))

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        for layer in self.layers:
            x = layer(x, causal)
        return x


class TextEmbeddings(nn.Module):
    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(c.vocabulary, c.width)
        self.position_embedding = nn.Embedding(c.window, c.width)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return out


class PatchEmbeddings(nn.Module):
    """(b, 3, p, p) → (b, tokens, width): a matrix a patch, a class token in front (CLIP), positions added."""

    def __init__(self, c: VisionConfig, *, class_token: bool) -> None:
        super().__init__()
        tokens = (c.pixels // c.patch) ** 2
        self.patch_embedding = nn.Conv2d(3, c.width, c.patch, stride=c.patch, bias=not class_token)
        self.class_embedding = nn.Parameter(torch.empty(c.width)) if class_token else None
        self.position_embedding = nn.Embedding(tokens + class_token, c.width)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (b, tokens, width)
        if self.class_embedding is not None:
            x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        out: Tensor = x + self.position_embedding.weight
        return out


class ClipTextModel(nn.Module):
    """(b, n) ids → (b, width): the place of the end mark, after the last norm. Causal, so that padding
    behind the mark is not seen."""

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.end = c.end
        self.embeddings, self.encoder = TextEmbeddings(c), Layers(c)
        self.final_layer_norm = nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, ids: Tensor) -> Tensor:
        tokens = self.encoder(self.embeddings(ids), causal=True)
        marks = ids if self.end == 2 else (ids == self.end).int()
        picked = tokens[torch.arange(len(ids), device=ids.device), marks.argmax(dim=-1)]  # the first of them
        out: Tensor = self.final_layer_norm(picked)
        return out


class ClipVisionModel(nn.Module):
    """(b, 3, p, p) → (b, width): the class token, after the last norm."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.embeddings = PatchEmbeddings(c, class_token=True)
        self.pre_layrnorm = nn.LayerNorm(c.width, eps=c.eps)  # so it is spelt in the weights
        self.encoder = Layers(c)
        self.post_layernorm = nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.encoder(self.pre_layrnorm(self.embeddings(pixels)))
        out: Tensor = self.post_layernorm(tokens[:, 0])
        return out


class ClipText(nn.Module):
    """(b, n) ids and mask → (b, dim). The mask is not needed: see `ClipTextModel`."""

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.text_model = ClipTextModel(c)
        self.text_projection = nn.Linear(c.width, c.dim, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.text_projection(self.text_model(ids))
        return out


class ClipVision(nn.Module):
    """(b, 3, p, p) → (b, dim)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.vision_model = ClipVisionModel(c)
        self.visual_projection = nn.Linear(c.width, c.dim, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.visual_projection(self.vision_model(pixels))
        return out
