"""Adapting an encoder itself: training pairs move some of its weights, how far is chosen on development
pairs, and held-out pairs decide."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import BadInput
from searchkit.evaluation.compare import PRIMARY, Difference, Retrieval, compare, to_json
from searchkit.finetuning.couples import Couples, couples_of
from searchkit.finetuning.gate import FEWEST, FORGET, WORTH, retrieval
from searchkit.finetuning.generic import Generic, replayed
from searchkit.finetuning.negatives import mine
from searchkit.finetuning.pairs import Direction, Pair, Pairs
from searchkit.finetuning.plan import Plan
from searchkit.finetuning.run import train_towers
from searchkit.finetuning.split import Parts
from searchkit.finetuning.towers import Towers, between
from searchkit.finetuning.vectors import SideVectors, encode_again
from searchkit.protocols import Encoder
from searchkit.registry import AUTO, load_encoder
from searchkit.types import Kind, Runtime, Vectors

log = logging.getLogger(__name__)

WAYS = ("lit-image", "lit-text", "lora", "full")
"""Recipes "adapt-…": the image tower locked, the text tower locked, low-rank updates of both, all of both."""
STRENGTHS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""α of the weights between those before and those after (WiSE-FT); 0 is to leave the encoder as it is."""
REPLAY = 0.25
"""Part of the steps that repeat pairs which have nothing to do with the corpus."""
DEV_PAIRS, DEV_ITEMS, ITEMS = 500, 1000, 2000
"""Development pairs, the items that they are put to, and those of held-out questions, at most: every one is
encoded again."""
GENERIC = (
    Direction("text", Kind.IMAGE),
    Direction("image", Kind.PASSAGE),
    Direction("text", Kind.PASSAGE),
)

OnProgress = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class Moved:
    """One way of searching, before and after."""

    direction: Direction
    train: int
    held_out: int
    """Questions."""
    found: Mapping[str, Difference]

    def to_json(self) -> dict[str, Any]:
        return {
            "direction": str(self.direction),
            "pairs": self.train,
            "held_out_questions": self.held_out,
            "metrics": to_json(self.found),
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """What became of an encoder."""

    towers: Towers = field(compare=False)
    """As strong as was chosen."""
    strength: float
    """0 where none was better on the development pairs."""
    dev: Mapping[float, float]
    """Of each strength that was tried: the mean gain of the primary metric on development pairs."""
    verdicts: Sequence[Moved]
    generic: Mapping[str, Difference]
    """The primary metric of questions that have nothing to do with the pairs."""
    accepted: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "learns": list(self.towers.plan.learns),
            "strength": self.strength,
            "dev": {str(one): round(gain, 6) for one, gain in self.dev.items()},
            "directions": [one.to_json() for one in self.verdicts],
            "generic": {name: one.to_json() for name, one in self.generic.items()},
            "accepted": self.accepted,
            "why": self.why,
        }


class Trying:
    """An encoder that learns from pairs: `can_judge`, then `learn`, then `judge`."""

    def __init__(
        self, plan: Plan, pairs: Pairs, *, runtime: Runtime = AUTO, replay: Sequence[Couples] = ()
    ) -> None:
        self.plan, self.pairs = plan, pairs
        self.before = Towers(load_encoder(plan.parent, runtime), replace(plan, rank=0)).weights()
        self.towers = Towers(load_encoder(plan.parent, runtime), plan)
        self.replay = [*replay, *replayed()]

    @property
    def encoder(self) -> Encoder:
        return self.towers.encoder

    def can_judge(self, parts: Parts, vectors: SideVectors) -> bool:
        """Whether there are questions enough to choose by and to measure on."""
        self.dev = _Exam(self, parts.dev[:DEV_PAIRS], parts.train, vectors, DEV_ITEMS)
        self.held_out = _Exam(self, parts.held_out, [*parts.train, *parts.dev], vectors, ITEMS)
        return bool(self.dev.before and self.held_out.before)

    def learn(
        self,
        parts: Parts,
        vectors: SideVectors,
        work: Path,
        *,
        passages: Mapping[str, Any],
        on_progress: OnProgress,
    ) -> None:
        """Train on the training pairs, and on the replayed ones. `passages` are more texts of the collection
        with their vectors, from which hard negatives are mined too."""
        text, images = couples_of(self.pairs, parts.train, vectors, share=1 - REPLAY)
        if not (len(text) and "text" in self.plan.learns) and not len(images):
            raise BadInput(
                f"{self.pairs.name} has nothing that {self.plan.name} learns from",
                hint="give texts with pictures; or texts with texts, where the text tower learns",
            )
        if self.plan.hard and len(text):
            text = with_negatives(text, self.pairs, parts.train, vectors, passages)
        # what has no part in the pairs is replayed all the same: the other side must not be forgotten
        words = _with_replayed(text, [one for one in self.replay if not one.has_pictures])
        shown = _with_replayed(images, [one for one in self.replay if one.has_pictures])
        train_towers(
            self.towers,
            words if "text" in self.plan.learns else [],  # a text tower that is locked learns nothing
            shown,
            work,
            on_step=lambda done, total, loss: on_progress("learn", done, total),
        )
        self.towers.merge()

    def judge(self, parts: Parts, before: Generic, *, seed: int = 0, on_progress: OnProgress) -> Trial:
        """Choose how far to go on the development pairs, measure that once on the held-out ones."""
        after = self.towers.weights()
        dev, held_out = self.dev, self.held_out
        gains: dict[float, float] = {}
        for number, strength in enumerate(STRENGTHS):
            on_progress("choose", number, len(STRENGTHS))
            self.towers.put(between(self.before, after, strength))
            gains[strength] = self._gain(dev, before)
        best = max(gains, key=lambda one: (gains[one], -one))
        strength = best if gains[best] > 0 else 0.0
        self.towers.put(between(self.before, after, strength))
        on_progress("measure", 0, 0)
        now = held_out.after()
        verdicts = [
            Moved(
                direction,
                sum(self.pairs.direction(pair) == direction for pair in parts.train),
                len(task.queries),
                compare(task.scores(), now[direction].scores(), seed=seed),
            )
            for direction, task in held_out.before.items()
        ]
        generic = dict(_generic(before, self._generic_now(before), seed))
        accepted, why = decide(strength, verdicts, generic)
        return Trial(self.towers, strength, gains, verdicts, generic, accepted, why)

    def _generic_now(self, before: Generic) -> Generic:
        return Generic(self.encoder, None, before=before, moved=self.plan.learns)

    def _gain(self, dev: _Exam, before: Generic) -> float:
        """Mean over the ways of searching; below nothing where half of what may be forgotten is."""
        now = self._generic_now(before)
        for direction in GENERIC:
            first, second = before.unseen(direction), now.unseen(direction)
            if first is not None and second is not None and second.mean() < first.mean() - FORGET / 2:
                log.info("generic %s: %.3f, before %.3f", direction, second.mean(), first.mean())
                return -1.0
        after = dev.after()
        return float(np.mean([after[way].mean() - task.mean() for way, task in dev.before.items()]))


class _Exam:
    """Questions of some pairs with what they are put to, by each way of searching, before and now."""

    def __init__(
        self, trying: Trying, some: Sequence[Pair], others: Sequence[Pair], vectors: SideVectors, most: int
    ) -> None:
        self.trying, self.vectors, self.most = trying, vectors, most
        direction = trying.pairs.direction
        ways = sorted({direction(pair) for pair in some}, key=str)
        self.parts = {
            way: ([p for p in some if direction(p) == way], [p for p in others if direction(p) == way][:most])
            for way in ways
        }
        self.parts = {
            way: (own, needed(own, more, max(most, len(own))))
            for way, (own, more) in self.parts.items()
            if len({p.query for p in own}) >= FEWEST
        }
        self.before = dict(self._tasks(vectors))

    def after(self) -> dict[Direction, Retrieval]:
        sides = {p.query for own, _ in self.parts.values() for p in own}
        sides |= {p.positive for both in self.parts.values() for some in both for p in some}
        learns = self.trying.plan.learns
        return dict(
            self._tasks(encode_again(self.trying.pairs, self.trying.encoder, self.vectors, sides, learns))
        )

    def _tasks(self, vectors: SideVectors) -> Iterator[tuple[Direction, Retrieval]]:
        nothing: Vectors = np.zeros((0, vectors.found.shape[1]), np.float32)
        for way, (some, others) in self.parts.items():
            yield way, retrieval(some, others, vectors, nothing, most=max(self.most, len(some)))


def needed(own: Sequence[Pair], others: Sequence[Pair], most: int) -> list[Pair]:
    """Of other pairs those whose answers `retrieval` puts beside those of `own`, up to `most` in all."""
    known, kept = {pair.positive for pair in own}, []
    for pair in others:
        if len(known) < most and pair.positive not in known:
            known.add(pair.positive)
            kept.append(pair)
    return kept


def decide(strength: float, verdicts: Sequence[Moved], generic: Mapping[str, Difference]) -> tuple[bool, str]:
    """Whether an encoder may be used, and why: an encoder is one for all ways of searching."""
    if not strength:
        return False, "nothing was better on the development pairs"
    worse = [str(one.direction) for one in verdicts if one.found[PRIMARY].high < 0]
    if worse:
        return False, f"held-out {PRIMARY} is worse in {', '.join(worse)}"
    better = [one for one in verdicts if one.found[PRIMARY].better]
    if not better:
        return False, f"held-out {PRIMARY} is not better with confidence"
    if max(one.found[PRIMARY].after - one.found[PRIMARY].before for one in better) < WORTH:
        return False, f"held-out {PRIMARY} is better by less than {WORTH}"
    forgot = [name for name, one in generic.items() if one.low < -FORGET]
    if forgot:
        return False, f"it forgets: generic {PRIMARY} of {', '.join(forgot)} may fall by more than {FORGET}"
    return True, "better on held-out questions, with confidence"


def _with_replayed(own: Couples, again: Sequence[Couples]) -> list[Couples]:
    """The pairs in their share of the steps, which go without where there are none, and the replayed sets
    in the others: each in an equal part, whatever its size, since the drawn scenes are few."""
    return [own, *(replace(one, share=REPLAY / len(again)) for one in again)]


def with_negatives(
    couples: Couples, pairs: Pairs, some: Sequence[Pair], vectors: SideVectors, passages: Mapping[str, Any]
) -> Couples:
    """Behind the negatives that were given, what the questions find among all answers and `passages`."""
    words = [p for p in some if pairs.direction(p) == Direction("text", Kind.PASSAGE)]
    answers = sorted({pair.positive for pair in words})
    texts = [pairs.sides[side].text or "" for side in answers] + list(passages)
    items = np.concatenate(
        [vectors.found[answers], *([np.stack(list(passages.values()))] if passages else [])]
    )
    found = mine(vectors.asked[[p.query for p in words]], vectors.found[[p.positive for p in words]], items)
    given = couples.negatives or [()] * len(couples)
    wrong = [[*own, *(texts[row] for row in rows)] for own, rows in zip(given, found, strict=True)]
    return replace(couples, negatives=wrong)


def _generic(before: Generic, after: Generic, seed: int) -> Iterator[tuple[str, Difference]]:
    for direction in GENERIC:
        first, second = before.check(direction), after.check(direction)
        if first is not None and second is not None:
            yield str(direction), compare(first.scores(), second.scores(), seed=seed)[PRIMARY]
