"""What a locked tower reads has one vector for the whole run: it is looked up, or computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from searchkit.finetuning.couples import Couples, pixels_of
from searchkit.finetuning.towers import Towers
from searchkit.types import Vectors


class Table:
    """Vectors of one side of a data set: those that are given, and others as they are first asked for."""

    def __init__(
        self, items: Sequence[Any], keys: np.ndarray, given: Vectors | None, embed: Callable[[Any], Tensor]
    ) -> None:
        self.items, self.keys, self.embed = items, keys, embed
        self.vectors: dict[int, Tensor] = {}
        """By key: equal items have one."""
        self.computed: list[int] = []
        self.given = None if given is None else given[np.unique(keys, return_index=True)[1]]
        """(m, dim), row k of key k."""
        if self.given is not None:
            self.vectors = dict(enumerate(torch.from_numpy(self.given)))

    def __call__(self, rows: np.ndarray) -> Tensor:
        """(b, dim) of these rows."""
        missing = {int(self.keys[row]): row for row in rows if int(self.keys[row]) not in self.vectors}
        if missing:
            with torch.no_grad():
                made = self.embed([self.items[row] for row in missing.values()]).cpu()
            self.put(list(missing), made)
        return torch.stack([self.vectors[int(self.keys[row])] for row in rows])

    def draw(self, count: int, rng: np.random.Generator) -> Tensor | None:
        """(count, dim) of those that were given; None without any."""
        if self.given is None or not count:
            return None
        return torch.from_numpy(self.given[rng.permutation(len(self.given))[:count]])

    def put(self, keys: Sequence[int], vectors: Tensor) -> None:
        self.vectors.update(zip(keys, vectors, strict=True))
        self.computed.extend(keys)

    def state(self) -> tuple[list[int], Tensor]:
        """What was computed: of another batch it would differ in the last bits."""
        vectors = [self.vectors[key] for key in self.computed]
        return self.computed, torch.stack(vectors) if vectors else torch.zeros(0, 0)


class Locked:
    """The tables of some data sets under towers of which one, or none, is locked."""

    def __init__(self, towers: Towers, sets: Sequence[Couples]) -> None:
        self.tables: dict[tuple[int, str], Table] = {}  # (which data set, which side) -> its table
        self.plan = towers.plan
        learns = self.plan.learns

        def pictures(some: Sequence[Any]) -> Tensor:
            return towers.embed_pictures(torch.from_numpy(pixels_of(some, towers.prepare)))

        for one in sets:
            if "text" not in learns:
                self.tables[id(one), "asked"] = Table(
                    one.texts, one.text_keys, one.text_vectors, towers.embed_texts
                )
            if ("images" if one.has_pictures else "text") not in learns:
                embed = pictures if one.has_pictures else towers.embed_texts
                self.tables[id(one), "found"] = Table(one.answers, one.answer_keys, one.answer_vectors, embed)

    def asked(self, couples: Couples, rows: np.ndarray) -> Tensor | None:
        """(b, dim) of the texts of these rows; None where their tower moves."""
        table = self.tables.get((id(couples), "asked"))
        return None if table is None else table(rows)

    def found(self, couples: Couples, rows: np.ndarray) -> Tensor | None:
        """(b, dim) of their answers, likewise."""
        table = self.tables.get((id(couples), "found"))
        return None if table is None else table(rows)

    def bank(self, couples: Couples, step: int) -> Tensor | None:
        """(m, dim) that may be drawn at a step: of the side that is locked, where the other one learns."""
        sides = [table for (one, _), table in self.tables.items() if one == id(couples)]
        rng = np.random.default_rng([self.plan.seed, step, 2])
        return sides[0].draw(self.plan.bank, rng) if len(sides) == 1 else None

    def state(self) -> list[tuple[list[int], Tensor]]:
        return [table.state() for table in self.tables.values()]

    def load(self, state: Sequence[tuple[list[int], Tensor]]) -> None:
        """Raises `ValueError` for the state of other data sets."""
        for table, (keys, vectors) in zip(self.tables.values(), state, strict=True):
            table.put(keys, vectors)
