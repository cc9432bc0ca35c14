"""Learning the map of an adapter: some hundred steps of InfoNCE on stored vectors, no network involved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.search.adapter import QueryMap
from searchkit.training.losses import nce_plus
from searchkit.types import Vectors


@dataclass(frozen=True, slots=True)
class Options:
    """How a map is learned. What is worth choosing by data is chosen on the development pairs."""

    widths: tuple[int, ...] = (16, 64, 512)
    """Of the inner layer; the best on the development pairs is kept."""
    strengths: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    """Of the step from the old vector to the new (α, as weights are averaged in WiSE-FT); chosen likewise."""
    steps: int = 300
    batch: int = 512
    rate: float = 2e-3
    weight_decay: float = 0.01
    temperature: float = 0.05
    """Where τ starts; it is learned."""
    keep: float = 1.0
    """Weight of leaving questions alone that have nothing to do with the pairs."""
    patience: int = 4
    """Looks at the development pairs, one each 25 steps, without a better one before training ends."""
    seed: int = 0


LOOK_EVERY = 25
SAME = 0.9999
"""Positives closer than this are the same thing: no negatives of each other."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Rows that belong together: question i should find positive i, and none of its negatives."""

    queries: Vectors
    """(n, dim)."""
    positives: Vectors
    """(n, dim)."""
    negatives: Vectors
    """(m, dim) of all rows, and…"""
    wrong: Sequence[Sequence[int]]
    """…of each row, which of them; n lists."""


class Residual(nn.Module):
    """q + B·relu(A·q + a) + b, not normalised. B and b start at zero: the identity."""

    def __init__(self, dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(dim, width), nn.Linear(width, dim)
        nn.init.normal_(self.down.weight, generator=generator)  # unit rows in: the inner layer is of size 1
        for parameter in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(parameter)

    def forward(self, queries: Tensor) -> Tensor:
        moved: Tensor = queries + self.up(F.relu(self.down(queries)))
        return moved

    def as_map(self, strength: float = 1.0) -> QueryMap:
        parts = (self.down.weight, self.down.bias, self.up.weight, self.up.bias)
        down, down_bias, up, up_bias = (part.detach().numpy().copy() for part in parts)
        return QueryMap(down, down_bias, up, up_bias, np.array(strength, np.float32))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The best map on the development pairs; None where none was better there than no map."""

    map: QueryMap | None
    width: int
    steps: int
    score: float
    before: float


def fit_map(
    examples: Examples,
    bystanders: Vectors,
    score: Callable[[QueryMap | None], float],
    options: Options | None = None,
    *,
    on_step: Callable[[int, int], object] = lambda done, total: None,
) -> Fitted:
    """Learn a map for each width and keep the one, and its strength, that `score` says most for.

    `bystanders` (g, dim) are vectors of questions that the map should leave alone. `score` measures a map
    on development pairs; higher is better, None is no map. Equal seeds give equal maps on one machine.
    """
    options = options or Options()
    before = score(None)
    best = Fitted(None, 0, 0, before, before)
    for number, width in enumerate(options.widths):
        done = number * options.steps

        def step(at: int, done: int = done) -> None:
            on_step(done + at, len(options.widths) * options.steps)

        found = _fit(examples, bystanders, score, options, width, best, step)
        best = found if found.score > best.score else best
    return best


def _fit(
    examples: Examples,
    bystanders: Vectors,
    score: Callable[[QueryMap | None], float],
    options: Options,
    width: int,
    best: Fitted,
    on_step: Callable[[int], object],
) -> Fitted:
    generator = torch.Generator().manual_seed(options.seed)
    model = Residual(examples.queries.shape[1], width, generator)
    log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))
    optimiser = torch.optim.AdamW(
        [
            {"params": model.parameters(), "lr": options.rate, "weight_decay": options.weight_decay},
            {"params": [log_scale], "lr": 5 * options.rate, "weight_decay": 0.0},
        ]
    )
    bases = [group["lr"] for group in optimiser.param_groups]
    batch = _Batches(examples, options.batch, generator)
    others = torch.from_numpy(bystanders)
    top, behind = -1.0, 0
    for at in range(options.steps):
        for group, base in zip(optimiser.param_groups, bases, strict=True):
            group["lr"] = base * min(1.0, (at + 1) / 20) * 0.5 * (1 + math.cos(math.pi * at / options.steps))
        loss = batch.loss(model, log_scale.exp().clamp(max=100))
        if len(others):
            some = others[torch.randint(len(others), (min(256, len(others)),), generator=generator)]
            loss = loss + options.keep * (1 - F.cosine_similarity(model(some), some)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if (at + 1) % LOOK_EVERY == 0 or at + 1 == options.steps:
            on_step(at + 1)
            here = score(model.as_map())
            top, behind = (here, 0) if here > top else (top, behind + 1)
            if here > best.score:
                best = Fitted(model.as_map(), width, at + 1, here, best.before)
            if behind >= options.patience:
                break
    return _strongest(best, score, options) if best.width == width else best


def _strongest(found: Fitted, score: Callable[[QueryMap | None], float], options: Options) -> Fitted:
    """The map with the strength that scores best."""
    assert found.map is not None
    whole = found.map
    maps = [replace(whole, strength=np.array(one, np.float32)) for one in options.strengths]
    scores = [score(one) for one in maps]
    place = max(range(len(maps)), key=lambda i: (scores[i], i))
    if scores[place] <= found.score:
        return found
    return Fitted(maps[place], found.width, found.steps, scores[place], found.before)


class _Batches:
    """Random batches of the examples, and the loss on one."""

    def __init__(self, examples: Examples, size: int, generator: torch.Generator) -> None:
        self.queries = torch.from_numpy(examples.queries)
        self.positives = torch.from_numpy(examples.positives)
        self.size, self.generator = min(size, len(self.queries)), generator
        deepest = max(map(len, examples.wrong), default=0)
        self.negatives = torch.from_numpy(examples.negatives)
        self.wrong = torch.zeros(len(self.queries), deepest, dtype=torch.long)
        self.there = torch.zeros(len(self.queries), deepest, dtype=torch.bool)
        for row, some in enumerate(examples.wrong):
            self.wrong[row, : len(some)] = torch.tensor(list(some), dtype=torch.long)
            self.there[row, : len(some)] = True

    def loss(self, model: Residual, scale: Tensor) -> Tensor:
        rows = torch.randperm(len(self.queries), generator=self.generator)[: self.size]
        positives, queries = self.positives[rows], self.queries[rows]
        same = (positives @ positives.T > SAME) | (queries @ queries.T > SAME)
        negatives = self.negatives[self.wrong[rows].flatten()].view(
            len(rows), self.wrong.shape[1], positives.shape[1]
        )
        moved = F.normalize(model(queries), dim=-1)
        return nce_plus(moved, positives, negatives, scale, same, self.there[rows])
