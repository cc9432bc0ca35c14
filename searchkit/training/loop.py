"""The training loop, to be read from top to bottom: data, teacher, texts, steps, checkpoint, export."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from searchkit.encoders.device import keep_freed_memory
from searchkit.encoders.vision import preprocess
from searchkit.models.image_towers import ImageNetwork, read_config
from searchkit.training.batches import Batch, batches
from searchkit.training.blockwise import learn_blockwise
from searchkit.training.checkpoint import SAVE_EVERY, Checkpoint
from searchkit.training.corpus import EncodeText, load_corpus, visual_teacher
from searchkit.training.events import events
from searchkit.training.export import write_encoder
from searchkit.training.recipe import Recipe
from searchkit.training.refit import refit
from searchkit.training.rendered import RenderedViews
from searchkit.training.schedule import learning_rate
from searchkit.training.student import Student, student_loss
from searchkit.training.teacher import TFLiteTeacher

log = logging.getLogger(__name__)

MEASURED = 10
"""Batches, the last ones, on which the averaged weights' norms are measured."""


def train(
    recipe: Recipe,
    data: Path,
    work: Path,
    out: Path,
    encode_text: EncodeText,
    *,
    steps: int | None = None,
    device: str = "cpu",
    processes: int = 0,
) -> Path:
    """Run a recipe to its end, or go on from the checkpoint in `work`; write the encoder into `out`.

    `steps` overrides the recipe's number, and is the most of those before, in [blockwise]. On "cuda" the
    tower multiplies in bfloat16. With `processes` all views are rendered once, by so many, before the first
    step. On the CPU deterministic for one machine and thread count: a run that was killed and resumed gives
    the weights of one that was not.
    """
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    corpus = load_corpus(recipe, data, work, encode_text)
    teacher = visual_teacher(recipe, corpus, work)
    shown = [
        RenderedViews(one, recipe.tower.pixels, work, processes=processes) for one in corpus.sets if processes
    ]
    place = torch.device(device)
    corpus = corpus.to(place)
    teacher.to_space.to(place)
    options = recipe.optimisation
    total = steps or options.steps

    torch.manual_seed(recipe.seed)
    config = read_config({**asdict(recipe.tower), "dim": corpus.texts.shape[1]})
    student = Student(config, recipe.teacher).to(place)
    path = work / "checkpoint.pt"
    if recipe.blockwise and steps is not None:
        shorter = replace(recipe.blockwise, steps=min(steps, recipe.blockwise.steps))
        recipe = replace(recipe, blockwise=shorter)
    if recipe.blockwise and not path.is_file():
        learn_blockwise(
            student, recipe, corpus, lambda side: TFLiteTeacher(data, recipe.teacher, pixels=side), work
        )
    average = torch.optim.swa_utils.AveragedModel(
        student.tower,
        multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(options.average),  # type: ignore[no-untyped-call]
    )
    optimiser = torch.optim.AdamW(_decayed(student, options.weight_decay), lr=options.rate, betas=(0.9, 0.98))
    state = Checkpoint(path, recipe, student=student, average=average, optimiser=optimiser)
    first = state.load()
    log.info("training %s from step %d to %d", recipe.name, first, total)

    def side(step: int) -> int:
        early = options.early_pixels and step < options.late * total
        return options.early_pixels if early else recipe.tower.pixels

    def steps_from(first: int, end: int) -> Iterator[tuple[int, Batch]]:
        steps = range(max(0, first), end)
        return batches(recipe, corpus, steps, side=side, shown=shown, threads=max(2, processes))

    # as many as an uninterrupted run would have seen by now
    last = deque((one.pixels.to(place) for _, one in steps_from(first - MEASURED, first)), maxlen=MEASURED)
    began = time.monotonic()
    student.train()
    with events(work, first) as write:
        for step, batch in steps_from(first, total):
            rate = learning_rate(step, total, options)
            for group in optimiser.param_groups:
                group["lr"] = rate
            batch = batch.to(place)
            loss, parts = student_loss(student, batch, corpus, teacher, options, step)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            optimiser.step()
            average.update_parameters(student.tower)
            speed = (step + 1 - first) * options.batch / (time.monotonic() - began)
            write(step + 1, {"loss": loss.item(), "rate": rate, "pictures_per_second": speed, **parts})
            if step % 50 == 49:
                said = " ".join(f"{name} {number:.3f}" for name, number in parts.items())
                log.info("step %d/%d %s %.0f pictures/s", step + 1, total, said, speed)
            last.append(batch.pixels)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == total:
                measure_norms(average.module, last)
                state.save(step + 1)
    if options.refit:
        refit(average.module, corpus, steps=options.refit, seed=recipe.seed)
    return write_encoder(average.module, recipe.name, out)


@torch.no_grad()
def measure_norms(tower: nn.Module, batches: Iterable[Tensor]) -> None:
    """Batch norms of averaged weights get the statistics that those weights give: the average of what the
    norms of moving weights saw is of no network, and through fifty layers all pictures become one vector."""
    assert isinstance(tower, ImageNetwork)
    norms = [one for one in tower.modules() if isinstance(one, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # the mean of all that follow
    tower.train()
    for pixels in batches:
        tower(preprocess(tower.config).normalise(pixels))
    tower.eval()
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum


def _decayed(student: Student, weight_decay: float) -> list[dict[str, Any]]:
    """Weight decay on matrices only: not on biases, norms, positions and the scale."""
    named = list(student.named_parameters())
    matrices = [p for n, p in named if p.ndim >= 2 and "position" not in n]
    others = [p for n, p in named if not (p.ndim >= 2 and "position" not in n)]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
