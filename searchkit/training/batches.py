"""Batches: pictures of every data set by its share, a text of each, and what teachers saw in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.training.corpus import Corpus
from searchkit.training.recipe import Recipe
from searchkit.training.rendered import RenderedViews
from searchkit.training.store import ReinforcedPictures


@dataclass(frozen=True, slots=True)
class Batch:
    """The b pictures of one step, with their texts and what the teachers saw."""

    pixels: Tensor  # (b, p, p, 3) uint8
    features: np.ndarray  # (b, width) uint8
    maps: Sequence[np.ndarray]  # (b, side, side, width) uint8 of each map of the teacher
    text: Tensor  # (c,) rows of Corpus.texts, for the pictures that have a text
    has_text: Tensor  # (b,) bool
    synthetic: Tensor  # (s,) rows of Corpus.texts, for the pictures that a captioner described
    has_synthetic: Tensor  # (b,) bool
    seen: Sequence[Tensor] = ()  # (b, dim) of each text teacher

    def to(self, device: torch.device) -> Batch:
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        moved |= {name: value.to(device) for name, value in moved.items() if isinstance(value, Tensor)}
        return Batch(**{**moved, "seen": [vectors.to(device) for vectors in self.seen]})


def batches(
    recipe: Recipe,
    corpus: Corpus,
    steps: range,
    *,
    side: Callable[[int], int],
    shown: Sequence[RenderedViews] = (),
    threads: int = 2,
) -> Iterator[tuple[int, Batch]]:
    """Each step with its batch, made by threads a few steps ahead; its pictures are `side(step)` wide.

    A step's batch depends on (seed, step, side) alone, so that a resumed run sees what an uninterrupted one
    would have.
    """
    ahead = 2 * threads
    with ThreadPoolExecutor(threads) as pool:
        waiting: list[Future[Batch]] = []
        queued = iter(steps)
        for step in steps:
            while len(waiting) < ahead and (upcoming := next(queued, None)) is not None:
                waiting.append(pool.submit(make_batch, recipe, corpus, upcoming, side(upcoming), shown))
            yield step, waiting.pop(0).result()


def counts(recipe: Recipe, corpus: Corpus, batch: int) -> np.ndarray:
    """The number of pictures of each data set among `batch`, by its share; one at least."""
    shares = [spec.share for spec in recipe.data if any(s.name == Path(spec.file).stem for s in corpus.sets)]
    return np.maximum(1, np.round(np.array(shares) / sum(shares) * batch)).astype(int)


def make_batch(
    recipe: Recipe, corpus: Corpus, step: int, side: int, shown: Sequence[RenderedViews] = ()
) -> Batch:
    rng, batch = np.random.default_rng([recipe.seed, step]), recipe.optimisation.batch
    pixels, features, texts, has_text = [], [], [], []
    maps: list[list[np.ndarray]] = [[] for _ in recipe.teacher.maps]
    synthetic: list[int] = []
    has_synthetic: list[bool] = []
    places: list[tuple[int, int, int]] = []
    for number, (one, stored, text_rows, count) in enumerate(
        zip(corpus.sets, corpus.features, corpus.text_rows, counts(recipe, corpus, batch), strict=True)
    ):
        for row in rng.integers(0, len(one), count):
            view = int(rng.integers(one.views))
            image = shown[number](int(row), view) if shown else one.view(int(row), view, recipe.tower.pixels)
            # a stored augmentation is a mirror image or not: teachers saw it as it is
            turned = rng.random() < 0.5 and not isinstance(one, ReinforcedPictures)
            pixels.append(image[:, ::-1] if turned else image)
            features.append(stored[row, view])
            for seen, one_map in zip(maps, corpus.maps[number], strict=True):
                seen.append(one_map[row, view, :, ::-1] if turned else one_map[row, view])
            places.append((number, int(row), view))
            choices = text_rows[row]
            has_text.append(len(choices) > 0)
            if len(choices):
                texts.append(rng.choice(choices))
            written = corpus.synthetic_rows[number][row] if corpus.synthetic_rows else ()
            has_synthetic.append(len(written) > 0)
            if len(written):
                synthetic.append(int(rng.choice(written)))
    return Batch(
        resized(torch.from_numpy(np.stack(pixels)), side),
        np.stack(features),
        [np.stack(seen) for seen in maps],
        torch.from_numpy(np.array(texts)),
        torch.tensor(has_text),
        torch.tensor(synthetic, dtype=torch.int64),
        torch.tensor(has_synthetic),
        [teacher.of_pictures(places) for teacher in corpus.teachers],
    )


def resized(pixels: Tensor, side: int) -> Tensor:
    """Pictures at another size: (b, p, p, 3) uint8 → (b, side, side, 3)."""
    if pixels.shape[1] == side:
        return pixels
    planes = pixels.permute(0, 3, 1, 2)
    return F.interpolate(planes, (side, side), mode="bilinear", antialias=True).permute(0, 2, 3, 1)
