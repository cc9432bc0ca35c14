"""An encoder from a tower that another package carries, to be read from top to bottom: data, what the frozen
stages see, a head, the last stages tuned, export."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from searchkit.encoders.device import keep_freed_memory
from searchkit.training.corpus import EncodeText, text_vectors
from searchkit.training.data import Pictures, load_pictures
from searchkit.training.export import write_encoder
from searchkit.training.heads import Seen, fitted, plain
from searchkit.training.leaks import guard, read_sentences
from searchkit.training.lessons import Lessons, class_vectors
from searchkit.training.packaged import efficientnet_lite
from searchkit.training.sights import features, look
from searchkit.training.started import StartedRecipe
from searchkit.training.tune import tune


def train_started(
    recipe: StartedRecipe,
    data: Path,
    work: Path,
    out: Path,
    encode_text: EncodeText,
    *,
    steps: int | None = None,
) -> Path:
    """Run a recipe to its end, or go on with what is in `work`; write the encoder into `out`.

    `steps` is the most of [head] and of [tuning]. Raises `BadInput` and `ModelMissing` for what is missing.
    """
    keep_freed_memory()
    work.mkdir(parents=True, exist_ok=True)
    recipe = _shorter(recipe, steps)
    tower, classifier = efficientnet_lite(recipe.start, recipe.tower)
    lessons = load_lessons(recipe, data, work, encode_text)
    names = class_vectors(recipe, data, work, encode_text)
    sights = [
        look(tower, recipe.frozen, pictures=one, pixels=recipe.pixels, work=work) for one in lessons.sets
    ]
    before = [features(tower, recipe.frozen, one) for one in sights]
    seen = Seen(before, before, lessons, classifier.requires_grad_(False), names)
    head = fitted(seen, recipe.head, work, recipe.seed)
    if recipe.tuning is not None:
        tune(tower, recipe, sights=sights, seen=seen, head=head, work=work)
    tower.config = replace(tower.config, hidden=recipe.head.hidden)
    tower.head = plain(head)
    return write_encoder(tower, recipe.name, out)


def load_lessons(recipe: StartedRecipe, data: Path, work: Path, encode_text: EncodeText) -> Lessons:
    """Every data set without what is withheld, and the vectors of its texts and of the bank's sentences."""
    measured = guard(recipe.withheld, data)
    sets: list[Pictures] = []
    for spec in recipe.data:
        pictures = load_pictures(data, spec, recipe.templates)
        sets.append(measured.without(pictures, work) if measured else pictures)
    numbers: dict[str, int] = {}

    def numbered(texts: Sequence[str]) -> np.ndarray:
        return np.array([numbers.setdefault(text, len(numbers)) for text in texts], np.int64)

    rows = [[numbered(texts) for texts in one.texts] for one in sets]
    numbered(read_sentences(recipe.bank_file, data, measured))
    vectors = text_vectors(list(numbers), work, encode_text)
    return Lessons(sets, [one.share for one in recipe.data], rows, vectors)


def _shorter(recipe: StartedRecipe, steps: int | None) -> StartedRecipe:
    if steps is None:
        return recipe
    tuning = recipe.tuning and replace(recipe.tuning, steps=min(steps, recipe.tuning.steps))
    return replace(recipe, head=replace(recipe.head, steps=min(steps, recipe.head.steps)), tuning=tuning)
