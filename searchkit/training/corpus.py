"""All that a run learns from: pictures, what the teacher sees in them, and vectors of their texts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from searchkit.errors import BadInput
from searchkit.training.data import load_pictures
from searchkit.training.ensemble import TextTeacher, text_teachers
from searchkit.training.leaks import guard, read_sentences
from searchkit.training.recipe import Recipe
from searchkit.training.rendered import Views
from searchkit.training.store import Seen, reinforced_pictures, stored_features
from searchkit.training.teacher import (
    ChooseText,
    Standardise,
    TFLiteTeacher,
    fit_head,
    space_head,
    teacher_features,
)
from searchkit.types import Vectors

log = logging.getLogger(__name__)

EVEN = 200
"""Pictures of each set whose maps say how each channel of a map is spread."""

PART = 10_000
"""Texts that are encoded before it is said how many are left."""

EncodeText = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All data sets as one: row r of the corpus is (data set, picture)."""

    sets: Sequence[Views]
    features: Sequence[np.ndarray | Seen]
    """Of each set: (n, views, width) from the teacher."""
    maps: Sequence[Sequence[np.ndarray]]
    """Of each set and each map of the teacher: (n, views, side, side, width)."""
    text_rows: Sequence[Sequence[np.ndarray]]
    """Of each set and picture: the rows of `texts` that describe it."""
    texts: Tensor
    """(m, dim), unit rows from the locked text tower."""
    synthetic_rows: Sequence[Sequence[np.ndarray]] = ()
    """As `text_rows`, of the sentences that a captioner wrote."""
    teachers: Sequence[TextTeacher] = ()
    """Those that read text, from reinforced data sets."""

    def described(self) -> list[tuple[int, int]]:
        """(data set, picture) of those that have a text."""
        return [(s, r) for s, some in enumerate(self.text_rows) for r, texts in enumerate(some) if len(texts)]

    def text_of(self, rows: Sequence[tuple[int, ...]]) -> ChooseText:
        """Draws a text for each of some of these rows, which begin with data set and picture."""

        def choose(rng: np.random.Generator, picked: np.ndarray) -> np.ndarray:
            return np.array([rng.choice(self.text_rows[rows[n][0]][rows[n][1]]) for n in picked])

        return choose

    def to(self, device: torch.device) -> Corpus:
        """With all that steps multiply there."""
        return replace(self, texts=self.texts.to(device), teachers=[one.to(device) for one in self.teachers])


def load_corpus(recipe: Recipe, data: Path, work: Path, encode_text: EncodeText) -> Corpus:
    """Read every data set, the teacher's features of it, and the vectors of its texts."""
    sets: list[Views] = []
    measured = guard(recipe.withheld, data)
    for spec in recipe.data:
        if spec.optional and not (data / spec.file).is_file() and not (work / spec.file).is_file():
            log.warning("%s is not there and the recipe says it may be missing", spec.file)
            continue
        pictures = load_pictures(work if (work / spec.file).is_file() else data, spec, recipe.templates)
        pictures = measured.without(pictures, work) if measured else pictures
        sets.append(reinforced_pictures(pictures, spec, data, work))

    def teacher() -> TFLiteTeacher:
        return TFLiteTeacher(data, recipe.teacher, threads=2)

    # the teacher looks itself, save where a store has all that is wanted of it
    stored = [None if recipe.teacher.maps else stored_features(one) for one in sets]
    features: list[np.ndarray | Seen] = []
    maps: list[list[np.ndarray]] = []
    for one, known in zip(sets, stored, strict=True):
        seen = [] if known else teacher_features(one, teacher, work / f"{one.name}.npy")
        features.append(known or seen[0])
        maps.append(seen[1:])
    numbers: dict[str, int] = {}

    def numbered(texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        return [np.array([numbers.setdefault(t, len(numbers)) for t in some], np.int64) for some in texts]

    text_rows = [numbered(one.texts) for one in sets]
    synthetic = [numbered(getattr(one, "synthetic", None) or [()] * len(one)) for one in sets]
    numbered([read_sentences(recipe, data, measured)])
    vectors = _text_vectors(list(numbers), work, encode_text)
    return Corpus(sets, features, maps, text_rows, vectors, synthetic, text_teachers(sets, numbers))


def _text_vectors(texts: list[str], work: Path, encode_text: EncodeText) -> Tensor:
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    store = work / f"texts-{digest}.npy"
    if not store.is_file():
        parts = []
        for first in range(0, max(1, len(texts)), PART):
            log.info("texts: %d/%d", first, len(texts))
            parts.append(encode_text(texts[first : first + PART]))
        scratch = work / "texts.tmp.npy"
        np.save(scratch, np.concatenate(parts))
        scratch.replace(store)  # a run that is killed while it writes does not read half of it the next time
    return torch.from_numpy(np.load(store))


@dataclass(frozen=True, slots=True)
class VisualTeacher:
    """What its numbers mean: features and maps made even, and where in the text space a feature lies."""

    to_space: nn.Module
    features: Standardise
    maps: Sequence[Standardise]


def visual_teacher(recipe: Recipe, corpus: Corpus, work: Path) -> VisualTeacher:
    """With the head that carries features into the text space, fitted once and kept in `work`."""
    even = [
        Standardise(np.concatenate([one[:EVEN, 0].reshape(-1, one.shape[-1]) for one in of_sets]))
        for of_sets in zip(*corpus.maps, strict=True)
    ]
    rows = corpus.described()
    if not rows:
        raise BadInput("none of the recipe's pictures has a text", hint="a data set needs captions or labels")
    flat = np.stack([corpus.features[s][r, 0] for s, r in rows])
    standardise = Standardise(flat)
    spec = recipe.teacher
    store = work / f"head-{len(flat)}-{len(corpus.texts)}-{spec.head_steps}.pt"
    if store.is_file():
        known = space_head(spec.width, corpus.texts.shape[1])
        known.load_state_dict(torch.load(store, weights_only=True))
        return VisualTeacher(known.eval(), standardise, even)

    choose = corpus.text_of(rows)
    head = fit_head(standardise(flat), corpus.texts, choose, steps=spec.head_steps, seed=recipe.seed)
    torch.save(head.state_dict(), store)
    return VisualTeacher(head, standardise, even)
