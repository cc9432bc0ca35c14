"""The loop of a distillation, to be read from top to bottom: data, teacher, texts, steps, checkpoint,
export."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from searchkit.encoders.device import keep_freed_memory
from searchkit.encoders.vision import preprocess
from searchkit.models.image_towers import ImageNetwork, read_config
from searchkit.training.batches import Batch, batches
from searchkit.training.blockwise import learn_blockwise
from searchkit.training.checkpoint import CHECKPOINT, SAVE_EVERY, Checkpoint, Stateful
from searchkit.training.corpus import Corpus, EncodeText, load_corpus, visual_teacher
from searchkit.training.events import events
from searchkit.training.export import write_encoder
from searchkit.training.recipe import FIXED, Optimisation, Recipe
from searchkit.training.refit import refit
from searchkit.training.rendered import RenderedViews
from searchkit.training.schedule import decay_groups, learning_rate
from searchkit.training.student import Student, student_loss
from searchkit.training.teacher import TFLiteTeacher

log = logging.getLogger(__name__)

MEASURED = 10
"""Number of the last batches on which the norms of the averaged weights are measured."""
LOG_EVERY = 50
"""Steps between two lines of the log."""


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

    `steps` overrides the recipe's number, and is the most of those in [blockwise]. On "cuda" the tower
    multiplies in bfloat16. With `processes` all views are rendered first, by so many. On the CPU a run that
    was killed and resumed gives the weights of one that was not, for one machine and thread count.
    """
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    place, options = torch.device(device), recipe.optimisation
    corpus = load_corpus(recipe, data, work, encode_text)
    teacher = visual_teacher(recipe, corpus, work)
    pixels, total = recipe.tower.pixels, steps or options.steps
    sets = corpus.sets if processes else ()
    rendered = [RenderedViews(pictures, pixels, work, processes=processes) for pictures in sets]
    corpus, teacher = corpus.to(place), teacher.to(place)
    student = _begin(recipe, corpus, data, work, steps=steps, place=place)
    average = AveragedModel(student.tower, multi_avg_fn=get_ema_multi_avg_fn(options.average))  # type: ignore[no-untyped-call]
    optimiser = _optimiser(student, options)
    parts: dict[str, Stateful] = {"student": student, "average": average, "optimiser": optimiser}
    checkpoint = Checkpoint(work / CHECKPOINT, asdict(recipe), FIXED, **parts)
    first = checkpoint.load()
    log.info("training %s from step %d to %d", recipe.name, first, total)

    def batches_of(steps: range) -> Iterator[tuple[int, Batch]]:
        side, threads = partial(_side, recipe, total), max(2, processes)
        for step, batch in batches(recipe, corpus, steps, side=side, shown=rendered, threads=threads):
            yield step, batch.to(place)

    # as many as an uninterrupted run would have seen by now
    before = batches_of(range(max(0, first - MEASURED), first))
    last = deque((batch.pixels for _, batch in before), maxlen=MEASURED)
    began = time.monotonic()
    student.train()
    with events(work, first) as write:
        for step, batch in batches_of(range(first, total)):
            loss, terms = student_loss(student, batch, corpus, teacher, options, step)
            rate = learning_rate(step, total, options)
            _move(student, optimiser, loss, rate)
            average.update_parameters(student.tower)
            last.append(batch.pixels)
            speed = (step + 1 - first) * options.batch / (time.monotonic() - began)
            write(step + 1, {"loss": loss.item(), "rate": rate, "pictures_per_second": speed, **terms})
            _log(step + 1, total, terms, speed)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == total:
                measure_norms(average.module, last)
                checkpoint.save(step + 1)
    if options.refit:
        refit(average.module, corpus, steps=options.refit, seed=recipe.seed)
    return write_encoder(average.module, recipe.name, out)


def _begin(
    recipe: Recipe, corpus: Corpus, data: Path, work: Path, *, steps: int | None, place: torch.device
) -> Student:
    """A student from random weights that has learned blockwise, where the recipe says so and nothing is kept
    of what comes after."""
    torch.manual_seed(recipe.seed)
    config = read_config({**asdict(recipe.tower), "dim": corpus.texts.shape[1]})
    student = Student(config, recipe.teacher).to(place)
    blockwise = recipe.blockwise
    if blockwise is not None and not (work / CHECKPOINT).is_file():
        if steps is not None:
            blockwise = replace(blockwise, steps=min(steps, blockwise.steps))
        learn_blockwise(
            student,
            replace(recipe, blockwise=blockwise),
            corpus,
            lambda pixels: TFLiteTeacher(data, recipe.teacher, pixels=pixels),
            work,
        )
    return student


def _optimiser(student: Student, options: Optimisation) -> torch.optim.Optimizer:
    groups = decay_groups(student.named_parameters(), options.weight_decay)
    return torch.optim.AdamW(groups, lr=options.rate, betas=(0.9, 0.98))


def _side(recipe: Recipe, total: int, step: int) -> int:
    """The side of the pictures of a step."""
    options = recipe.optimisation
    early = options.early_pixels and step < options.late * total
    return options.early_pixels if early else recipe.tower.pixels


def _move(student: Student, optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(student.parameters(), 1.0)
    optimiser.step()


def _log(done: int, total: int, terms: Mapping[str, float], speed: float) -> None:
    if done % LOG_EVERY == 0:
        line = " ".join(f"{name} {number:.3f}" for name, number in terms.items())
        log.info("step %d/%d %s %.0f pictures/s", done, total, line, speed)


@torch.no_grad()
def measure_norms(tower: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give the batch norms of averaged weights the statistics that those weights give.

    The average of what the norms of moving weights saw is of no network, and through fifty layers all
    pictures become one vector. `batches` are (b, p, p, 3) uint8.
    """
    assert isinstance(tower, ImageNetwork)
    norms = [layer for layer in tower.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all that follow
    tower.train()
    for pixels in batches:
        tower(preprocess(tower.config).normalise(pixels))
    tower.eval()
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
