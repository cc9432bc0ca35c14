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
from searchkit.types import Vectors


@dataclass(frozen=True, slots=True)
class Options:
    """How a map is learned. The defaults are for some hundred pairs; `LARGE` is for thousands."""

    width: int = 0
    """Of the inner layer; without one the map is linear."""
    strengths: tuple[float, ...] = (0.2, 0.35, 0.5, 0.75, 1.0)
    """Of the step from the old vector to the new (α, as weights are averaged in WiSE-FT)."""
    steps: int = 150
    batch: int = 128
    bank: int = 8192
    """Items drawn at each step that are negatives of all its questions."""
    rates: tuple[float, ...] = (3e-4, 2e-3)
    """Learning rates, each tried: small steps where the encoder knows the subject, large ones where not."""
    weight_decay: float = 0.01
    temperature: float = 0.05
    """Where τ starts; it is learned."""
    keep: float = 5.0
    """Weight of leaving questions alone that have nothing to do with the pairs."""
    look_every: int = 25
    """Steps between looks at the development pairs."""
    patience: int = 4
    """Looks without a better one before training ends."""
    mined: tuple[int, ...] = (0,)
    """Hard negatives of each question that are mined from the items, each number tried."""
    mine_every: int = 50
    """Steps until they are mined again, with the questions as they have moved; 0 is never."""
    seed: int = 0


LARGE = Options(
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


NOISE = 0.5
"""How far around a question that should be left alone others are left alone too."""
SAME = 0.98
"""Answers, or questions, closer than this may mean the same: no negatives of each other."""


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
    items: Vectors
    """(m, dim) of what else could be found: negatives of all, save where nearly the same as the positive."""


class Residual(nn.Module):
    """q + W·q + B·relu(A·q + a) + b, not normalised. W, B and b start at zero: the identity."""

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
    """Hard negatives that were mined for each question, at most."""


def fit_map(
    examples: Examples,
    bystanders: Vectors,
    score: Callable[[QueryMap | None], float],
    options: Options | None = None,
    *,
    on_step: Callable[[int, int], object] = lambda done, total: None,
    on_look: Callable[[Look], object] = lambda look: None,
) -> Fitted:
    """Learn a map and keep the step and the strength of it that `score` says most for.

    `bystanders` (g, dim) are vectors of questions that the map should leave alone. `score` measures a map
    on development pairs; higher is better, None is no map. Equal seeds give equal maps on one machine.
    """
    options = options or Options()
    before = score(None)
    best = Fitted(None, 0, before, before)
    tries = [(rate, mined) for mined in options.mined for rate in options.rates]
    for number, (rate, mined) in enumerate(tries):

        def tell(step: int, loss: float, score: float | None, number: int = number) -> None:
            on_step(number * options.steps + step, len(tries) * options.steps)
            if score is not None:
                on_look(Look(number + 1, len(tries), step, options.steps, loss, score, before))

        one = replace(options, rates=(rate,), mined=(mined,))
        found = _fit(examples, bystanders, score, one, before, tell)
        best = found if found.score > best.score else best
    return best


def _fit(
    examples: Examples,
    bystanders: Vectors,
    score: Callable[[QueryMap | None], float],
    options: Options,
    before: float,
    tell: Callable[[int, float, float | None], object],
) -> Fitted:
    """With the first of the rates, and the first number of mined negatives. `tell` hears each step with the
    mean loss since the last look, and at a look the score."""
    (rate, *_), (mined, *_) = options.rates, options.mined
    generator = torch.Generator().manual_seed(options.seed)
    model = Residual(examples.queries.shape[1], options.width, generator)
    log_scale = nn.Parameter(torch.tensor(-math.log(options.temperature)))
    groups = [
        {"params": model.parameters(), "lr": rate, "weight_decay": options.weight_decay},
        {"params": [log_scale], "lr": 5 * rate, "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups)
    batches = _Batches(examples, options, generator)
    others = torch.from_numpy(bystanders)
    best, behind = Fitted(None, 0, before, before), 0
    losses: list[float] = []
    for at in range(1, options.steps + 1):
        for group, base in zip(optimiser.param_groups, (rate, 5 * rate), strict=True):
            group["lr"] = base * min(1.0, at / 20) * 0.5 * (1 + math.cos(math.pi * at / options.steps))
        if mined and (at == 1 or (options.mine_every and at % options.mine_every == 1)):
            batches.mine(model, mined)
        loss = batches.loss(model, log_scale.exp().clamp(max=100))
        if len(others):
            some = _around(others[torch.randint(len(others), (256,), generator=generator)], generator)
            loss = loss + options.keep * (1 - F.cosine_similarity(model(some), some)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(loss.item())
        if at % options.look_every and at != options.steps:
            tell(at, float(np.mean(losses)), None)
            continue
        looks = (_look(model, at, strength, score, before) for strength in options.strengths)
        found = replace(max(looks, key=_score), mined=mined)
        tell(at, float(np.mean(losses)), found.score)
        losses.clear()
        best, behind = (found, 0) if found.score > best.score else (best, behind + 1)
        if behind >= options.patience:
            break
    return best


def _around(vectors: Tensor, generator: torch.Generator) -> Tensor:
    """Unit rows near these ones: what is held still is their neighbourhood, not some points of it."""
    noise = F.normalize(torch.randn(vectors.shape, generator=generator), dim=-1)
    return F.normalize(vectors + NOISE * noise, dim=-1)


def _look(
    model: Residual, at: int, strength: float, score: Callable[[QueryMap | None], float], before: float
) -> Fitted:
    one = model.as_map(strength)
    return Fitted(one, at, score(one), before)


def _score(found: Fitted) -> float:
    return found.score


class _Batches:
    """Random batches of the examples, and the loss on one."""

    def __init__(self, examples: Examples, options: Options, generator: torch.Generator) -> None:
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
        for row, some in enumerate(wrong):
            self.wrong[row, : len(some)] = torch.tensor(list(some), dtype=torch.long)
            self.there[row, : len(some)] = True

    @torch.no_grad()
    def mine(self, model: Residual, most: int) -> None:
        """Beside the negatives that were given, and up to `most` in all, those that questions find now."""
        given = self.examples
        moved = F.normalize(model(self.queries), dim=-1).numpy()
        found = mine(moved, given.positives, given.items, most=most)
        first = len(given.negatives)
        wrong = [
            [*own, *(first + row for row in more)][: max(most, len(own))]
            for own, more in zip(given.wrong, found, strict=True)
        ]
        self._use(np.concatenate([given.negatives, given.items]), wrong)

    def loss(self, model: Residual, scale: Tensor) -> Tensor:
        rows = torch.randperm(len(self.queries), generator=self.generator)[: self.size]
        positives, queries = self.positives[rows], self.queries[rows]
        same = (positives @ positives.T > SAME) | (queries @ queries.T > SAME)
        negatives = self.negatives[self.wrong[rows].flatten()]
        negatives = negatives.view(len(rows), self.wrong.shape[1], positives.shape[1])
        some = self.items[torch.randperm(len(self.items), generator=self.generator)[: self.bank]]
        likely = positives @ some.T > SAME  # (b, m)
        moved = F.normalize(model(queries), dim=-1)
        return nce_plus(moved, positives, negatives, scale, same, self.there[rows], bank=some, likely=likely)
