"""BERT's encoder for one text, in numpy: importing torch takes 1.4 seconds, which a search from the command
line would pay each time. A test holds it equal to `models/bert.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

_erf = np.frompyfunc(math.erf, 1, 1)


class BertMean:
    """Encodes the ids of one text as (width,) float32: the mean of its token vectors, not normalised.

    `weights` have the names of Hugging Face checkpoints.
    """

    def __init__(self, weights: Mapping[str, np.ndarray], *, layers: int, heads: int, epsilon: float) -> None:
        self.weights, self.layers, self.heads, self.epsilon = weights, layers, heads, epsilon

    def __call__(self, ids: Sequence[int]) -> np.ndarray:
        words, positions, types = (
            self.weights[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        )
        x = self._norm("embeddings.LayerNorm", words[list(ids)] + types[0] + positions[: len(ids)])
        for number in range(self.layers):
            x = self._layer(f"encoder.layer.{number}", x)
        mean: np.ndarray = x.mean(axis=0)
        return mean

    def _layer(self, name: str, x: np.ndarray) -> np.ndarray:
        """One post-norm layer, as `models.bert.Layer`: (n, width) → (n, width)."""
        n, width = x.shape
        q, k, v = (
            self._linear(f"{name}.attention.self.{part}", x).reshape(n, self.heads, -1).swapaxes(0, 1)
            for part in ("query", "key", "value")
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(width / self.heads)  # (heads, n, n)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        attended = (weights / weights.sum(axis=-1, keepdims=True)) @ v
        output = self._linear(f"{name}.attention.output.dense", attended.swapaxes(0, 1).reshape(n, width))
        x = self._norm(f"{name}.attention.output.LayerNorm", x + output)
        inner = self._linear(f"{name}.intermediate.dense", x)
        inner *= 0.5 * (1 + np.asarray(_erf(inner * math.sqrt(0.5)), np.float32))  # GELU
        return self._norm(f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", inner))

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        out: np.ndarray = x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        return out

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.epsilon)
        out: np.ndarray = x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]
        return out
