"""Learning the map of an adapter: some hundred steps of InfoNCE on stored vectors, no network involved."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.finetuning.curve import Look
from searchkit.finetuning.negatives import mine
from searchkit.search.adapter import QueryMap
from searchkit.training.losses import nce_plus
from searchkit.training.schedule import half_cosine
from searchkit.types import Vectors


@dataclass(frozen=True, slots=True)
class MapOptions:
    """How a map is learned. The defaults are for some hundred pairs; `LARGE` is for thousands."""

    width: int = 0
    """Width of the inner layer; with 0 the map is linear."""
    strengths: tuple[float, ...] = (0.2, 0.35, 0.5, 0.75, 1.0)
    """Lengths of the step from the old vector to the new that are tried (α, as WiSE-FT averages weights)."""
    steps: int = 150
    batch: int = 128
    bank: int = 8192
    """Number of items drawn at each step as negatives of all its questions."""
    rates: tuple[float, ...] = (3e-4, 2e-3)
    """Learning rates, each tried: small steps where the encoder knows the subject, large ones where not."""
    weight_decay: float = 0.01
    temperature: float = 0.05
    """τ at the start; it is learned."""
    keep: float = 5.0
    """Weight of leaving questions alone that have nothing to do with the pairs."""
    look_every: int = 25
    """Steps between two looks at the development pairs."""
    patience: int = 4
    """Number of looks without a better one after which training ends."""
    mined: tuple[int, ...] = (0,)
    """Numbers of hard negatives of each question that are mined from the items, each number tried."""
    mine_every: int = 50
    """Steps until they are mined again, with the questions as they have moved; 0 is never."""
    seed: int = 0


LARGE = MapOptions(
    width=1024,
    strengths=(0.35, 0.5, 0.75, 1.0),
    steps=300,
    batch=512,
    bank=512,
    rates=(2e-3,),
    keep=150.0,
    look_every=50,
)
"""A wide map forgets more readily: what has nothing to do with the pairs is held the more firmly."""

WARMUP = 20
SCALE_RATE = 5
"""The learned temperature moves this many times as fast as the map."""
NOISE = 0.5
"""How far around a question that should be left alone others are left alone too."""
SAME = 0.98
"""Cosine above which answers, or questions, may mean the same: they are no negatives of each other."""


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors to learn from: question i should find positive i, and none of its negatives."""

    queries: Vectors
    """(n, dim)."""
    positives: Vectors
    """(n, dim)."""
    negatives: Vectors
    """(m, dim), the hard negatives of all questions."""
    wrong: Sequence[Sequence[int]]
    """The rows of `negatives` that belong to each question; n lists."""
    items: Vectors
    """(k, dim) of what else could be found: negatives of all, save where nearly the same as the positive."""


class Residual(nn.Module):
    """The map q ↦ q + W·q + B·relu(A·q + a) + b, not normalised; W, B and b start at zero: the identity."""

    def __init__(self, dim: int, width: int, generator: torch.Generator) -> None:
        super().__init__()
        self.linear = nn.Parameter(torch.zeros(dim, dim))
        # unit rows in: each entry of the inner layer is of size 1
        self.down = nn.Parameter(torch.randn(width, dim, generator=generator))
        self.down_bias = nn.Parameter(torch.zeros(width))
        self.up = nn.Parameter(torch.zeros(dim, width))
        self.up_bias = nn.Parameter(torch.zeros(dim))

    def forward(self, queries: Tensor) -> Tensor:
        inner = F.relu(queries @ self.down.T + self.down_bias)
        moved: Tensor = queries + queries @ self.linear.T + inner @ self.up.T + self.up_bias
        return moved

    def as_map(self, strength: float = 1.0) -> QueryMap:
        parts = (self.linear, self.down, self.down_bias, self.up, self.up_bias)
        linear, down, down_bias, up, up_bias = (part.detach().numpy().copy() for part in parts)
        return QueryMap(linear, down, down_bias, up, up_bias, np.array(strength, np.float32))


@dataclass(frozen=True, slots=True)
class Fitted:
    """The best map on the development pairs; None where none was better there than no map."""

    map: QueryMap | None
    steps: int
    score: float
    before: float
    mined: int = 0
    """The most hard negatives that were mined for a question."""


Score = Callable[[QueryMap | None], float]
"""What a map is chosen by, measured on development pairs: higher is better, None is no map."""
Tell = Callable[[int, float, float | None], object]
"""Called at each step with its number, the mean loss since the last look and, at a look, the score."""


def fit_map(
    examples: Examples,
    bystanders: Vectors,
    score: Score,
    options: MapOptions | None = None,
    *,
    on_step: Callable[[int, int], object] = lambda done, total: None,
    on_look: Callable[[Look], object] = lambda look: None,
) -> Fitted:
    """Learn a map at every rate and number of mined negatives, and keep the best step and strength of them
    all.

    `bystanders` (g, dim) are vectors of questions that the map should leave alone. Equal seeds give equal
    maps on one machine.
    """
    options = options or MapOptions()
    before = score(None)
    best = Fitted(None, 0, before, before)
    attempts = [
        replace(options, rates=(rate,), mined=(mined,)) for mined in options.mined for rate in options.rates
    ]
    for number, attempt in enumerate(attempts):

        def tell(step: int, loss: float, score: float | None, number: int = number) -> None:
            on_step(number * options.steps + step, len(attempts) * options.steps)
            if score is not None:
                on_look(Look(number + 1, len(attempts), step, options.steps, loss, score, before))

        fitted = _attempt(examples, bystanders, score, attempt, before, tell)
        best = fitted if fitted.score > best.score else best
    return best


def _attempt(
    examples: Examples, bystanders: Vectors, score: Score, options: MapOptions, before: float, tell: Tell
) -> Fitted:
    """Learn a map at the first of the rates, with the first number of mined negatives."""
    (rate, *_), (mined, *_) = options.rates, options.mined
    generator = torch.Generator().manual_seed(options.seed)
    model = Residual(examples.queries.shape[1], options.width, generator)
    log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))
    optimiser = torch.optim.AdamW(
        [
            {"params": model.parameters(), "weight_decay": options.weight_decay},
            {"params": [log_scale], "weight_decay": 0.0},
        ]
    )
    batches = _Batches(examples, options, generator)
    others = torch.from_numpy(bystanders)
    best, behind = Fitted(None, 0, before, before), 0
    losses: list[float] = []
    for step in range(1, options.steps + 1):
        for group, base in zip(optimiser.param_groups, (rate, SCALE_RATE * rate), strict=True):
            group["lr"] = base * min(1.0, step / WARMUP) * half_cosine(step / options.steps)
        if mined and (step == 1 or (options.mine_every and step % options.mine_every == 1)):
            batches.mine(model, mined)
        loss = batches.loss(model, log_scale.exp().clamp(max=100))
        if len(others):
            still = _around(others[torch.randint(len(others), (256,), generator=generator)], generator)
            loss = loss + options.keep * (1 - F.cosine_similarity(model(still), still)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        if step % options.look_every and step != options.steps:
            tell(step, float(np.mean(losses)), None)
            continue
        seen = max(
            (_look(model, step, strength, score, before) for strength in options.strengths), key=_score
        )
        tell(step, float(np.mean(losses)), seen.score)
        losses.clear()
        best, behind = (replace(seen, mined=mined), 0) if seen.score > best.score else (best, behind + 1)
        if behind >= options.patience:
            break
    return best


def _around(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Unit rows near these ones: what is held still is their neighbourhood, not some points of it."""
    noise = F.normalize(torch.randn(vectors.shape, generator=generator), dim=-1)
    return F.normalize(vectors + NOISE * noise, dim=-1)


def _look(model: Residual, step: int, strength: float, score: Score, before: float) -> Fitted:
    made = model.as_map(strength)
    return Fitted(made, step, score(made), before)


def _score(fitted: Fitted) -> float:
    return fitted.score


class _Batches:
    """Random batches of the examples, and the loss on one."""

    def __init__(self, examples: Examples, options: MapOptions, generator: torch.Generator) -> None:
        self.queries = torch.from_numpy(examples.queries)
        self.positives = torch.from_numpy(examples.positives)
        self.items = torch.from_numpy(examples.items)
        self.size, self.bank, self.generator = options.batch, options.bank, generator
        self.examples = examples
        self._use(examples.negatives, examples.wrong)

    def _use(self, negatives: Vectors, wrong: Sequence[Sequence[int]]) -> None:
        deepest = max(map(len, wrong), default=0)
        self.negatives = torch.from_numpy(negatives)
        self.wrong = torch.zeros(len(self.queries), deepest, dtype=torch.long)
        self.there = torch.zeros(len(self.queries), deepest, dtype=torch.bool)
        for row, own in enumerate(wrong):
            self.wrong[row, : len(own)] = torch.tensor(list(own), dtype=torch.long)
            self.there[row, : len(own)] = True

    @torch.no_grad()
    def mine(self, model: Residual, most: int) -> None:
        """Put behind the negatives that were given those that questions find now, up to `most` in all."""
        given = self.examples
        moved = F.normalize(model(self.queries), dim=-1).numpy()
        mined = mine(moved, given.positives, given.items, most=most)
        first = len(given.negatives)
        wrong = [
            [*own, *(first + row for row in more)][: max(most, len(own))]
            for own, more in zip(given.wrong, mined, strict=True)
        ]
        self._use(np.concatenate([given.negatives, given.items]), wrong)

    def loss(self, model: Residual, scale: Tensor) -> Tensor:
        rows = torch.randperm(len(self.queries), generator=self.generator)[: self.size]
        positives, queries = self.positives[rows], self.queries[rows]
        same = (positives @ positives.T > SAME) | (queries @ queries.T > SAME)  # (b, b)
        negatives = self.negatives[self.wrong[rows].flatten()]
        negatives = negatives.view(len(rows), self.wrong.shape[1], positives.shape[1])  # (b, h, dim)
        bank = self.items[torch.randperm(len(self.items), generator=self.generator)[: self.bank]]
        likely = positives @ bank.T > SAME  # (b, m)
        moved = F.normalize(model(queries), dim=-1)
        return nce_plus(moved, positives, negatives, scale, same, self.there[rows], bank=bank, likely=likely)
