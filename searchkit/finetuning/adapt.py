"""Bend a collection's questions to its contents: learn an adapter from pairs, prove it, put it in use.

Nothing is encoded again and no vector of the collection changes, so searches go on meanwhile; using an
adapter and taking it out of use is one line of `collection.toml`, replaced in one step.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.collection.lock import writing
from searchkit.collection.manifest import ADAPTERS, NEUTRAL, read_manifest, write_manifest
from searchkit.collection.rights import as_private_as
from searchkit.collection.upkeep import measure
from searchkit.errors import BadInput, CollectionError, NothingIndexed
from searchkit.finetuning.curve import Curve, Learning, read_learning
from searchkit.finetuning.gate import Verdict, judge
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.indexed import distractors, passages_near, stored_vectors
from searchkit.finetuning.pairs import BadRow, Direction, Pairs, read_pairs
from searchkit.finetuning.prepared import NEAR, OnProgress, Prepared, prepare
from searchkit.finetuning.training_set import TEXT_TEXT
from searchkit.search.adapter import PARTS, Adapter, QueryMap, load_adapter, read_card, save_adapter
from searchkit.types import JSON_SCHEMA, Kind, Vectors

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

MINING = 2000
"""The most training questions that are put to the collection for hard negatives."""


@dataclass(frozen=True, slots=True)
class Report:
    """The result of `adapt`; `name` is empty where nothing was kept."""

    name: str
    accepted: bool
    in_use: bool
    rows: int
    pairs: int
    bad: tuple[BadRow, ...]
    removed: int
    """Number of pairs that were nearly the same as some that are measured."""
    verdicts: tuple[Verdict, ...]
    left_out: tuple[str, ...]
    """Ways of searching that the pairs say something about and that were not tried, with the reason."""
    seconds: float = field(compare=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": JSON_SCHEMA,
            "adapter": self.name,
            "accepted": self.accepted,
            "in_use": self.in_use,
            "rows": self.rows,
            "pairs": self.pairs,
            "bad": [{"row": bad.row, "reason": bad.reason} for bad in self.bad],
            "removed": self.removed,
            "directions": [verdict.to_json() for verdict in self.verdicts],
            "left_out": list(self.left_out),
            "seconds": round(self.seconds, 1),
        }


def adapt(
    library: Collection | OpenSpace,
    path: Path,
    *,
    replay: Path | None = None,
    force: bool = False,
    seed: int = 0,
    near: float = NEAR,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Report:
    """Learn an adapter from the pairs of a file, and use it for those ways of searching where held-out
    questions are answered better than now, with confidence, and generic ones not worse; `force` uses it
    anyway. Other ways of searching stay as they are. `replay` are pairs of other things, whose questions
    the map is taught to leave alone.

    Searching goes on meanwhile, and `learning` tells how far it is. Raises `BadInput` for pairs that cannot
    be used or are too few, `NothingIndexed`, `CollectionLocked`.
    """
    began = time.monotonic()
    library = library.current  # whatever becomes active meanwhile
    if library.store.count() == 0:
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    with as_private_as(library.root), Curve(library.root / ADAPTERS, path.name, on_progress) as curve:
        curve("read", 0, 0)
        pairs = read_pairs(path)
        prepared = prepare(
            pairs, library.encoder, stored_vectors(library), near=near, seed=seed, on_progress=curve
        )
        generic = Generic(library.encoder, library.root / NEUTRAL)
        if replay is not None:
            generic.replay(read_pairs(replay), library.encoder)
        left_out: list[str] = []
        verdicts = tuple(_verdicts(library, prepared, generic, near, seed, left_out, curve))
        if not verdicts:
            raise BadInput(
                f"{path} cannot be learned from: {'; '.join(left_out)}; {prepared.parts.removed} of "
                f"{len(pairs.pairs)} pairs were nearly the same as held-out ones",
                hint="give some hundred different pairs of what this collection holds",
            )
        learned = _maps_to_use(verdicts, force)
        report = Report(
            name="",
            accepted=any(verdict.accepted for verdict in verdicts),
            in_use=bool(learned),
            rows=pairs.rows,
            pairs=len(pairs.pairs),
            bad=tuple(pairs.bad),
            removed=prepared.parts.removed,
            verdicts=verdicts,
            left_out=tuple(left_out),
            seconds=time.monotonic() - began,
        )
        if learned:
            adapter = _named(library, path, pairs, learned)
            report = replace(report, name=adapter.name)
            _save(library, adapter, report, pairs, {"forced": force, "seed": seed, "near": near})
            curve("measure", 0, 0)
            use(library, adapter.name)
        curve.end("in use" if report.in_use else "not better with certainty")
    return report


def learning(library: Collection | OpenSpace) -> Learning | None:
    """The adaptation that runs, in whatever process, or the last one; None where there was none."""
    return read_learning(library.root / ADAPTERS)


def use(library: Collection | OpenSpace, name: str | None) -> None:
    """Put the adapter of that name in use, or none. Searches that run go on; the next ones go through it.

    What neutral queries find is measured first, since confidence follows it. Raises `BadInput` for a name
    that is not there, `CollectionError`, `SpaceMismatch`, `CollectionLocked`.
    """
    library = library.current
    with writing(library.root):
        if name is not None:
            known = [known for known, _ in adapters(library)]
            if name not in known:
                hint = f"there are: {', '.join(known) or 'none'}"
                raise BadInput(f"{library.root} has no adapter {name!r}", hint=hint)
            measure(library, load_adapter(library.root / ADAPTERS / name, library.manifest.space))
        write_manifest(library.root, replace(read_manifest(library.root), adapter=name or ""))


def adapters(library: Collection | OpenSpace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and card of every adapter that can be read, by name."""
    folder = library.root / ADAPTERS
    for place in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            yield place.name, read_card(place)
        except CollectionError:
            continue


def _verdicts(
    library: Collection | OpenSpace,
    prepared: Prepared,
    generic: Generic,
    near: float,
    seed: int,
    left_out: list[str],
    curve: Curve,
) -> Iterator[Verdict]:
    """Learn and measure each way of searching; those that cannot be tried go to `left_out`, with the
    reason."""
    vectors, in_use = prepared.vectors, _maps_in_use(library)
    for direction in prepared.directions():
        if library.store.count(kind=direction.kind) == 0:
            left_out.append(f"{direction}: the collection holds nothing of that kind")
            continue
        own = prepared.of(direction, prepared.pairs.pairs)
        answers = sorted({pair.positive for pair in own})
        verdict = judge(
            direction,
            prepared,
            generic,
            distractors=distractors(library, direction.kind, vectors.found[answers], near),
            nearby=_nearby(library, direction, prepared),
            in_use=in_use.get((direction.asked_with, direction.kind)),
            seed=seed,
            on_step=lambda done, total, direction=direction: curve(f"learn {direction}", done, total),  # type: ignore[misc]
            on_look=lambda look, direction=direction: curve.look(str(direction), look),  # type: ignore[misc]
        )
        if verdict is None:
            left_out.append(f"{direction}: too few pairs ({len(own)})")
        else:
            yield verdict


def _nearby(library: Collection | OpenSpace, direction: Direction, prepared: Prepared) -> Vectors | None:
    """The vectors of what the training questions find among the passages of the collection, (k, dim).

    None for other kinds and ways of asking, where the encoder's opinion says too little.
    """
    if direction != TEXT_TEXT:
        return None
    questions = sorted({pair.query for pair in prepared.of(direction, prepared.parts.train)})
    ids = passages_near(library, prepared.vectors.asked[questions], MINING)
    return library.store.vectors(sorted(ids)) if ids else None


def _maps_to_use(verdicts: Sequence[Verdict], force: bool) -> dict[tuple[str, Kind], QueryMap]:
    """The maps that were accepted, or with `force` all that there are, by their way of searching."""
    return {
        (verdict.direction.asked_with, verdict.direction.kind): verdict.fitted.map
        for verdict in verdicts
        if verdict.fitted.map is not None and (verdict.accepted or force)
    }


def _maps_in_use(library: Collection | OpenSpace) -> Mapping[tuple[str, Kind], QueryMap]:
    return library.adapter.maps if library.adapter is not None else {}


def _named(
    library: Collection | OpenSpace, path: Path, pairs: Pairs, learned: Mapping[tuple[str, Kind], QueryMap]
) -> Adapter:
    """The adapter under a name of its own: equal names mean equal contents, so none is ever replaced."""
    maps = {**_maps_in_use(library), **learned}
    digest = hashlib.sha256(pairs.fingerprint.encode())
    for (asked_with, kind), query_map in sorted(maps.items()):
        digest.update(f"{asked_with}-{kind.value}".encode())
        for part in PARTS:
            digest.update(np.asarray(getattr(query_map, part), np.float32).tobytes())
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.stem)[:40]
    short = digest.hexdigest()[:12]
    return Adapter(f"{stem}-{short[:8]}", library.manifest.space, short, maps)


def _save(
    library: Collection | OpenSpace,
    adapter: Adapter,
    report: Report,
    pairs: Pairs,
    options: Mapping[str, Any],
) -> None:
    """Write the adapter with a card: what it came from, how it was learned and what it is worth."""
    made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    data = {"file": pairs.name, "sha256": pairs.fingerprint}
    measured = {name: value for name, value in report.to_json().items() if name != "in_use"}
    card = {"encoder": library.manifest.encoder, "made": made, **options, "data": data, **measured}
    save_adapter(adapter, library.root / ADAPTERS / adapter.name, card)
