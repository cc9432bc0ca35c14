"""What pictures that a tower has looked at are called: texts drawn for each, and the names of what the
tower's own classifier tells apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
import torch.nn.functional as F
from torch import Tensor

from searchkit.errors import BadInput
from searchkit.training.corpus import EncodeText, text_vectors
from searchkit.training.data import Pictures
from searchkit.training.started import Classes, StartedRecipe

CLASSES = 1000


@dataclass(frozen=True, slots=True)
class Draw:
    """Pictures of one step: places (data set, picture, view), and the texts of those that have one."""

    places: list[tuple[int, int, int]]
    texts: Tensor  # (t, dim), unit rows
    described: Tensor  # (b,) bool, t of them


@dataclass(frozen=True, slots=True)
class Lessons:
    """All data sets, and vectors of all that is said of their pictures."""

    sets: Sequence[Pictures]
    shares: Sequence[float]
    rows: Sequence[Sequence[np.ndarray]]
    """The rows of `texts` that describe each picture of each set."""
    texts: Tensor
    """(m, dim), unit rows; also what pictures have to tell apart from their own texts."""

    def draw(self, rng: np.random.Generator, batch: int, mixed: float) -> Draw:
        """Draws pictures of every set by its share. A part `mixed` of the texts are means of all that is said
        of a picture, by weights from a flat Dirichlet distribution."""
        places: list[tuple[int, int, int]] = []
        texts, described = [], []
        for number, (one, share) in enumerate(zip(self.sets, self.shares, strict=True)):
            count = max(1, round(batch * share / sum(self.shares)))
            for row in rng.integers(0, len(one), count):
                places.append((number, int(row), int(rng.integers(one.views))))
                said = self.rows[number][row]
                described.append(len(said) > 0)
                if len(said):
                    texts.append(self._text(rng, said, mixed))
        return Draw(places, torch.stack(texts), torch.tensor(described))

    def _text(self, rng: np.random.Generator, said: np.ndarray, mixed: float) -> Tensor:
        if rng.random() >= mixed:
            return self.texts[int(rng.choice(said))]
        weights = torch.from_numpy(rng.dirichlet(np.ones(len(said)))).float()
        return F.normalize(weights @ self.texts[said], dim=0)

    def others(self, rng: np.random.Generator, count: int) -> Tensor:
        """(count, dim) texts, of any picture or of none."""
        return self.texts[torch.from_numpy(rng.integers(len(self.texts), size=count))]


def class_vectors(recipe: StartedRecipe, data: Path, work: Path, encode_text: EncodeText) -> Tensor:
    """(1,000, dim), unit rows: what the start's classes are called, in many sentences. Raises `BadInput`."""
    names = _names(data / recipe.classes.file, recipe.classes)
    kinds = _kinds(recipe.classes.kinds)
    sentences, owners = [], []
    for number, name in enumerate(names):
        both = [f"{name}, a {kinds[number][0]}"] if kinds[number] else []
        for called in (name, *kinds[number], *both):
            sentences += [template.format(label=called) for template in recipe.templates[:4]]
            owners += [number] * len(recipe.templates[:4])
    vectors = text_vectors(sentences, work, encode_text)
    sums = torch.zeros(CLASSES, vectors.shape[1]).index_add_(0, torch.tensor(owners), vectors)
    return F.normalize(sums, dim=-1)


def _names(path: Path, spec: Classes) -> list[str]:
    if not path.is_file():
        raise BadInput(f"training data {path} is missing", hint="put it into the folder of --data")
    table = pq.read_table(path, columns=["label"], filters=[("source", "=", spec.source)])
    names: list[str] = table.column("label").to_pylist()
    if len(names) != CLASSES:
        raise BadInput(
            f"{path} has {len(names)} pictures of the source {spec.source}, a class each: not {CLASSES}",
            hint="name the file and source of the samples in [classes]",
        )
    return names


def _kinds(said: dict[str, str]) -> list[list[str]]:
    """The everyday words of each class, in whose ranges it is."""
    found: list[list[str]] = [[] for _ in range(CLASSES)]
    for word, ranges in said.items():
        for part in ranges.split(","):
            first, _, last = part.partition("-")
            for number in range(int(first), int(last or first) + 1):
                found[number].append(word)
    return found
