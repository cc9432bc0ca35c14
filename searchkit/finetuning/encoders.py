"""Bend the encoder of a collection to its contents: train towers on pairs, prove it, keep it in a folder.

Nothing in the collection changes: what was accepted is put in use by filling a new space with it, while the
collection goes on answering with the one it has.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.collection.manifest import NEUTRAL
from searchkit.collection.rights import as_private_as
from searchkit.errors import BadInput, NothingIndexed
from searchkit.finetuning.gate import DirectionScores
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.indexed import passages_near, stored_vectors
from searchkit.finetuning.pairs import BadRow, read_pairs
from searchkit.finetuning.plan import load_plan
from searchkit.finetuning.prepared import NEAR, OnProgress, Prepared, prepare
from searchkit.finetuning.run import LOG
from searchkit.finetuning.towers import Towers, save_encoder
from searchkit.finetuning.training_set import training_sets
from searchkit.finetuning.trial import WAYS, EncoderTrial, Trial, candidate
from searchkit.training.events import FOLDER
from searchkit.types import JSON_SCHEMA, Runtime

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

ENCODERS = "encoders"
MINING = 500
"""The most training questions that are put to the collection for hard negatives."""


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """The result of `adapt_encoder`; `folder` is None where nothing was kept."""

    how: str
    folder: Path | None
    rows: int
    pairs: int
    bad: tuple[BadRow, ...]
    removed: int
    """Number of pairs that were nearly the same as some that are measured."""
    trial: Trial
    seconds: float = field(compare=False)

    @property
    def verdicts(self) -> Sequence[DirectionScores]:
        return self.trial.verdicts

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": JSON_SCHEMA,
            "how": self.how,
            "encoder": None if self.folder is None else str(self.folder),
            "rows": self.rows,
            "pairs": self.pairs,
            "bad": [{"row": bad.row, "reason": bad.reason} for bad in self.bad],
            "removed": self.removed,
            **self.trial.to_json(),
            "seconds": round(self.seconds, 1),
        }


def adapt_encoder(
    library: Collection | OpenSpace,
    path: Path,
    how: str,
    *,
    replay: Path | None = None,
    force: bool = False,
    steps: int | None = None,
    seed: int = 0,
    near: float = NEAR,
    on_progress: OnProgress = lambda what, done, total: None,
) -> EncoderReport:
    """Train a copy of the collection's encoder on the pairs of a file, in one of the WAYS, and keep it where
    held-out questions are answered better, with confidence, and generic ones not worse; `force` keeps it
    anyway. `replay` are pairs that have nothing to do with the corpus, repeated against forgetting.

    A run that was stopped goes on where it was. Raises `BadInput` for pairs that cannot be used or are too
    few and for an encoder that cannot be trained, `NothingIndexed`.
    """
    began = time.monotonic()
    if how not in WAYS:
        raise BadInput(f"no way to adapt is named {how!r}", hint=f"adapter, {', '.join(WAYS)}")
    library = library.current  # whatever becomes active meanwhile
    if library.store.count() == 0:
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    on_progress("read", 0, 0)
    pairs, others = read_pairs(path), None if replay is None else read_pairs(replay)
    changed = {"parent": library.manifest.encoder, "seed": seed} | ({"steps": steps} if steps else {})
    plan = load_plan(f"adapt-{how}", **changed)
    fingerprints = f"{pairs.fingerprint} {others and others.fingerprint}"
    name = _name(path, how, f"{plan} {fingerprints} {library.manifest.space} {near}")
    copy = candidate(replace(plan, name=name), Runtime(dtype="float32", offline=True))
    prepared = prepare(
        pairs, copy.encoder, stored_vectors(library), near=near, seed=seed, on_progress=on_progress
    )
    sets = [] if others is None else [data for data in training_sets(others, others.pairs) if len(data)]
    trial = EncoderTrial(copy, prepared, replay=sets)
    if not trial.can_judge:
        raise BadInput(
            f"{path} has too few pairs: {len(pairs.pairs)}, of which {prepared.parts.removed} were nearly "
            "the same as held-out ones",
            hint="give some hundred different pairs of what this collection holds",
        )
    with as_private_as(library.root):
        generic = Generic(copy.encoder, library.root / NEUTRAL)
        work = library.root / ENCODERS / f"{name}.work"
        passages = _passages(library, prepared) if plan.hard else {}
        trial.learn(work, passages=passages, on_progress=on_progress)
        result = trial.judge(generic, seed=seed, on_progress=on_progress)
        folder = None
        if result.strength and (result.accepted or force):
            data = {"file": path.name, "sha256": pairs.fingerprint}
            card = {"made": _now(), "forced": force, "data": data, **result.to_json()}
            folder = _keep(copy.towers, card, work, library.root / ENCODERS / name)
    if folder is not None or not result.strength:  # else it may yet be asked for with `force`
        shutil.rmtree(work)
    sizes = pairs.rows, len(pairs.pairs), tuple(pairs.bad), prepared.parts.removed
    return EncoderReport(how, folder, *sizes, result, time.monotonic() - began)


def _passages(library: Collection | OpenSpace, prepared: Prepared) -> dict[str, np.ndarray]:
    """Text and vector, (dim,), of what the training questions find among the passages of the collection."""
    sides, train = prepared.pairs.sides, prepared.parts.train
    questions = sorted({pair.query for pair in train if sides[pair.query].text is not None})
    near = passages_near(library, prepared.vectors.asked[questions], MINING)
    texts = {item: text for item, text in near.items() if text}
    vectors = library.store.vectors(list(texts)) if texts else ()
    return dict(zip(texts.values(), vectors, strict=True))


def _name(path: Path, way: str, content: str) -> str:
    """A name for the encoder; the same `content` has the same one, so that a stopped run is found again."""
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.stem)[:40]
    return f"{stem}-{way}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _keep(towers: Towers, card: Mapping[str, Any], work: Path, folder: Path) -> Path:
    """Write the encoder, whole or not at all, and return where: in `folder`, or in one beside it, since a
    space may be filled with what an equal run made, and needs those very weights."""
    made = work / "encoder"
    shutil.rmtree(made, ignore_errors=True)
    save_encoder(towers, made, card)
    if (work / LOG).exists():
        shutil.copy(work / LOG, made)
    if (work / FOLDER).exists():
        shutil.copytree(work / FOLDER, made / FOLDER)
    beside = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return made.rename(next(place for place in chain([folder], beside) if not place.exists()))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
