"""Blockwise distillation, the first part of a run: each stage learns what the teacher does between two maps.

    F_k     the student's stage k;   T_k   the teacher's map behind its part k, of as many channels
    forced  L = Σ_k d(F_k(T_{k−1}), T_k)            each stage looks at the teacher's map before it
    free    L = Σ_k d(F_k(F_{k−1}(…)), T_k)         each looks at what the student's stages before it see
            both + λ_f·(1 − cos(W·trunk, teacher's feature))
    d       squared distance, mean over places and channels, each channel's by its variance

From random weights, the last stages learn nothing of use before the first ones have; looking at the teacher's
maps all of them begin at once (teacher forcing).

The teacher looks at the pixels that the student sees, at the student's size: place for place the maps have
one size. Of so small a picture it sees less than of a large one; what comes after has its large ones.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from searchkit.encoders.vision import preprocess
from searchkit.errors import BadInput
from searchkit.models.inverted import InvertedTower
from searchkit.training.batches import counts
from searchkit.training.checkpoint import BLOCKWISE, SAVE_EVERY, Checkpoint
from searchkit.training.corpus import Corpus
from searchkit.training.losses import cosine_distance
from searchkit.training.recipe import FIXED, Blockwise, Recipe
from searchkit.training.schedule import learning_rate
from searchkit.training.student import Student
from searchkit.training.teacher import Standardise, TFLiteTeacher

log = logging.getLogger(__name__)

MEASURED = 64
"""Number of pictures on which channels are measured before the first step."""
LEAST = 0.01
"""Added to the variance of each channel, so that one that hardly moves does not outweigh the others."""
AHEAD = 3
"""Number of batches that the teacher is ahead."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """One batch: the pictures that the student reads, and what the teacher saw in them."""

    pixels: Tensor  # (b, p, p, 3) uint8
    maps: Sequence[Tensor]  # (b, c, h, w) for each stage, in units of `Measures`
    feature: Tensor  # (b, width), standardised


@dataclass(frozen=True, slots=True)
class Measures:
    """How the teacher's maps are spread: the unit of each is the mean deviation of its channels, in which the
    `variances` are."""

    shapes: Sequence[tuple[int, int, int]]  # channels, height, width
    units: Sequence[float]
    variances: Sequence[Tensor]  # (c, 1, 1)
    feature: Standardise


def learn_blockwise(
    student: Student,
    recipe: Recipe,
    corpus: Corpus,
    teacher: Callable[[int], TFLiteTeacher],
    work: Path,
) -> None:
    """Take all steps of `recipe.blockwise`, or those that are left: the student's stem, stages, end and its
    linear map to the teacher's feature learn. `teacher(pixels)` is one that reads pictures of that side.

    Raises `BadInput` where the tower's stages are not like the teacher's maps.
    """
    options, tower = recipe.blockwise, student.tower
    assert options is not None and isinstance(tower, InvertedTower)
    place = next(student.parameters()).device
    looks = teacher(options.pixels)
    measures = measured(recipe, corpus, looks, options)
    _refuse_unlike(tower, measures, torch.zeros(1, 3, options.pixels, options.pixels, device=place))
    learning = [tower.stem, tower.stages, tower.end, student.to_feature]
    weights = [p for part in learning for p in part.parameters()]
    optimiser = torch.optim.AdamW(
        weights, lr=options.rate, betas=(0.9, 0.98), weight_decay=options.weight_decay
    )
    state = Checkpoint(work / BLOCKWISE, asdict(recipe), FIXED, student=student, optimiser=optimiser)
    first, began = state.load(), time.monotonic()
    log.info("blockwise, %s from step %d to %d", recipe.name, first, options.steps)
    student.train()
    for step, lesson in _lessons(recipe, corpus, looks, measures, options, first):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, options.steps, options)
        far, feature = stage_losses(student, lesson, measures, forced=step < options.forced, place=place)
        loss = torch.stack(far).sum() + options.feature_weight * feature
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 50 == 49:
            speed = (step + 1 - first) * options.batch / (time.monotonic() - began)
            distances = " ".join(f"{distance.item():.2f}" for distance in far)
            log.info(
                "blockwise: step %d/%d maps %s feature %.3f %.0f pictures/s",
                *(step + 1, options.steps, distances, feature.item(), speed),
            )
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == options.steps:
            state.save(step + 1)


@torch.no_grad()
def _refuse_unlike(tower: InvertedTower, measures: Measures, pixels: Tensor) -> None:
    """Raise `BadInput` for maps that are not as wide and as large as the stages'."""
    stages = [tuple(stage_map.shape[1:]) for stage_map in tower.eval().maps(pixels)]
    for stage, (own, seen) in enumerate(zip(stages, measures.shapes, strict=True), start=1):
        if own != seen:
            raise BadInput(
                f"stage {stage} of the tower gives {own[0]} channels of {own[1]} × {own[2]}, "
                f"the teacher's map {seen[0]} of {seen[1]} × {seen[2]}",
                hint="name other `tensors` in [blockwise], or give the tower other `channels` or `strides`",
            )


def stage_losses(
    student: Student, lesson: Lesson, measures: Measures, *, forced: bool, place: torch.device
) -> tuple[list[Tensor], Tensor]:
    """The distance d of each stage, and 1 − cos of the feature."""
    tower = student.tower
    assert isinstance(tower, InvertedTower)
    shown = preprocess(tower.config).normalise(lesson.pixels.to(place))
    wanted = [seen.to(place) for seen in lesson.maps]
    with torch.autocast(place.type, torch.bfloat16, enabled=place.type == "cuda"):
        if forced:
            inputs = [tower.stemmed(shown), *wanted[:-1]]
            maps = [stage(seen) for stage, seen in zip(tower.stages, inputs, strict=True)]
            mapped = student.to_feature(tower.pooled(wanted[-1]))
        else:
            maps = tower.maps(shown)
            mapped = student.to_feature(tower.pooled(maps[-1]))
    far = [
        ((own.float() - want).square() / variance.to(place)).mean()
        for own, want, variance in zip(maps, wanted, measures.variances, strict=True)
    ]
    return far, cosine_distance(mapped.float(), lesson.feature.to(place))


def measured(recipe: Recipe, corpus: Corpus, teacher: TFLiteTeacher, options: Blockwise) -> Measures:
    """Measure the teacher's maps on pictures that are drawn as a batch is."""
    shown = _drawn(recipe, corpus, options, [recipe.seed, options.steps], MEASURED)
    seen = [teacher.values(picture, options.tensors) for picture in shown]
    feature = Standardise(np.stack([feature for feature, _ in seen]))
    shapes, units, variances = [], [], []
    for maps in zip(*(maps for _, maps in seen), strict=True):
        height, width, channels = maps[0].shape
        shapes.append((channels, height, width))
        spread = np.stack(maps).std(axis=(0, 1, 2))
        units.append(float(spread.mean()))
        variances.append(torch.from_numpy((spread / units[-1]) ** 2 + LEAST)[:, None, None])
    return Measures(shapes, units, variances, feature)


def _lessons(
    recipe: Recipe, corpus: Corpus, teacher: TFLiteTeacher, measures: Measures, options: Blockwise, first: int
) -> Iterator[tuple[int, Lesson]]:
    """Each step from `first` on with its lesson, made by one thread a few steps ahead: the teacher reads one
    picture at a time. A lesson depends on (seed, step) alone."""

    def make(step: int) -> Lesson:
        pixels = _drawn(recipe, corpus, options, [recipe.seed, step], options.batch)
        seen = [teacher.values(picture, options.tensors) for picture in pixels]
        by_map = zip(*(maps for _, maps in seen), strict=True)
        maps = [
            torch.from_numpy(np.stack(values) / np.float32(unit)).permute(0, 3, 1, 2)
            for values, unit in zip(by_map, measures.units, strict=True)
        ]
        feature = measures.feature(np.stack([feature for feature, _ in seen]))
        return Lesson(torch.from_numpy(np.stack(pixels)), maps, feature)

    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make, step) for step in range(first, min(first + AHEAD, options.steps))]
        for step in range(first, options.steps):
            lesson = waiting.pop(0).result()
            if step + AHEAD < options.steps:
                waiting.append(pool.submit(make, step + AHEAD))
            yield step, lesson


def _drawn(
    recipe: Recipe, corpus: Corpus, options: Blockwise, seed: Sequence[int], batch: int
) -> list[np.ndarray]:
    """Draw pictures of every data set by its share, mirrored or not: (p, p, 3) uint8 each."""
    rng = np.random.default_rng([*seed, 1])  # 1: other pictures than those of the steps after these
    shown = []
    for pictures, count in zip(corpus.sets, counts(recipe, corpus, batch), strict=True):
        for row in rng.integers(0, len(pictures), count):
            image = pictures.view(int(row), int(rng.integers(pictures.views)), options.pixels)
            shown.append(np.ascontiguousarray(image[:, ::-1] if rng.random() < 0.5 else image))
    return shown
