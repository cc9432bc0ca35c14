"""BERT's encoder in plain torch, enough for MiniLM.

transformers has the same network, but importing it takes 2 to 3 seconds, which a search from the command line
would pay each time. A test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.embedding import Embedding


@dataclass(frozen=True, slots=True)
class BertConfig:
    """The fields of a Hugging Face `config.json` that decide the network."""

    vocab_size: int = 30522
    hidden_size: int = 384
    num_hidden_layers: int = 6
    num_attention_heads: int = 12
    intermediate_size: int = 1536
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12


class Embeddings(nn.Module):
    """Adds up words, positions and the first token type, normalised: (b, n) ids → (b, n, hidden_size)."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        self.word_embeddings = Embedding(c.vocab_size, c.hidden_size)
        self.position_embeddings = Embedding(c.max_position_embeddings, c.hidden_size)
        self.token_type_embeddings = Embedding(c.type_vocab_size, c.hidden_size)
        self.LayerNorm = nn.LayerNorm(c.hidden_size, eps=c.layer_norm_eps)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.word_embeddings(ids) + self.token_type_embeddings.weight[0]
        out: Tensor = self.LayerNorm(x + self.position_embeddings.weight[: ids.shape[1]])
        return out


class Layer(nn.Module):
    """A post-norm layer: x = LN(x + attention), then LN(x + feed-forward)."""

    def __init__(self, c: BertConfig) -> None:
        super().__init__()
        w = c.hidden_size
        self.heads = c.num_attention_heads
        self.query, self.key, self.value = nn.Linear(w, w), nn.Linear(w, w), nn.Linear(w, w)
        self.attention_out = nn.Linear(w, w)
        self.attention_norm = nn.LayerNorm(w, eps=c.layer_norm_eps)
        self.fc1, self.fc2 = nn.Linear(w, c.intermediate_size), nn.Linear(c.intermediate_size, w)
        self.output_norm = nn.LayerNorm(w, eps=c.layer_norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        b, n, w = x.shape
        q, k, v = (
            f(x).view(b, n, self.heads, w // self.heads).transpose(1, 2)  # (b, heads, n, w/heads)
            for f in (self.query, self.key, self.value)
        )
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        x = self.attention_norm(x + self.attention_out(attended.transpose(1, 2).reshape(b, n, w)))
        out: Tensor = self.output_norm(x + self.fc2(F.gelu(self.fc1(x))))
        return out


class Bert(nn.Module):
    """The encoder, (b, n) ids and (b, n) mask of 0/1 → (b, n, hidden_size) token vectors."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        # 0 where a token may be seen, -inf where it is padding; (b, 1, 1, n) for all heads and queries
        bias = torch.zeros_like(mask, dtype=self.embeddings.LayerNorm.weight.dtype).masked_fill(
            mask == 0, float("-inf")
        )[:, None, None, :]
        out: Tensor = self.embeddings(ids)
        for layer in self.layers:
            out = layer(out, bias)
        return out


class BertPooled(Bert):
    """The encoder with mean pooling, (b, n) ids and mask of 0/1 → (b, hidden_size)."""

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return mean_pool(self.token_vectors(ids, mask), mask)

    def token_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """The vectors whose mean is the text's: (b, n, hidden_size) float32."""
        return super().forward(ids, mask).float()


RENAMED = {
    "attention.self.query": "query",
    "attention.self.key": "key",
    "attention.self.value": "value",
    "attention.output.dense": "attention_out",
    "attention.output.LayerNorm": "attention_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "output.LayerNorm": "output_norm",
}


def from_hugging_face(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same weights under this module's names. The pooler is left out: mean pooling needs none."""
    renamed = {}
    for name, value in state.items():
        if name.startswith("pooler.") or name.endswith("position_ids"):
            continue
        if name.startswith("encoder.layer."):
            number, rest = name.removeprefix("encoder.layer.").split(".", 1)
            module, _, parameter = rest.rpartition(".")
            name = f"layers.{number}.{RENAMED[module]}.{parameter}"
        renamed[name] = value
    return renamed


def mean_pool(tokens: Tensor, mask: Tensor) -> Tensor:
    """The mean of the tokens, Σ mask·token / Σ mask: (b, n, w) and (b, n) mask → (b, w)."""
    weights = mask.to(tokens.dtype).unsqueeze(-1)
    return (tokens * weights).sum(1) / weights.sum(1).clamp(min=1.0)
