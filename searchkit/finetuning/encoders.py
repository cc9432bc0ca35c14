"""Bend the encoder of a collection to its contents: train towers on pairs, prove it, keep it in a folder.

Nothing in the collection changes: what was accepted is put in use by filling a new space with it, while the
collection goes on answering with the one it has.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.errors import BadInput, NothingIndexed
from searchkit.finetuning.adapt import stored_vectors
from searchkit.finetuning.couples import couples_of
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.negatives import LOOK
from searchkit.finetuning.pairs import BadRow, read_pairs
from searchkit.finetuning.plan import load_plan
from searchkit.finetuning.split import NEAR, split
from searchkit.finetuning.towers import Towers, save_encoder
from searchkit.finetuning.vectors import encode_sides
from searchkit.finetuning.ways import WAYS, Moved, Trial, Trying
from searchkit.training.events import FOLDER
from searchkit.types import JSON_SCHEMA, Kind, Runtime

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

ENCODERS = "encoders"
MINING = 500
"""Training questions at most that are put to the collection for hard negatives."""

OnProgress = Callable[[str, int, int], object]


@dataclass(frozen=True, slots=True)
class EncoderReport:
    """What `adapt_encoder` did. `folder` is None where nothing was kept."""

    how: str
    folder: Path | None
    rows: int
    pairs: int
    bad: tuple[BadRow, ...]
    removed: int
    """Pairs that were nearly the same as some that are measured."""
    trial: Trial
    seconds: float = field(compare=False)

    @property
    def verdicts(self) -> Sequence[Moved]:
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
    library: Collection,
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
    if library.store.count() == 0:
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    on_progress("read", 0, 0)
    pairs = read_pairs(path)
    parent = library.manifest.encoder
    changed = {"parent": parent, "seed": seed} | ({"steps": steps} if steps else {})
    plan = load_plan(f"adapt-{how}", **changed)
    others = None if replay is None else read_pairs(replay)
    fingerprints = f"{pairs.fingerprint} {others and others.fingerprint}"
    name = _name(path, how, f"{plan} {fingerprints} {library.manifest.space} {near}")
    plan = replace(plan, name=name)
    more = [] if others is None else [one for one in couples_of(others, others.pairs) if len(one)]
    trying = Trying(plan, pairs, runtime=Runtime(dtype="float32", offline=True), replay=more)
    vectors = encode_sides(
        pairs,
        trying.encoder,
        stored_vectors(library),
        on_progress=lambda done, total: on_progress("encode", done, total),
    )
    parts = split(pairs, vectors.found, near=near, seed=seed)
    if not trying.can_judge(parts, vectors):
        raise BadInput(
            f"{path} has too few pairs: {len(pairs.pairs)}, of which {parts.removed} were nearly the same as "
            "held-out ones",
            hint="give some hundred different pairs of what this collection holds",
        )
    before = Generic(trying.encoder, library.root / "neutral")
    work = library.root / ENCODERS / f"{name}.work"
    asked = vectors.asked[sorted({p.query for p in parts.train if pairs.sides[p.query].text is not None})]
    passages = _passages(library, asked) if plan.hard else {}
    trying.learn(parts, vectors, work, passages=passages, on_progress=on_progress)
    trial = trying.judge(parts, before, seed=seed, on_progress=on_progress)
    folder = None
    if trial.strength and (trial.accepted or force):
        data = {"file": path.name, "sha256": pairs.fingerprint}
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        card = {"made": made, "forced": force, "data": data, **trial.to_json()}
        folder = _kept(trying.towers, card, work, library.root / ENCODERS / name)
    if folder is not None or not trial.strength:  # else it may yet be asked for with `force`
        shutil.rmtree(work)
    sizes = pairs.rows, len(pairs.pairs), tuple(pairs.bad), parts.removed
    return EncoderReport(how, folder, *sizes, trial, time.monotonic() - began)


def _passages(library: Collection, asked: np.ndarray) -> dict[str, np.ndarray]:
    """Text and vector of what questions find among the passages of the collection."""
    some = asked[:: -(-len(asked) // MINING) or 1]
    hits = (hit for one in some for hit in library.store.search(one, LOOK, kind=Kind.PASSAGE))
    texts = {hit.item.id: hit.item.text for hit in hits if hit.item.text}
    vectors = library.store.vectors(list(texts)) if texts else ()
    return dict(zip(texts.values(), vectors, strict=True))


def _name(path: Path, how: str, content: str) -> str:
    """The same for the same `content`, so that a run that was stopped is found again."""
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.stem)[:40]
    return f"{stem}-{how}-{hashlib.sha256(content.encode()).hexdigest()[:8]}"


def _kept(towers: Towers, card: Mapping[str, Any], work: Path, folder: Path) -> Path:
    """Where the encoder now is, whole or not at all: the folder, or one beside it, since a space may be
    filled with what an equal run made, and needs those very weights."""
    made = work / "encoder"
    shutil.rmtree(made, ignore_errors=True)
    save_encoder(towers, made, card)
    if (work / "log.jsonl").exists():
        shutil.copy(work / "log.jsonl", made)
    if (work / FOLDER).exists():
        shutil.copytree(work / FOLDER, made / FOLDER)
    beside = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return made.rename(next(one for one in chain([folder], beside) if not one.exists()))
