"""The gate: held-out questions, measured before and after, decide whether what was learned may be used.

`judge` takes one way of searching from its pairs to a verdict on a map; `accept_encoder` decides on an
encoder, which is one for all ways of searching.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from searchkit.evaluation.compare import PRIMARY, Difference, Retrieval, compare, to_json
from searchkit.finetuning.curve import Look
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.pairs import HARD_NEGATIVES, Direction, Pair
from searchkit.finetuning.prepared import Prepared, SideVectors
from searchkit.finetuning.query_map import LARGE, Examples, Fitted, MapOptions, fit_map
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
"""The most items that development questions are put to: they are measured at every look."""
SMALL = 4000
"""Training pairs below which the map is linear; from here on it gets an inner layer."""

BETTER = "better on held-out questions, with confidence"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one way of searching: the map that was fitted, what it is worth, and whether it may be
    used."""

    direction: Direction
    train: int
    dev: int
    held_out: int
    """Number of held-out questions; `train` and `dev` count pairs."""
    fitted: Fitted
    found: Mapping[str, Difference]
    """Every metric of the held-out questions, before and after."""
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


@dataclass(frozen=True, slots=True)
class DirectionScores:
    """Held-out questions of one way of searching, answered by an encoder before and after it learned."""

    direction: Direction
    train: int
    """Number of training pairs."""
    held_out: int
    """Number of held-out questions."""
    found: Mapping[str, Difference]

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": str(self.direction),
            "pairs": self.train,
            "held_out_questions": self.held_out,
            "metrics": to_json(self.found),
        }


def judge(
    direction: Direction,
    prepared: Prepared,
    generic: Generic,
    *,
    distractors: Vectors,
    nearby: Vectors | None = None,
    in_use: QueryMap | None = None,
    seed: int = 0,
    on_step: Callable[[int, int], object] = lambda done, total: None,
    on_look: Callable[[Look], object] = lambda look: None,
) -> Verdict | None:
    """Learn from the training pairs of a direction, choose by its development pairs, measure once on the
    held-out ones.

    `distractors` (m, dim) are more items of its kind, none of them an answer; `nearby` (k, dim) are those
    that the training questions find, and hard negatives are mined among them; the new map must be better than
    the one `in_use`. None where fewer than FEWEST held-out questions are there to measure.
    """
    parts, vectors = prepared.parts_of(direction), prepared.vectors
    task = retrieval(parts.held_out, [*parts.train, *parts.dev], vectors, distractors)
    dev = retrieval(parts.dev, parts.train, vectors, distractors, most=DEV_ITEMS)
    if len(task.queries) < FEWEST or not len(dev.queries) or len(parts.train) < FEWEST:
        return None
    options = replace(MapOptions() if len(parts.train) < SMALL else LARGE, seed=seed)
    if nearby is not None:
        options = replace(options, mined=(0, HARD_NEGATIVES))
        distractors = np.concatenate([distractors, nearby])
    fitted = fit_map(
        examples_of(parts.train, vectors, distractors),
        generic.bystanders(direction),
        scorer(dev, generic.rehearsal(direction)),
        options,
        on_step=on_step,
        on_look=on_look,
    )
    measured = _difference(task, in_use, fitted.map, seed)
    check = generic.check(direction)
    kept = None if check is None else _difference(check, None, fitted.map, seed)[PRIMARY]
    accepted, why = accept_map(fitted, measured[PRIMARY], kept)
    sizes = (len(parts.train), len(parts.dev), len(task.queries))
    return Verdict(direction, *sizes, fitted, measured, kept, accepted, why)


def scorer(dev: Retrieval, rehearsal: Retrieval | None) -> Callable[[QueryMap | None], float]:
    """The function that a map is chosen by: the primary metric of the development questions, and 0 for a map
    that loses half of FORGET on the generic questions that were replayed."""
    enough = 0.0 if rehearsal is None else rehearsal.mean() - FORGET / 2

    def score(query_map: QueryMap | None) -> float:
        if query_map is None:
            return dev.mean()
        if rehearsal is not None and rehearsal.mean(queries=query_map(rehearsal.queries)) < enough:
            return 0.0
        return dev.mean(queries=query_map(dev.queries))

    return score


def accept_map(fitted: Fitted, held_out: Difference, generic: Difference | None) -> tuple[bool, str]:
    """Whether a map may be used, and why, by its held-out questions and the generic ones."""
    if fitted.map is None:
        return False, "no map was better on the development pairs"
    if not held_out.better:
        return False, f"held-out {PRIMARY} is not better with confidence"
    if held_out.after - held_out.before < WORTH:
        return False, f"held-out {PRIMARY} is better by less than {WORTH}"
    if generic is not None and generic.low < -FORGET:
        return False, f"it forgets: generic {PRIMARY} may fall by more than {FORGET}"
    return True, BETTER


def accept_encoder(
    strength: float, verdicts: Sequence[DirectionScores], generic: Mapping[str, Difference]
) -> tuple[bool, str]:
    """Whether an encoder may be used, and why: it must be better somewhere, worse nowhere, and forget
    nothing."""
    if not strength:
        return False, "nothing was better on the development pairs"
    worse = [str(scores.direction) for scores in verdicts if scores.found[PRIMARY].high < 0]
    if worse:
        return False, f"held-out {PRIMARY} is worse in {', '.join(worse)}"
    better = [scores.found[PRIMARY] for scores in verdicts if scores.found[PRIMARY].better]
    if not better:
        return False, f"held-out {PRIMARY} is not better with confidence"
    if max(difference.after - difference.before for difference in better) < WORTH:
        return False, f"held-out {PRIMARY} is better by less than {WORTH}"
    forgot = [name for name, difference in generic.items() if difference.low < -FORGET]
    if forgot:
        return False, f"it forgets: generic {PRIMARY} of {', '.join(forgot)} may fall by more than {FORGET}"
    return True, BETTER


def retrieval(
    pairs: Sequence[Pair],
    others: Sequence[Pair],
    vectors: SideVectors,
    distractors: Vectors,
    *,
    most: int | None = None,
) -> Retrieval:
    """The questions of `pairs` put to the answers of all pairs, and to the distractors behind them.

    Answers of other pairs, and distractors, are added only up to `most` items in all.
    """
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
    """The examples that a map learns from: the pairs, with the answers of the others and the distractors as
    negatives."""
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
        task.scores(None if query_map is None else query_map(task.queries))
        for query_map in (before, after or before)
    )
    return compare(first, second, seed=seed)
