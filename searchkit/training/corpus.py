"""The corpus of a distillation: pictures, what the teachers see in them, and the vectors of their texts."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from searchkit.errors import BadInput
from searchkit.training.data import load_pictures
from searchkit.training.ensemble import TextTeacher, text_teachers
from searchkit.training.leaks import Guard, guard, read_sentences
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
"""Number of pictures of each set on which the spread of each map's channels is measured."""
PART = 10_000
"""Number of texts that are encoded before the log hears how many are left."""

EncodeText = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Corpus:
    """All data sets as one; a row of the corpus is (data set, picture)."""

    sets: Sequence[Views]
    features: Sequence[np.ndarray | Seen]
    """The teacher's features of each set, (n, views, width)."""
    maps: Sequence[Sequence[np.ndarray]]
    """The teacher's maps of each set, one array a map: (n, views, side, side, width)."""
    text_rows: Sequence[Sequence[np.ndarray]]
    """The rows of `texts` that describe each picture of each set."""
    texts: Tensor
    """The vectors of all texts, (m, dim): unit rows from the locked text tower."""
    synthetic_rows: Sequence[Sequence[np.ndarray]] = ()
    """The rows of `texts` that a captioner wrote of each picture of each set."""
    teachers: Sequence[TextTeacher] = ()
    """The teachers that read text, from reinforced data sets."""

    def described(self) -> list[tuple[int, int]]:
        """The rows, (data set, picture), that have a text."""
        return [(s, r) for s, rows in enumerate(self.text_rows) for r, texts in enumerate(rows) if len(texts)]

    def text_of(self, rows: Sequence[tuple[int, ...]]) -> ChooseText:
        """A function that draws a text for some of these rows, which begin with data set and picture."""

        def choose(rng: np.random.Generator, picked: np.ndarray) -> np.ndarray:
            return np.array([rng.choice(self.text_rows[rows[n][0]][rows[n][1]]) for n in picked])

        return choose

    def to(self, device: torch.device) -> Corpus:
        """The corpus with all that steps multiply on a device."""
        return replace(
            self, texts=self.texts.to(device), teachers=[teacher.to(device) for teacher in self.teachers]
        )


def load_corpus(recipe: Recipe, data: Path, work: Path, encode_text: EncodeText) -> Corpus:
    """Read every data set, the teacher's features of it, and the vectors of its texts."""
    measured = guard(recipe.withheld, data)
    sets = list(_read_sets(recipe, data, work, measured))

    def teacher() -> TFLiteTeacher:
        return TFLiteTeacher(data, recipe.teacher, threads=2)

    # the teacher reads the pictures, save where a store has all that is wanted of it
    stored = [None if recipe.teacher.maps else stored_features(pictures) for pictures in sets]
    features: list[np.ndarray | Seen] = []
    maps: list[list[np.ndarray]] = []
    for pictures, known in zip(sets, stored, strict=True):
        seen = [] if known else teacher_features(pictures, teacher, work / f"{pictures.name}.npy")
        features.append(known or seen[0])
        maps.append(seen[1:])
    numbers: dict[str, int] = {}

    def numbered(texts: Sequence[Sequence[str]]) -> list[np.ndarray]:
        return [np.array([numbers.setdefault(t, len(numbers)) for t in own], np.int64) for own in texts]

    text_rows = [numbered(pictures.texts) for pictures in sets]
    synthetic = [numbered(getattr(pictures, "synthetic", None) or [()] * len(pictures)) for pictures in sets]
    numbered([read_sentences(recipe.bank_file, data, measured)])
    vectors = text_vectors(list(numbers), work, encode_text)
    return Corpus(sets, features, maps, text_rows, vectors, synthetic, text_teachers(sets, numbers))


def _read_sets(recipe: Recipe, data: Path, work: Path, measured: Guard | None) -> Iterator[Views]:
    """The data sets of a recipe, from `work` or else from `data`, without what is measured on."""
    for spec in recipe.data:
        if spec.optional and not (data / spec.file).is_file() and not (work / spec.file).is_file():
            log.warning("%s is not there and the recipe says it may be missing", spec.file)
            continue
        pictures = load_pictures(work if (work / spec.file).is_file() else data, spec, recipe.templates)
        pictures = measured.without(pictures, work) if measured else pictures
        yield reinforced_pictures(pictures, spec, data, work)


def text_vectors(texts: list[str], work: Path, encode_text: EncodeText) -> Tensor:
    """(n, dim), encoded once and kept in `work`."""
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
    """The visual teacher's numbers made usable: features and maps standardised, and a head into the text
    space."""

    to_space: nn.Module
    features: Standardise
    maps: Sequence[Standardise]

    def to(self, device: torch.device) -> VisualTeacher:
        """The teacher with its head on a device."""
        return replace(self, to_space=self.to_space.to(device))


def visual_teacher(recipe: Recipe, corpus: Corpus, work: Path) -> VisualTeacher:
    """The visual teacher of a corpus, with its head into the text space fitted once and kept in `work`.

    Raises `BadInput` where no picture has a text.
    """
    even = [
        Standardise(np.concatenate([maps[:EVEN, 0].reshape(-1, maps.shape[-1]) for maps in of_sets]))
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
