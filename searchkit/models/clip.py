"""CLIP's and SigLIP's towers in plain torch, with the names of the published weights.

Both are pre-norm transformers and differ at the ends. CLIP reads text causally up to its end token, and the
picture by a class token. SigLIP reads all of the text and takes its last position, and pools the picture's
patches by attention with one learned query.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.embedding import Embedding


def quick_gelu(x: Tensor) -> Tensor:
    """The activation x·σ(1.702 x), with which OpenAI's weights were trained."""
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
    """The sizes of a text tower."""

    vocabulary: int
    window: int
    """The most tokens of a text."""
    dim: int
    """The width of the output."""
    end: int
    """The id of CLIP's end token, whose output is the text's; 2 means the greatest id, as in early
    configurations."""


@dataclass(frozen=True, slots=True)
class VisionConfig(Tower):
    """The sizes of an image tower."""

    pixels: int
    """The side of the picture."""
    patch: int
    """The side of a patch."""
    dim: int
    """The width of the output."""


class Attention(nn.Module):
    """Attention of (b, m, w) queries to (b, n, w) keys and values → (b, m, w)."""

    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.heads = c.heads
        self.q_proj, self.k_proj, self.v_proj = (nn.Linear(c.width, c.width) for _ in range(3))
        self.out_proj = nn.Linear(c.width, c.width)

    def forward(
        self, queries: Tensor, keys: Tensor, *, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        b, m, w = queries.shape
        q, k, v = (
            f(x).view(b, -1, self.heads, w // self.heads).transpose(1, 2)  # (b, heads, m or n, w/heads)
            for f, x in ((self.q_proj, queries), (self.k_proj, keys), (self.v_proj, keys))
        )
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(b, m, w))
        return out


class FeedForward(nn.Module):
    """Two linear layers with the activation between them, (…, w) → (…, w)."""

    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.activation = ACTIVATIONS[c.activation]
        self.fc1, self.fc2 = nn.Linear(c.width, c.hidden), nn.Linear(c.hidden, c.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.activation(self.fc1(x)))
        return out


class Layer(nn.Module):
    """A pre-norm layer: x + A(LN x), then x + F(LN x)."""

    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.layer_norm1, self.layer_norm2 = (nn.LayerNorm(c.width, eps=c.eps) for _ in range(2))
        self.self_attn, self.mlp = Attention(c), FeedForward(c)

    def forward(self, x: Tensor, causal: bool, position: Tensor | None = None) -> Tensor:
        """Runs the layer: (b, n, w) → (b, n, w), or with (b,) positions → (b, w), one position a row."""
        normal = self.layer_norm1(x)
        if position is None:
            x = x + self.self_attn(normal, normal, causal=causal)
        else:
            x = self._attended(x, normal, causal, position)
        out: Tensor = x + self.mlp(self.layer_norm2(x))
        return out

    def _attended(self, x: Tensor, normal: Tensor, causal: bool, position: Tensor) -> Tensor:
        rows, mask = torch.arange(len(x), device=x.device), None
        if causal:  # (b, 1, 1, n): the positions up to the one that is read
            mask = (torch.arange(x.shape[1], device=x.device) <= position[:, None])[:, None, None]
        out: Tensor = self.self_attn(normal[rows, position][:, None], normal, mask=mask)[:, 0]
        return x[rows, position] + out


class Layers(nn.Module):
    """The layers of a transformer, (b, n, w) → (b, n, w)."""

    def __init__(self, c: Tower) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.depth))

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        for layer in self.layers:
            x = layer(x, causal)
        return x

    def at(self, x: Tensor, position: Tensor, *, causal: bool = False) -> Tensor:
        """The output of `forward` at one position of each row: (b, n, w) and (b,) positions → (b, w).

        It leaves out five sixths of the last layer's multiplications: 7 % of a tower of 12 layers.
        """
        *layers, last = self.layers
        for layer in layers:
            x = layer(x, causal)
        out: Tensor = last(x, causal, position)
        return out


class TextEmbeddings(nn.Module):
    """Adds the vectors of tokens and positions: (b, n) ids → (b, n, width)."""

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.token_embedding = Embedding(c.vocabulary, c.width)
        self.position_embedding = Embedding(c.window, c.width)

    def forward(self, ids: Tensor) -> Tensor:
        out: Tensor = self.token_embedding(ids) + self.position_embedding.weight[: ids.shape[1]]
        return out


class PatchEmbeddings(nn.Module):
    """Patches with positions, behind a class token for CLIP: (b, 3, p, p) → (b, tokens, width)."""

    def __init__(self, c: VisionConfig, *, class_token: bool) -> None:
        super().__init__()
        tokens = (c.pixels // c.patch) ** 2
        self.patch_embedding = nn.Conv2d(3, c.width, c.patch, stride=c.patch, bias=not class_token)
        self.class_embedding = nn.Parameter(torch.empty(c.width)) if class_token else None
        self.position_embedding = Embedding(tokens + class_token, c.width)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embedding(pixels).flatten(2).transpose(1, 2)  # (b, tokens, width)
        if self.class_embedding is not None:
            x = torch.cat([self.class_embedding.expand(len(x), 1, -1), x], dim=1)
        out: Tensor = x + self.position_embedding.weight
        return out


class ClipTextModel(nn.Module):
    """Reads the end token after the last norm: (b, n) ids → (b, width).

    Attention is causal, so padding behind the end token is not seen.
    """

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.end = c.end
        self.embeddings, self.encoder = TextEmbeddings(c), Layers(c)
        self.final_layer_norm = nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, ids: Tensor) -> Tensor:
        scores = ids if self.end == 2 else (ids == self.end).int()
        position = scores.argmax(dim=-1)  # the first of several end tokens
        out: Tensor = self.final_layer_norm(self.encoder.at(self.embeddings(ids), position, causal=True))
        return out


class ClipVisionModel(nn.Module):
    """Reads the class token after the last norm: (b, 3, p, p) → (b, width)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.embeddings = PatchEmbeddings(c, class_token=True)
        self.pre_layrnorm = nn.LayerNorm(c.width, eps=c.eps)  # spelt as in the weights
        self.encoder = Layers(c)
        self.post_layernorm = nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, pixels: Tensor) -> Tensor:
        tokens = self.pre_layrnorm(self.embeddings(pixels))
        front = torch.zeros(len(tokens), dtype=torch.long, device=tokens.device)
        out: Tensor = self.post_layernorm(self.encoder.at(tokens, front))
        return out


class ClipText(nn.Module):
    """CLIP's text tower, (b, n) ids and mask → (b, dim). The mask is not used: see `ClipTextModel`."""

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.text_model = ClipTextModel(c)
        self.text_projection = nn.Linear(c.width, c.dim, bias=False)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.text_projection(self.text_model(ids))
        return out


class ClipVision(nn.Module):
    """CLIP's image tower, (b, 3, p, p) → (b, dim)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.vision_model = ClipVisionModel(c)
        self.visual_projection = nn.Linear(c.width, c.dim, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.visual_projection(self.vision_model(pixels))
        return out
