"""Batches of a training set, with the vectors that a locked tower gives: each is looked up, or computed
once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from searchkit.finetuning.towers import Towers
from searchkit.finetuning.training_set import TrainingSet, pixels_of
from searchkit.types import Vectors


class Sampler:
    """Draws rows: a training set by its share, of which no row comes again before all have come.

    Equal seeds and positions give equal batches; `positions` is all that a resumed run needs.
    """

    def __init__(self, sets: Sequence[TrainingSet], batch: int, seed: int) -> None:
        self.sets, self.batch, self.seed = sets, batch, seed
        self.positions = [0] * len(sets)
        """Number of rows of each training set that have been drawn."""
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def draw(self, step: int) -> tuple[TrainingSet, np.ndarray] | None:
        """The training set and rows, (b,), of a step; None where there is no set, or an empty one was
        drawn."""
        if not self.sets:
            return None
        shares = np.array([data.share for data in self.sets])
        at = int(np.random.default_rng([self.seed, step]).choice(len(self.sets), p=shares / shares.sum()))
        total, first = len(self.sets[at]), self.positions[at]
        if not total:
            return None
        rows = [self._order(at, n // total)[n % total] for n in range(first, first + min(self.batch, total))]
        self.positions[at] = first + len(rows)
        return self.sets[at], np.array(rows, np.int64)

    def _order(self, at: int, turn: int) -> np.ndarray:
        """The order of a training set's rows when all of them come for the `turn`th time."""
        if (at, turn) not in self._orders:
            rng = np.random.default_rng([self.seed, at, turn, 1])
            self._orders = {
                key: order for key, order in self._orders.items() if key[0] != at or key[1] >= turn - 1
            }
            self._orders[at, turn] = rng.permutation(len(self.sets[at]))
        return self._orders[at, turn]


class Table:
    """The vectors of one side of a training set: those that are given, and others as they are first asked
    for."""

    def __init__(
        self, items: Sequence[Any], keys: np.ndarray, given: Vectors | None, embed: Callable[[Any], Tensor]
    ) -> None:
        self.items, self.keys, self.embed = items, keys, embed
        self.vectors: dict[int, Tensor] = {}
        """The vector of each key: equal items have one."""
        self.computed: list[int] = []
        self.given = None if given is None else given[np.unique(keys, return_index=True)[1]]
        """(m, dim), row k of key k."""
        if self.given is not None:
            self.vectors = dict(enumerate(torch.from_numpy(self.given)))

    def __call__(self, rows: np.ndarray) -> Tensor:
        """The vectors of some rows, (b, dim)."""
        missing = {int(self.keys[row]): row for row in rows if int(self.keys[row]) not in self.vectors}
        if missing:
            with torch.no_grad():
                made = self.embed([self.items[row] for row in missing.values()]).cpu()
            self._put(list(missing), made)
        return torch.stack([self.vectors[int(self.keys[row])] for row in rows])

    def draw(self, count: int, rng: np.random.Generator) -> Tensor | None:
        """Up to `count` of the vectors that were given, (m, dim); None without any."""
        if self.given is None or not count:
            return None
        return torch.from_numpy(self.given[rng.permutation(len(self.given))[:count]])

    def state_dict(self) -> tuple[list[int], Tensor]:
        """The keys and vectors that were computed: in another batch they would differ in their last bits."""
        vectors = [self.vectors[key] for key in self.computed]
        return self.computed, torch.stack(vectors) if vectors else torch.zeros(0, 0)

    def load_state_dict(self, state: tuple[list[int], Tensor]) -> None:
        self._put(*state)

    def _put(self, keys: Sequence[int], vectors: Tensor) -> None:
        self.vectors.update(zip(keys, vectors, strict=True))
        self.computed.extend(keys)


class LockedVectors:
    """The tables of some training sets under towers of which one, or none, is locked."""

    def __init__(self, towers: Towers, sets: Sequence[TrainingSet]) -> None:
        self.tables: dict[tuple[int, str], Table] = {}  # (which training set, which side) -> its table
        self.plan = towers.plan
        learns = self.plan.learns

        def pictures(answers: Sequence[Any]) -> Tensor:
            return towers.embed_pictures(torch.from_numpy(pixels_of(answers, towers.prepare)))

        for data in sets:
            if "text" not in learns:
                self.tables[id(data), "asked"] = Table(
                    data.texts, data.text_keys, data.text_vectors, towers.embed_texts
                )
            if ("images" if data.has_pictures else "text") not in learns:
                embed = pictures if data.has_pictures else towers.embed_texts
                self.tables[id(data), "found"] = Table(
                    data.answers, data.answer_keys, data.answer_vectors, embed
                )

    def of(self, data: TrainingSet, side: str, rows: np.ndarray) -> Tensor | None:
        """The vectors of some rows' texts ("asked") or answers ("found"), (b, dim); None where their tower
        moves."""
        table = self.tables.get((id(data), side))
        return None if table is None else table(rows)

    def bank(self, data: TrainingSet, step: int) -> Tensor | None:
        """The vectors that are drawn at a step, (m, dim), from the locked side where the other one learns."""
        sides = [table for (one, _), table in self.tables.items() if one == id(data)]
        rng = np.random.default_rng([self.plan.seed, step, 2])
        return sides[0].draw(self.plan.bank, rng) if len(sides) == 1 else None

    def state_dict(self) -> list[tuple[list[int], Tensor]]:
        return [table.state_dict() for table in self.tables.values()]

    def load_state_dict(self, state: Sequence[tuple[list[int], Tensor]]) -> None:
        """Raises `ValueError` for the state of other training sets."""
        for table, computed in zip(self.tables.values(), state, strict=True):
            table.load_state_dict(computed)


@dataclass(frozen=True, slots=True)
class PairBatch:
    """One batch of one training set, as the towers read it; a side whose tower is locked as its vectors."""

    asked: Any
    """The b texts, or their vectors (b, dim)."""
    found: Any
    """The b answers: texts, or pictures (b, p, p, 3) uint8, or their vectors (b, dim)."""
    negatives: Sequence[str]
    """The h hard negatives of each text, one text after another: b·h texts."""
    there: Tensor
    """(b, h) bool: which of the negatives there are; the others only fill up."""
    same: Tensor
    """(b, b) bool: whose texts or answers are equal."""
    bank: Tensor | None = None
    """(m, dim) vectors of a locked tower that go with none of the batch, or nearly none."""

    def columns(self) -> Mapping[str, Any]:
        """What the towers embed, by name."""
        columns = {"asked": self.asked, "found": self.found}
        return columns | ({"negatives": self.negatives} if len(self.negatives) else {})


def pair_batch(
    data: TrainingSet, rows: np.ndarray, towers: Towers, locked: LockedVectors | None = None, *, step: int = 0
) -> PairBatch:
    """The batch of some rows, with the vectors that are `locked`, and a bank of those for this step."""
    asked: Any = None if locked is None else locked.of(data, "asked", rows)
    found: Any = None if locked is None else locked.of(data, "found", rows)
    if asked is None:
        asked = [data.texts[row] for row in rows]
    if found is None:
        found = [data.answers[row] for row in rows]
        found = torch.from_numpy(pixels_of(found, towers.prepare)) if data.has_pictures else found
    hard = towers.plan.hard if data.negatives else 0
    wrong = [list(data.negatives[row])[:hard] if hard else [] for row in rows]
    there = torch.tensor([[n < len(own) for n in range(hard)] for own in wrong], dtype=torch.bool)
    return PairBatch(
        asked,
        found,
        [text for own in wrong for text in [*own, *[""] * (hard - len(own))]],
        there.view(len(wrong), hard),
        torch.from_numpy(data.same(rows)),
        None if locked is None else locked.bank(data, step),
    )
