"""The teachers of a corpus that read text too, and the vectors that they give to one batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from searchkit.training.distillation import Taught
from searchkit.training.recipe import FEATURES, Optimisation
from searchkit.training.store import ReinforcedPictures, Seen

TEMPERATURE = 0.05
"""τ of a teacher that the recipe does not name."""


@dataclass(frozen=True, slots=True)
class TextTeacher:
    """One teacher with both towers, as `searchkit reinforce` stored its vectors."""

    name: str
    images: Sequence[Seen | None]
    """The vectors of each data set's pictures; None where its store has not this teacher."""
    texts: Tensor
    """(m, dim), a row for each text of the corpus; zero where the teacher was not asked."""
    asked: Tensor
    """(m,) bool: the texts that the teacher was asked for."""

    def to(self, device: torch.device) -> TextTeacher:
        return replace(self, texts=self.texts.to(device), asked=self.asked.to(device))

    def of_pictures(self, places: Sequence[tuple[int, int, int]]) -> Tensor:
        """The vectors, (b, dim), of b places (data set, picture, view); zero where the teacher has not seen
        them."""
        vectors = np.zeros((len(places), self.texts.shape[1]), np.float32)
        for place, (data_set, row, view) in enumerate(places):
            seen = self.images[data_set]
            if seen is not None:
                vectors[place] = seen[row, view]
        return torch.from_numpy(vectors)


def taught_batch(
    teachers: Sequence[TextTeacher],
    texts: Tensor,
    pictures: tuple[Tensor, Sequence[Tensor]],
    rows: Tensor,
    bank: Tensor,
    options: Optimisation,
) -> list[Taught]:
    """The vectors that every teacher gives to b pictures, to their texts `rows` (b,), and to the texts `bank`
    (m,).

    `pictures` are (b, dim) of the recipe's own teacher, carried into the space of `texts` by its head, and
    (b, d) of each of those that read text themselves. The list is empty for a recipe without
    distillation.
    """
    if options.distil == 0:
        return []
    temperatures = options.teacher_temperatures
    carried, seen = pictures
    own = torch.nn.functional.normalize(carried, dim=-1)
    taught = [Taught(own, texts[rows], temperatures.get(FEATURES, TEMPERATURE), bank=texts[bank])]
    for teacher, images in zip(teachers, seen, strict=True):
        unit = torch.nn.functional.normalize(images, dim=-1)
        taught.append(
            Taught(
                unit,
                teacher.texts[rows],
                temperatures.get(teacher.name, TEMPERATURE),
                (unit.norm(dim=-1) > 0.5) & teacher.asked[rows],
                teacher.texts[bank] if bool(teacher.asked[bank].all()) else None,
            )
        )
    return taught


def text_teachers(sets: Sequence[object], numbers: dict[str, int]) -> list[TextTeacher]:
    """The teachers of all stores that read text, by name; `numbers` are the rows of the corpus' texts."""
    stores = [data.store if isinstance(data, ReinforcedPictures) else None for data in sets]
    names = dict.fromkeys(name for store in stores if store is not None for name in store.teachers)
    teachers = []
    for name in names:
        known: dict[str, np.ndarray] = {}
        images: list[Seen | None] = []
        for data, store in zip(sets, stores, strict=True):
            if store is None or name not in store.teachers:
                images.append(None)
                continue
            assert isinstance(data, ReinforcedPictures)
            place = store.teachers.index(name)
            known |= store.vectors_of_texts(place)
            images.append(data.seen(place))
        if not known:
            continue  # this teacher gives features alone
        texts = np.zeros((len(numbers), len(next(iter(known.values())))), np.float32)
        asked = np.zeros(len(numbers), bool)
        for text, row in numbers.items():
            if text in known:
                texts[row], asked[row] = known[text], True
        unit = torch.nn.functional.normalize(torch.from_numpy(texts), dim=-1)  # bf16 left them a little off
        teachers.append(TextTeacher(name, images, unit, torch.from_numpy(asked)))
    return teachers
