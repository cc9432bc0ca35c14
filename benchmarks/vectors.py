"""Vectors that lie like embeddings do: on a curved low-dimensional sheet, in clusters of very unequal size,
with near-duplicates; and questions of two sorts, from the same side of a modality gap and from across it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

LATENT = 24
HIDDEN = 256
CLUSTERS = 2000
SPREAD = 0.55
"""The spread of a cluster, where clusters are a distance of 1 apart."""
NOISE = 0.25
"""The length of what the sheet does not explain, beside the sheet."""
DUPLICATES = 0.03
GAP = 0.6
"""How far across the gap a question of the other sort lies, beside the length 1 of a vector."""
BATCH = 50_000


class Sheet:
    """A seeded source of (n, dim) float32 unit vectors.

    z = centre of a cluster + SPREAD·ε,  x = W₂ tanh(W₁ z) + NOISE·η,  then to unit length; clusters are drawn
    with probability ∝ 1 / rank. A question of the other sort has GAP·g added before, g the same unit vector
    for all of them, and noise of its own.
    """

    def __init__(self, dim: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        self.dim = dim
        self._centres = random.standard_normal((CLUSTERS, LATENT), np.float32)
        self._first = random.standard_normal((LATENT, HIDDEN), np.float32) / np.float32(LATENT**0.5)
        self._second = random.standard_normal((HIDDEN, dim), np.float32) / np.float32((HIDDEN * dim) ** 0.5)
        self._gap = random.standard_normal(dim, np.float32) / np.float32(dim**0.5)
        share = 1 / np.arange(1, CLUSTERS + 1)
        self._share = share / share.sum()

    def rows(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """Yield this many vectors in batches; one in thirty is nearly the one before it."""
        random = np.random.default_rng(seed)
        for start in range(0, count, BATCH):
            batch = self._draw(min(BATCH, count - start), random)
            twins = np.flatnonzero(random.random(len(batch) - 1) < DUPLICATES) + 1
            batch[twins] = batch[twins - 1] + self._noise(len(twins), random) * np.float32(0.05)
            yield _unit(batch)

    def questions(self, count: int, seed: int, *, across: bool = False) -> np.ndarray:
        """Return (count, dim) unit vectors of questions; `across` the gap, as texts ask for pictures."""
        random = np.random.default_rng(seed)
        drawn = self._draw(count, random)
        if across:
            drawn = drawn + np.float32(GAP) * self._gap + self._noise(count, random) * np.float32(0.5)
        return _unit(drawn)

    def _draw(self, count: int, random: np.random.Generator) -> np.ndarray:
        cluster = random.choice(CLUSTERS, count, p=self._share)
        latent = self._centres[cluster] + np.float32(SPREAD) * random.standard_normal(
            (count, LATENT), np.float32
        )
        sheet = np.tanh(latent @ self._first) @ self._second
        return sheet + self._noise(count, random) * np.float32(NOISE)

    def _noise(self, count: int, random: np.random.Generator) -> np.ndarray:
        return random.standard_normal((count, self.dim), np.float32) / np.float32(self.dim**0.5)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)
