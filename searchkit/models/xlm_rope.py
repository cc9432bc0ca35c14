"""The text tower of Jina CLIP 2, in plain torch: XLM-RoBERTa with rotary positions in place of a table.

    angle(i, j) = i · θ^(−2j/d)            for position i, and j < d/2 of a head that is d wide

rotates the pair (xⱼ, xⱼ₊d/2) of every query and key. Post-norm, biases everywhere, GELU. Modules have the
names of the published weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.bert import mean_pool
from searchkit.models.embedding import Embedding

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class XlmRopeConfig:
    """The architecture of the network. The defaults are those of XLM-RoBERTa large as Jina trained it on."""

    vocabulary: int = 250_002
    types: int = 1
    width: int = 1024
    depth: int = 24
    heads: int = 16
    hidden: int = 4096
    eps: float = 1e-5
    theta: float = 20_000.0
    pad: int = 1
    gelu: Literal["none", "tanh"] = "none"
    """The approximation of GELU."""


def turns(n: int, width: int, theta: float, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """The cosines and the sines of n positions' angles, each (n, width) float32; both halves of a head are
    alike."""
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float32, device=device) / width)
    angles = torch.outer(torch.arange(n, dtype=torch.float32, device=device), frequencies).repeat(1, 2)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotates (xⱼ, xⱼ₊d/2) as one complex number: (…, n, d) by tables of (n, d)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-second, first], dim=-1) * sin


class Mixer(nn.Module):
    """Attention; `seen` is (b, 1, 1, n) for all heads and queries, so no n × n mask is ever written out."""

    def __init__(self, c: XlmRopeConfig) -> None:
        super().__init__()
        self.heads = c.heads
        self.Wqkv, self.out_proj = nn.Linear(c.width, 3 * c.width), nn.Linear(c.width, c.width)

    def forward(self, x: Tensor, seen: Tensor | None, cos: Tensor, sin: Tensor) -> Tensor:
        b, n, w = x.shape
        q, k, v = (
            y.view(b, n, self.heads, w // self.heads).transpose(1, 2)  # (b, heads, n, w/heads)
            for y in self.Wqkv(x).chunk(3, dim=-1)
        )
        attended = F.scaled_dot_product_attention(rotate(q, cos, sin), rotate(k, cos, sin), v, attn_mask=seen)
        out: Tensor = self.out_proj(attended.transpose(1, 2).reshape(b, n, w))
        return out


class MLP(nn.Module):
    """The feed-forward part, (b, n, w) → (b, n, w)."""

    def __init__(self, c: XlmRopeConfig) -> None:
        super().__init__()
        self.gelu = c.gelu
        self.fc1, self.fc2 = nn.Linear(c.width, c.hidden), nn.Linear(c.hidden, c.width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(F.gelu(self.fc1(x), approximate=self.gelu))
        return out


class Layer(nn.Module):
    """A post-norm layer: x = LN(x + A(x)), then LN(x + M(x))."""

    def __init__(self, c: XlmRopeConfig) -> None:
        super().__init__()
        self.mixer, self.mlp = Mixer(c), MLP(c)
        self.norm1, self.norm2 = nn.LayerNorm(c.width, eps=c.eps), nn.LayerNorm(c.width, eps=c.eps)

    def forward(self, x: Tensor, seen: Tensor | None, cos: Tensor, sin: Tensor) -> Tensor:
        x = self.norm1(x + self.mixer(x, seen, cos, sin))
        out: Tensor = self.norm2(x + self.mlp(x))
        return out


class XlmRope(nn.Module):
    """Pools a text by the mean of its tokens without padding: (b, n) ids → (b, width) float32.

    Padding is told by the ids, as in the model's own code: a "<pad>" that is written in a text is not seen
    either. The mask that a text tower passes is not needed.
    """

    def __init__(self, config: XlmRopeConfig) -> None:
        super().__init__()
        c = self.config = config
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": Embedding(c.vocabulary, c.width),
                "token_type_embeddings": Embedding(c.types, c.width),
            }
        )
        self.emb_ln = nn.LayerNorm(c.width, eps=c.eps)
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(Layer(c) for _ in range(c.depth))})

    def tokens(self, ids: Tensor) -> Tensor:
        """The vectors of all tokens: (b, n) ids → (b, n, width)."""
        c = self.config
        kind = self.embeddings["token_type_embeddings"](torch.zeros_like(ids[:1, :1]))
        x: Tensor = self.emb_ln(self.embeddings["word_embeddings"](ids) + kind)
        # made for every batch: as a buffer they would become 16 bits, which hold no angle of position 8,000
        cos, sin = (table.to(x.dtype) for table in turns(ids.shape[1], c.width // c.heads, c.theta, x.device))
        here = ids != c.pad
        seen = None if bool(here.all()) else here[:, None, None, :]
        for layer in self.encoder["layers"].children():
            x = layer(x, seen, cos, sin)
        return x

    def token_vectors(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        """The vectors whose mean is the text's: (b, n, width) float32."""
        return self.tokens(ids).float()

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        return mean_pool(self.token_vectors(ids), ids != self.config.pad)


WRAPPED = "roberta."
"""Precedes every name where the network was published inside one that adapts it."""
BUFFERS = ("position_ids", "inv_freq", "lora_dropout_mask")


def from_published(state: Mapping[str, Value]) -> dict[str, Value]:
    """Tensors, or their shapes, under this module's names, without the buffers.

    An unknown name stays as it is, for `load_state_dict` to refuse.
    """
    renamed: dict[str, Value] = {}
    for name, value in state.items():
        bare = name.removeprefix(WRAPPED)
        if name.rpartition(".")[2] not in BUFFERS:
            renamed[name if bare in state else bare] = value
    return renamed


def xlm_rope_config(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    heads: int | None = None,
    eps: float = 1e-5,
    theta: float = 20_000.0,
    pad: int = 1,
    gelu: Literal["none", "tanh"] = "none",
) -> XlmRopeConfig:
    """The sizes that this module's names and their shapes tell. Heads are 64 wide unless `heads` is given.

    Raises `ValueError` naming the tensor that is missing or does not fit such a tower.
    """
    words, types, hidden = (
        f"{name}.weight"
        for name in (
            "embeddings.word_embeddings",
            "embeddings.token_type_embeddings",
            "encoder.layers.0.mlp.fc1",
        )
    )
    for name in (words, types, hidden):
        if len(shapes.get(name, ())) != 2:
            raise ValueError(f"{name} is missing or no matrix")
    vocabulary, width = shapes[words]
    heads = heads or width // 64
    if not heads or width % (2 * heads):
        raise ValueError(f"{words}: {width} numbers are not {heads} heads of pairs")
    return XlmRopeConfig(
        vocabulary=vocabulary,
        types=shapes[types][0],
        width=width,
        depth=len({name.split(".")[2] for name in shapes if name.startswith("encoder.layers.")}),
        heads=heads,
        hidden=shapes[hidden][0],
        eps=eps,
        theta=theta,
        pad=pad,
        gelu=gelu,
    )
