"""An encoder on trial: training pairs move some of its weights, how far is chosen on development pairs, and
held-out pairs decide."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from searchkit.errors import BadInput
from searchkit.evaluation.compare import PRIMARY, Difference, Retrieval, compare
from searchkit.finetuning.gate import FEWEST, FORGET, DirectionScores, accept_encoder, retrieval
from searchkit.finetuning.generic import Generic, replayed
from searchkit.finetuning.negatives import mine
from searchkit.finetuning.pairs import Direction, Pair
from searchkit.finetuning.plan import Plan
from searchkit.finetuning.prepared import OnProgress, Prepared, SideVectors, encode_again
from searchkit.finetuning.run import train_towers
from searchkit.finetuning.towers import Towers, between
from searchkit.finetuning.training_set import TEXT_IMAGE, TEXT_TEXT, TrainingSet, training_sets
from searchkit.protocols import Encoder
from searchkit.registry import AUTO, load_encoder
from searchkit.types import Kind, Runtime

log = logging.getLogger(__name__)

WAYS = ("lit-image", "lit-text", "lora", "full")
"""Recipes "adapt-…": the image tower locked, the text tower locked, low-rank updates of both, all of both."""
STRENGTHS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""α of the weights between those before and those after (WiSE-FT); 0 is to leave the encoder as it is."""
REPLAY = 0.25
"""Part of the steps that repeat pairs which have nothing to do with the corpus."""
DEV_PAIRS, DEV_ITEMS, ITEMS = 500, 1000, 2000
"""The most development pairs, the most items that they are put to, and the most items of held-out questions:
every one is encoded again."""
GENERIC = (TEXT_IMAGE, Direction("image", Kind.PASSAGE), TEXT_TEXT)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of a trial: how far the encoder moved, what that is worth, and whether it may be used."""

    towers: Towers = field(compare=False)
    """The towers, as strong as was chosen."""
    strength: float
    """α that was chosen; 0 where none was better on the development pairs."""
    dev: Mapping[float, float]
    """The mean gain of the primary metric on development pairs, by the strengths that were tried."""
    verdicts: Sequence[DirectionScores]
    generic: Mapping[str, Difference]
    """The primary metric of questions that have nothing to do with the pairs."""
    accepted: bool
    why: str

    def to_json(self) -> dict[str, Any]:
        return {
            "learns": list(self.towers.plan.learns),
            "strength": self.strength,
            "dev": {str(strength): round(gain, 6) for strength, gain in self.dev.items()},
            "directions": [scores.to_json() for scores in self.verdicts],
            "generic": {name: difference.to_json() for name, difference in self.generic.items()},
            "accepted": self.accepted,
            "why": self.why,
        }


class EncoderTrial:
    """An encoder that learns from prepared pairs: first `learn`, then `judge`."""

    def __init__(
        self, candidate: Candidate, prepared: Prepared, *, replay: Sequence[TrainingSet] = ()
    ) -> None:
        """`replay` are pairs that have nothing to do with the corpus, beside those that are always
        replayed."""
        self.towers, self.before = candidate.towers, candidate.before
        self.plan, self.prepared = candidate.towers.plan, prepared
        self.replay = [*replay, *replayed()]
        train, dev, held_out = prepared.parts.train, prepared.parts.dev, prepared.parts.held_out
        self.dev = _Tasks(prepared, dev[:DEV_PAIRS], train, most=DEV_ITEMS)
        self.held_out = _Tasks(prepared, held_out, [*train, *dev], most=ITEMS)

    @property
    def can_judge(self) -> bool:
        """Whether there are questions enough to choose by and to measure on."""
        return bool(self.dev.before and self.held_out.before)

    def learn(self, work: Path, *, passages: Mapping[str, np.ndarray], on_progress: OnProgress) -> None:
        """Train on the training pairs, and on the replayed ones, with checkpoints in the folder `work`.

        `passages` are more texts of the collection with their vectors, from which hard negatives are mined
        too. Raises `BadInput` for pairs of which nothing can be learned this way.
        """
        pairs, vectors, train = self.prepared.pairs, self.prepared.vectors, self.prepared.parts.train
        text, images = training_sets(pairs, train, vectors, share=1 - REPLAY)
        if not (len(text) and "text" in self.plan.learns) and not len(images):
            raise BadInput(
                f"{pairs.name} has nothing that {self.plan.name} learns from",
                hint="give texts with pictures; or texts with texts, where the text tower learns",
            )
        if self.plan.hard and len(text):
            text = with_negatives(text, self.prepared, passages)
        # what has no part in the pairs is replayed all the same: the other side must not be forgotten
        words = _with_replayed(text, [data for data in self.replay if not data.has_pictures])
        shown = _with_replayed(images, [data for data in self.replay if data.has_pictures])
        train_towers(
            self.towers,
            words if "text" in self.plan.learns else [],  # a text tower that is locked learns nothing
            shown,
            work,
            on_step=lambda done, total, loss: on_progress("learn", done, total),
        )
        self.towers.merge()

    def judge(self, generic: Generic, *, seed: int = 0, on_progress: OnProgress) -> Trial:
        """Choose how far to go on the development pairs, measure that once on the held-out ones.

        `generic` are the generic questions as the encoder read them before it learned.
        """
        after = self.towers.weights()
        gains: dict[float, float] = {}
        for number, strength in enumerate(STRENGTHS):
            on_progress("choose", number, len(STRENGTHS))
            self.towers.put(between(self.before, after, strength))
            gains[strength] = self._gain(generic)
        best = max(gains, key=lambda strength: (gains[strength], -strength))
        strength = best if gains[best] > 0 else 0.0
        self.towers.put(between(self.before, after, strength))
        on_progress("measure", 0, 0)
        verdicts = list(self._scores(seed))
        forgotten = dict(self._forgotten(generic, seed))
        accepted, why = accept_encoder(strength, verdicts, forgotten)
        return Trial(self.towers, strength, gains, verdicts, forgotten, accepted, why)

    def _gain(self, generic: Generic) -> float:
        """The mean gain over the ways of searching; −1 where half of FORGET is lost on generic questions."""
        generic_now = self._read_again(generic)
        for direction in GENERIC:
            before, after = generic.unseen(direction), generic_now.unseen(direction)
            if before is not None and after is not None and after.mean() < before.mean() - FORGET / 2:
                log.info("generic %s: %.3f, before %.3f", direction, after.mean(), before.mean())
                return -1.0
        now = self.dev.read_again(self.towers)
        return float(np.mean([now[way].mean() - task.mean() for way, task in self.dev.before.items()]))

    def _scores(self, seed: int) -> Iterator[DirectionScores]:
        """The held-out questions of each way of searching, before and now."""
        now = self.held_out.read_again(self.towers)
        for direction, task in self.held_out.before.items():
            train = len(self.prepared.of(direction, self.prepared.parts.train))
            scores = compare(task.scores(), now[direction].scores(), seed=seed)
            yield DirectionScores(direction, train, len(task.queries), scores)

    def _forgotten(self, generic: Generic, seed: int) -> Iterator[tuple[str, Difference]]:
        """The primary metric of the generic questions that were not repeated, by way of searching."""
        generic_now = self._read_again(generic)
        for direction in GENERIC:
            before, after = generic.check(direction), generic_now.check(direction)
            if before is not None and after is not None:
                yield str(direction), compare(before.scores(), after.scores(), seed=seed)[PRIMARY]

    def _read_again(self, generic: Generic) -> Generic:
        return Generic(self.towers.encoder, None, before=generic, moved=self.plan.learns)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A copy of an encoder as towers that can learn, and their weights before they do."""

    towers: Towers
    before: Mapping[str, Any]

    @property
    def encoder(self) -> Encoder:
        return self.towers.encoder


def candidate(plan: Plan, runtime: Runtime = AUTO) -> Candidate:
    """Load a plan's parent to be trained. Raises `BadInput` for an encoder that cannot be trained."""
    before = Towers(load_encoder(plan.parent, runtime), replace(plan, rank=0)).weights()
    return Candidate(Towers(load_encoder(plan.parent, runtime), plan), before)


class _Tasks:
    """Questions of some pairs with what they are put to, by each way of searching, before and now."""

    def __init__(
        self, prepared: Prepared, pairs: Sequence[Pair], others: Sequence[Pair], *, most: int
    ) -> None:
        self.prepared, self.most = prepared, most
        self.pairs: dict[Direction, tuple[Sequence[Pair], Sequence[Pair]]] = {}
        """The pairs that ask, and the other pairs whose answers lie beside theirs."""
        for direction in sorted({prepared.pairs.direction(pair) for pair in pairs}, key=str):
            own, more = prepared.of(direction, pairs), prepared.of(direction, others)[:most]
            if len({pair.query for pair in own}) >= FEWEST:
                self.pairs[direction] = own, needed(own, more, max(most, len(own)))
        self.before = dict(self._retrievals(prepared.vectors))

    def read_again(self, towers: Towers) -> dict[Direction, Retrieval]:
        """The same questions and items, encoded as the towers read them now."""
        sides = {pair.query for own, _ in self.pairs.values() for pair in own}
        sides |= {pair.positive for both in self.pairs.values() for part in both for pair in part}
        pairs, vectors = self.prepared.pairs, self.prepared.vectors
        return dict(self._retrievals(encode_again(pairs, towers.encoder, vectors, sides, towers.plan.learns)))

    def _retrievals(self, vectors: SideVectors) -> Iterator[tuple[Direction, Retrieval]]:
        nothing = np.zeros((0, vectors.found.shape[1]), np.float32)
        for direction, (own, others) in self.pairs.items():
            yield direction, retrieval(own, others, vectors, nothing, most=max(self.most, len(own)))


def needed(own: Sequence[Pair], others: Sequence[Pair], most: int) -> list[Pair]:
    """The other pairs whose answers `retrieval` puts beside those of `own`, up to `most` answers in all."""
    known, kept = {pair.positive for pair in own}, []
    for pair in others:
        if len(known) < most and pair.positive not in known:
            known.add(pair.positive)
            kept.append(pair)
    return kept


def _with_replayed(own: TrainingSet, again: Sequence[TrainingSet]) -> list[TrainingSet]:
    """The pairs in their share of the steps, which go without where there are none, and the replayed sets
    in the others: each in an equal part, whatever its size, since the drawn scenes are few."""
    return [own, *(replace(data, share=REPLAY / len(again)) for data in again)]


def with_negatives(data: TrainingSet, prepared: Prepared, passages: Mapping[str, np.ndarray]) -> TrainingSet:
    """The texts with what they find among all answers and `passages` behind the negatives that were given."""
    pairs, vectors = prepared.pairs, prepared.vectors
    words = prepared.of(TEXT_TEXT, prepared.parts.train)
    answers = sorted({pair.positive for pair in words})
    texts = [pairs.sides[side].text or "" for side in answers] + list(passages)
    items = np.concatenate(
        [vectors.found[answers], *([np.stack(list(passages.values()))] if passages else [])]
    )
    asked = vectors.asked[[pair.query for pair in words]]
    mined = mine(asked, vectors.found[[pair.positive for pair in words]], items)
    given = data.negatives or [()] * len(data)
    wrong = [[*own, *(texts[row] for row in rows)] for own, rows in zip(given, mined, strict=True)]
    return replace(data, negatives=wrong)
