"""Pairs to learn from, to choose by, and to be measured on, with nothing nearly the same in two of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from searchkit.finetuning.pairs import Pair, Pairs
from searchkit.types import Vectors

SHARE = 0.15
"""Of all pairs, for each of the development and the held-out part; but no more than…"""
MOST = 2000
NEAR = 0.98
"""Cosine from which two texts, or two pictures, count as nearly the same."""


@dataclass(frozen=True, slots=True)
class Parts:
    """`removed` pairs were nearly the same as some of a part that is measured, and are used for nothing."""

    train: Sequence[Pair]
    dev: Sequence[Pair]
    held_out: Sequence[Pair]
    removed: int


def split(pairs: Pairs, vectors: Vectors, *, near: float = NEAR, seed: int = 0) -> Parts:
    """Groups of pairs that share a text or a picture stay together; then, of the development pairs those near
    a held-out one are removed, and of the training pairs those near either. Equal seeds split equally.

    `vectors` are (n, dim), one a side of the pairs.
    """
    groups = _groups(pairs)
    order = np.random.default_rng(seed).permutation(len(groups))
    room = min(MOST, int(SHARE * len(pairs.pairs)))
    parts: tuple[list[Pair], list[Pair], list[Pair]] = ([], [], [])  # held out, dev, train
    for number in order:
        some = groups[number]
        place = next((p for p in (0, 1) if len(parts[p]) + len(some) <= room), 2)
        parts[place].extend(some)
    held_out, dev, train = parts
    texts = np.array([side.text is not None for side in pairs.sides])
    near_held_out = _near(_sides(held_out), texts, vectors, near)
    kept_dev = [pair for pair in dev if not _touches(pair, near_held_out)]
    near_either = near_held_out | _near(_sides(kept_dev), texts, vectors, near)
    kept = [pair for pair in train if not _touches(pair, near_either)]
    removed = len(dev) - len(kept_dev) + len(train) - len(kept)
    return Parts(kept, kept_dev, held_out, removed)


def _groups(pairs: Pairs) -> list[list[Pair]]:
    """Pairs joined by equal sides, directly or through others; negatives join nothing."""
    above = list(range(len(pairs.sides)))

    def top(side: int) -> int:
        while above[side] != side:
            above[side] = side = above[above[side]]
        return side

    for pair in pairs.pairs:
        above[top(pair.query)] = top(pair.positive)
    groups: dict[int, list[Pair]] = {}
    for pair in pairs.pairs:
        groups.setdefault(top(pair.query), []).append(pair)
    return list(groups.values())


def _sides(pairs: Iterable[Pair]) -> set[int]:
    return {side for pair in pairs for side in (pair.query, pair.positive)}


def _touches(pair: Pair, sides: set[int]) -> bool:
    return pair.query in sides or pair.positive in sides


def _near(these: set[int], texts: np.ndarray, vectors: Vectors, near: float) -> set[int]:
    """All sides that are nearly the same as one of these, text as text and picture as picture."""
    found: set[int] = set()
    for kind in (True, False):
        targets = np.array(sorted(side for side in these if texts[side] == kind), np.int64)
        others = np.flatnonzero(texts == kind)
        for first in range(0, len(others), 2048):
            some = others[first : first + 2048]
            if len(targets):
                found.update(some[(vectors[some] @ vectors[targets].T).max(axis=1) >= near].tolist())
    return found
