"""The last stages of a tower that has learned to see, tuned to captions with a head that was fitted before.

    L = (1 − λ)·InfoNCE + λ·½(D + D') + λ_s·(1 − cos(embedding, frozen)) + λ_c·H(classes)

D are as in `distillation`, of which the frozen tower with its head is the teacher: what the start knew of
things that no caption names is not forgotten for what six thousand photos say. Batch norms keep the
statistics that they have.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from searchkit.models.inverted import InvertedTower
from searchkit.training.checkpoint import SAVE_EVERY, Checkpoint
from searchkit.training.distillation import Taught, reinforced
from searchkit.training.heads import Fitted, Seen
from searchkit.training.lessons import Draw
from searchkit.training.losses import cosine_distance
from searchkit.training.schedule import learning_rate
from searchkit.training.sights import Sights, later
from searchkit.training.started import StartedRecipe, Tuning

log = logging.getLogger(__name__)

TEMPERATURE = 0.05
"""τ of the frozen tower's similarities."""
SAME = ("tower", "start", "frozen", "pixels", "data")
"""What a run cannot go on with otherwise."""
AHEAD = 2


class Tuned(nn.Module):
    """The stages that learn, and the head."""

    def __init__(self, tower: InvertedTower, frozen: int, head: Fitted) -> None:
        super().__init__()
        self.stages, self.end = tower.stages[frozen:], tower.end
        self.head = copy.deepcopy(head)
        self.eval()  # the norms' statistics stay
        for one in self.parameters():
            one.requires_grad_(True)


def tune(
    tower: InvertedTower,
    recipe: StartedRecipe,
    *,
    sights: Sequence[Sights],
    seen: Seen,
    head: Fitted,
    work: Path,
) -> None:
    """Run [tuning] to its end, or go on from the checkpoint in `work`; the tower's stages and the head then
    are the moving average of what was learned. Raises `BadInput` for a checkpoint of another recipe."""
    options = recipe.tuning
    assert options is not None
    torch.manual_seed(recipe.seed)
    learning = Tuned(tower, recipe.frozen, head)
    average = copy.deepcopy(learning)
    optimiser = torch.optim.AdamW(_groups(learning, options), betas=(0.9, 0.98))
    parts: dict[str, Any] = {"learning": learning, "average": average, "optimiser": optimiser}
    state = Checkpoint(work / "tuning.pt", asdict(recipe), SAME, **parts)
    first, began = state.load(), time.monotonic()

    def made(step: int) -> tuple[Draw, Tensor, np.random.Generator]:
        rng = np.random.default_rng([recipe.seed, step])
        drawn = seen.lessons.draw(rng, options.batch, recipe.head.mixed)
        maps = [sights[s].of([row], [view]) for s, row, view in drawn.places]
        return drawn, torch.cat(maps), rng

    with ThreadPoolExecutor(1) as reader:
        waiting = [reader.submit(made, step) for step in range(first, min(first + AHEAD, options.steps))]
        for step in range(first, options.steps):
            drawn, maps, rng = waiting.pop(0).result()
            if step + AHEAD < options.steps:
                waiting.append(reader.submit(made, step + AHEAD))
            for group in optimiser.param_groups:
                group["lr"] = group["times"] * learning_rate(step, options.steps, options)
            torch.manual_seed(step)  # dropout: a resumed run drops what an uninterrupted one would
            features = later(tower, recipe.frozen, maps)
            loss = _loss(features, drawn, seen, (learning.head, head), (rng, options))
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(learning.parameters(), 5.0)
            optimiser.step()
            _follow(average, learning, min(options.average, (step + 1) / (step + 10)))
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == options.steps:
                state.save(step + 1)
                speed = (step + 1 - first) * options.batch / (time.monotonic() - began)
                log.info(
                    "tuning: step %d/%d loss %.3f, %.0f pictures/s",
                    *(step + 1, options.steps, loss.item(), speed),
                )
    learning.load_state_dict(average.state_dict())
    tower.requires_grad_(False)
    head.load_state_dict(learning.head.state_dict())


def _groups(learning: Tuned, options: Tuning) -> list[dict[str, object]]:
    """Matrices decay, biases and scales do not; `times` the rate of the stages is that of the group."""
    trunk = [*learning.stages.parameters(), *learning.end.parameters()]
    head, faster = learning.head, options.head_rate / options.rate
    parts = [
        ([p for p in trunk if p.ndim > 1], 1.0, options.weight_decay),
        ([p for p in trunk if p.ndim < 2], 1.0, 0.0),
        ([*head.first.parameters(), *head.last.parameters()], faster, options.weight_decay),
        ([head.log_scale, head.class_scale], faster, 0.0),
    ]
    return [{"params": some, "times": times, "weight_decay": decay} for some, times, decay in parts]


def _loss(
    features: Tensor,
    drawn: Draw,
    seen: Seen,
    heads: tuple[Fitted, Fitted],
    how: tuple[np.random.Generator, Tuning],
) -> Tensor:
    """The loss of the features of this step, of which `heads` are the tower's and the frozen tower's."""
    (head, first), (rng, options) = heads, how
    embedded, has = F.normalize(head(features, options.dropout), dim=-1), drawn.described
    bank = seen.lessons.others(rng, options.bank)
    before, wanted = seen.drawn(drawn.places)
    with torch.no_grad():
        frozen = F.normalize(first(before), dim=-1)
    taught = [Taught(frozen[has], drawn.texts, TEMPERATURE, bank=bank)]
    contrast = reinforced(embedded[has], drawn.texts, head.scale, taught, weight=options.distil, bank=bank)
    kept = options.space * cosine_distance(embedded, frozen)
    return contrast + kept + options.classes * head.named(embedded, seen.names, wanted)


@torch.no_grad()
def _follow(average: nn.Module, learning: nn.Module, decay: float) -> None:
    for kept, one in zip(average.parameters(), learning.parameters(), strict=True):
        kept.lerp_(one, 1 - decay)
