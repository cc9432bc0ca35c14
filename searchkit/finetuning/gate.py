"""One way of searching, from its pairs to a verdict: learn a map, measure it on held-out questions, and on
questions that have nothing to do with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from searchkit.evaluation.compare import PRIMARY, Difference, Retrieval, compare, to_json
from searchkit.finetuning.adapter import LARGE, Examples, Fitted, Options, fit_map
from searchkit.finetuning.curve import Look
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.pairs import HARD_NEGATIVES, Direction, Pair
from searchkit.finetuning.split import Parts
from searchkit.finetuning.vectors import SideVectors
from searchkit.search.adapter import QueryMap
from searchkit.types import Vectors

FORGET = 0.05
"""The 95 % interval of what generic questions lose of the primary metric must stay above minus this."""
WORTH = 0.01
"""Gain of the primary metric that a change is worth: at the level of chance a smaller one can be told from
none, and even pairs thrown together at random bring it now and then."""
FEWEST = 20
"""Held-out questions below which nothing can be said with confidence."""
DEV_ITEMS = 4000
"""Items that development questions are put to: they are measured at every look."""
SMALL = 4000
"""Training pairs below which the map is linear; from here on it gets an inner layer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one way of searching."""

    direction: Direction
    train: int
    dev: int
    held_out: int
    """Questions."""
    fitted: Fitted
    found: Mapping[str, Difference]
    """Held-out questions, before and after."""
    generic: Difference | None
    """The primary metric of questions that have nothing to do with the pairs; None where there are none."""
    accepted: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        fitted = self.fitted
        return {
            "direction": str(self.direction),
            "accepted": self.accepted,
            "why": self.why,
            "pairs": {"train": self.train, "dev": self.dev},
            "held_out_questions": self.held_out,
            "width": 0 if fitted.map is None else len(fitted.map.down),
            "steps": fitted.steps,
            "mined": fitted.mined,
            "strength": 0.0 if fitted.map is None else round(float(fitted.map.strength), 4),
            "metrics": to_json(self.found),
            "generic": None if self.generic is None else self.generic.to_json(),
        }


def judge(
    direction: Direction,
    parts: Parts,
    vectors: SideVectors,
    generic: Generic,
    distractors: Vectors,
    *,
    nearby: Vectors | None = None,
    now: QueryMap | None = None,
    seed: int = 0,
    on_step: Callable[[int, int], object] = lambda done, total: None,
    on_look: Callable[[Look], object] = lambda look: None,
) -> Verdict | None:
    """Learn from the training pairs, choose by the development pairs, measure once on the held-out ones.

    All pairs are of this direction. `distractors` are vectors of more items of its kind, none of them an
    answer; `nearby` are those that the training questions find, and hard negatives are mined among them;
    `now` is the map that is in use, which the new one must be better than. None where fewer than FEWEST
    held-out questions are there to measure.
    """
    task = retrieval(parts.held_out, [*parts.train, *parts.dev], vectors, distractors)
    dev = retrieval(parts.dev, parts.train, vectors, distractors, most=DEV_ITEMS)
    if len(task.queries) < FEWEST or not len(dev.queries) or len(parts.train) < FEWEST:
        return None
    options = replace(Options() if len(parts.train) < SMALL else LARGE, seed=seed)
    if nearby is not None:
        options = replace(options, mined=(0, HARD_NEGATIVES))
        distractors = np.concatenate([distractors, nearby])

    score = scorer(dev, generic.rehearsal(direction))
    examples = examples_of(parts.train, vectors, distractors)
    fitted = fit_map(
        examples, generic.bystanders(direction), score, options, on_step=on_step, on_look=on_look
    )
    one = fitted.map
    found = _difference(task, now, one, seed)
    check = generic.check(direction)
    kept = None if check is None else _difference(check, None, one, seed)[PRIMARY]
    accepted, why = verdict(fitted, found[PRIMARY], kept)
    sizes = (len(parts.train), len(parts.dev), len(task.queries))
    return Verdict(direction, *sizes, fitted, found, kept, accepted, why)


def scorer(dev: Retrieval, rehearsal: Retrieval | None) -> Callable[[QueryMap | None], float]:
    """What a map is chosen by: the primary metric of the development questions, and nothing for a map that
    loses half of what may be forgotten on the generic questions that were replayed."""
    enough = 0.0 if rehearsal is None else rehearsal.mean() - FORGET / 2

    def score(one: QueryMap | None) -> float:
        if one is None:
            return dev.mean()
        if rehearsal is not None and rehearsal.mean(queries=one(rehearsal.queries)) < enough:
            return 0.0
        return dev.mean(queries=one(dev.queries))

    return score


def verdict(fitted: Fitted, found: Difference, generic: Difference | None) -> tuple[bool, str]:
    """Whether a map may be used, and why."""
    if fitted.map is None:
        return False, "no map was better on the development pairs"
    if not found.better:
        return False, f"held-out {PRIMARY} is not better with confidence"
    if found.after - found.before < WORTH:
        return False, f"held-out {PRIMARY} is better by less than {WORTH}"
    if generic is not None and generic.low < -FORGET:
        return False, f"it forgets: generic {PRIMARY} may fall by more than {FORGET}"
    return True, "better on held-out questions, with confidence"


def retrieval(
    pairs: Sequence[Pair],
    others: Sequence[Pair],
    vectors: SideVectors,
    distractors: Vectors,
    *,
    most: int | None = None,
) -> Retrieval:
    """The questions of `pairs` put to the answers of all pairs, and to the distractors behind them; of those
    that answer no question of `pairs` only so many that there are no more than `most` items."""
    right: dict[int, list[int]] = {}
    for pair in pairs:
        right.setdefault(pair.query, []).append(pair.positive)
    answers = list(dict.fromkeys(pair.positive for pair in pairs))
    here = set(answers)
    more = list(dict.fromkeys(pair.positive for pair in others if pair.positive not in here))
    room = max(0, (most or len(answers) + len(more) + len(distractors)) - len(answers))
    more = more[:room]
    items = [vectors.found[answers], vectors.found[more], distractors[: room - len(more)]]
    place = {side: row for row, side in enumerate([*answers, *more])}
    for query in right:  # a side may ask here and answer elsewhere
        place.setdefault(query, -1)
    return Retrieval(
        vectors.asked[list(right)],
        np.concatenate(items),
        [[place[side] for side in sides] for sides in right.values()],
        [place[query] for query in right],
    )


def examples_of(pairs: Sequence[Pair], vectors: SideVectors, distractors: Vectors) -> Examples:
    """What a map learns from: the pairs, and the answers of the others and the distractors as negatives."""
    wrong = list(dict.fromkeys(side for pair in pairs for side in pair.negatives))
    place = {side: row for row, side in enumerate(wrong)}
    return Examples(
        vectors.asked[[pair.query for pair in pairs]],
        vectors.found[[pair.positive for pair in pairs]],
        vectors.found[wrong],
        [[place[side] for side in pair.negatives] for pair in pairs],
        np.concatenate([vectors.found[sorted({pair.positive for pair in pairs})], distractors]),
    )


def _difference(
    task: Retrieval, before: QueryMap | None, after: QueryMap | None, seed: int
) -> dict[str, Difference]:
    first, second = (
        task.scores(None if one is None else one(task.queries)) for one in (before, after or before)
    )
    return compare(first, second, seed=seed)
