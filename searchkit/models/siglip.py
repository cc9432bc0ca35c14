"""SigLIP's towers in plain torch: CLIP's transformer with other ends, under the names of the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from searchkit.models.clip import (
    FeedForward,
    Layers,
    PatchEmbeddings,
    TextConfig,
    TextEmbeddings,
    VisionConfig,
)


class SiglipTextModel(nn.Module):
    """Reads the last position, which sees the text and its padding: (b, window) ids → (b, dim).

    It was trained without a mask on texts padded to the window, so it has to be run so.
    """

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.embeddings, self.encoder = TextEmbeddings(c), Layers(c)
        self.final_layer_norm = nn.LayerNorm(c.width, eps=c.eps)
        self.head = nn.Linear(c.width, c.dim)

    def forward(self, ids: Tensor) -> Tensor:
        last = torch.full((len(ids),), ids.shape[1] - 1, device=ids.device)
        out: Tensor = self.head(self.final_layer_norm(self.encoder.at(self.embeddings(ids), last)))
        return out


class AttentionPool(nn.Module):
    """Pools patches by one learned query, then x + F(LN x): (b, n, width) → (b, width)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.probe = nn.Parameter(torch.empty(1, 1, c.width))
        self.attention = nn.MultiheadAttention(c.width, c.heads, batch_first=True)
        self.layernorm = nn.LayerNorm(c.width, eps=c.eps)
        self.mlp = FeedForward(c)

    def forward(self, tokens: Tensor) -> Tensor:
        query = self.probe.expand(len(tokens), -1, -1)
        x = self.attention(query, tokens, tokens, need_weights=False)[0]
        out: Tensor = (x + self.mlp(self.layernorm(x)))[:, 0]
        return out


class SiglipVisionModel(nn.Module):
    """Pools the patches by attention after the last norm: (b, 3, p, p) → (b, width)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.embeddings, self.encoder = PatchEmbeddings(c, class_token=False), Layers(c)
        self.post_layernorm = nn.LayerNorm(c.width, eps=c.eps)
        self.head = AttentionPool(c)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.head(self.post_layernorm(self.encoder(self.embeddings(pixels))))
        return out


class SiglipText(nn.Module):
    """SigLIP's text tower, (b, window) ids and mask → (b, dim). It uses no mask: see `SiglipTextModel`."""

    def __init__(self, c: TextConfig) -> None:
        super().__init__()
        self.text_model = SiglipTextModel(c)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        out: Tensor = self.text_model(ids)
        return out


class SiglipVision(nn.Module):
    """SigLIP's image tower, (b, 3, p, p) → (b, width)."""

    def __init__(self, c: VisionConfig) -> None:
        super().__init__()
        self.vision_model = SiglipVisionModel(c)

    def forward(self, pixels: Tensor) -> Tensor:
        out: Tensor = self.vision_model(pixels)
        return out
