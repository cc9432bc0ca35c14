"""Bend a collection's questions to its contents: learn an adapter from pairs, prove it, put it in use.

Nothing is encoded again and no vector of the collection changes, so searches go on meanwhile; using an
adapter and taking it out of use is one line of `collection.toml`, replaced in one step.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.catalog.catalog import Content
from searchkit.collection.lock import writing
from searchkit.collection.manifest import ADAPTERS, read_manifest, write_manifest
from searchkit.errors import BadInput, CollectionError, NothingIndexed
from searchkit.finetuning.curve import Curve, Learning, read_learning
from searchkit.finetuning.gate import Verdict, judge
from searchkit.finetuning.generic import Generic
from searchkit.finetuning.negatives import LOOK
from searchkit.finetuning.pairs import BadRow, Direction, Pairs, read_pairs
from searchkit.finetuning.split import NEAR, Parts, split
from searchkit.finetuning.vectors import SideVectors, encode_sides
from searchkit.ingest.ids import ids_of
from searchkit.search.adapter import PARTS, Adapter, load_adapter, read_card, save_adapter
from searchkit.types import JSON_SCHEMA, Kind, Vectors

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

DISTRACTORS = 5000
"""Items of the collection, evenly spread, that held-out questions must not prefer to their answers."""

MINING = 2000
"""Training questions at most that are put to the collection for hard negatives."""

OnProgress = Callable[[str, int, int], object]
"""(what is being done, how much is done, of how much)."""


@dataclass(frozen=True, slots=True)
class Report:
    """What `adapt` did. `name` is empty where nothing was kept."""

    name: str
    accepted: bool
    in_use: bool
    rows: int
    pairs: int
    bad: tuple[BadRow, ...]
    removed: int
    """Pairs that were nearly the same as some that are measured."""
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
            "directions": [one.to_json() for one in self.verdicts],
            "left_out": list(self.left_out),
            "seconds": round(self.seconds, 1),
        }


def adapt(
    library: Collection,
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
    if library.store.count() == 0:
        raise NothingIndexed(f"{library.root} holds nothing yet", hint="searchkit index FOLDER")
    with Curve(library.root / ADAPTERS, path.name, on_progress) as curve:
        report = _adapt(library, path, replay, force, seed, near, curve)
        curve.end("in use" if report.in_use else "not better with certainty")
    return report


def learning(library: Collection) -> Learning | None:
    """The adaptation that runs, in whatever process, or the last one; None where there was none."""
    return read_learning(library.root / ADAPTERS)


def _adapt(
    library: Collection, path: Path, replay: Path | None, force: bool, seed: int, near: float, curve: Curve
) -> Report:
    began = time.monotonic()
    curve("read", 0, 0)
    pairs = read_pairs(path)

    def encoded(done: int, total: int) -> None:
        curve("encode", done, total)

    vectors = encode_sides(pairs, library.encoder, stored_vectors(library), on_progress=encoded)
    curve("compare", 0, 0)
    parts = split(pairs, vectors.found, near=near, seed=seed)
    generic = Generic(library.encoder, library.root / "neutral")
    if replay is not None:
        generic.replay(read_pairs(replay), library.encoder)
    left_out: list[str] = []
    verdicts = list(_verdicts(library, pairs, vectors, parts, generic, near, seed, left_out, curve))
    if not verdicts:
        raise BadInput(
            f"{path} cannot be learned from: {'; '.join(left_out)}; {parts.removed} of {len(pairs.pairs)} "
            "pairs were nearly the same as held-out ones",
            hint="give some hundred different pairs of what this collection holds",
        )
    used = [one for one in verdicts if one.fitted.map is not None and (one.accepted or force)]
    report = Report(
        "",
        any(one.accepted for one in verdicts),
        bool(used),
        pairs.rows,
        len(pairs.pairs),
        tuple(pairs.bad),
        parts.removed,
        tuple(verdicts),
        tuple(left_out),
        time.monotonic() - began,
    )
    if not used:
        return report
    adapter = _named(library, path, pairs, used)
    report = replace(report, name=adapter.name)
    card = {"encoder": library.manifest.encoder, "made": _now(), "forced": force, "seed": seed, "near": near}
    said = {name: value for name, value in report.to_json().items() if name != "in_use"}
    data = {"file": path.name, "sha256": pairs.fingerprint}
    save_adapter(adapter, library.root / ADAPTERS / adapter.name, {**card, "data": data, **said})
    curve("measure", 0, 0)
    use(library, adapter.name)
    return report


def use(library: Collection, name: str | None) -> None:
    """Put the adapter of that name in use, or none. Searches that run go on; the next ones go through it.

    What neutral queries find is measured first, since confidence follows it. Raises `BadInput` for a name
    that is not there, `CollectionError`, `SpaceMismatch`, `CollectionLocked`.
    """
    with writing(library.root):
        if name is not None:
            folder = library.root / ADAPTERS / name
            if name not in {known for known, _ in adapters(library)}:
                known = ", ".join(known for known, _ in adapters(library)) or "none"
                raise BadInput(f"{library.root} has no adapter {name!r}", hint=f"there are: {known}")
            library.measure(load_adapter(folder, library.manifest.space))
        write_manifest(library.root, replace(read_manifest(library.root), adapter=name or ""))


def adapters(library: Collection) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, what was written about it) of every adapter that can be read, by name."""
    folder = library.root / ADAPTERS
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            yield one.name, read_card(one)
        except CollectionError:
            continue


def _verdicts(
    library: Collection,
    pairs: Pairs,
    vectors: SideVectors,
    parts: Parts,
    generic: Generic,
    near: float,
    seed: int,
    left_out: list[str],
    curve: Curve,
) -> Iterator[Verdict]:
    for direction in sorted({pairs.direction(pair) for pair in pairs.pairs}, key=str):
        if library.store.count(kind=direction.kind) == 0:
            left_out.append(f"{direction}: the collection holds nothing of that kind")
            continue

        def own(some: Any, direction: Direction = direction) -> list[Any]:
            return [pair for pair in some if pairs.direction(pair) == direction]

        mine = Parts(own(parts.train), own(parts.dev), own(parts.held_out), 0)
        answers = sorted({pair.positive for pair in own(pairs.pairs)})
        now = library.adapter.maps if library.adapter is not None else {}
        found = judge(
            direction,
            mine,
            vectors,
            generic,
            _distractors(library, direction.kind, vectors.found[answers], near),
            nearby=_nearby(library, direction, vectors.asked[sorted({pair.query for pair in mine.train})]),
            now=now.get((direction.asked_with, direction.kind)),
            seed=seed,
            on_step=lambda done, total, direction=direction: curve(f"learn {direction}", done, total),  # type: ignore[misc]
            on_look=lambda look, direction=direction: curve.look(str(direction), look),  # type: ignore[misc]
        )
        if found is None:
            left_out.append(f"{direction}: too few pairs ({len(own(pairs.pairs))})")
        else:
            yield found


def stored_vectors(library: Collection) -> Callable[[str], np.ndarray | None]:
    """The vector of a picture that is indexed, by the sha256 of its file."""
    contents = library.catalog.contents(library.manifest.space)

    def stored(sha256: str) -> np.ndarray | None:
        known = contents.get(sha256)
        if known is None or known.items != 1:
            return None
        (item,) = ids_of(Content(known.path, known.sha256, 1))
        try:
            found: np.ndarray = library.store.vectors([item])[0]
        except KeyError:  # the catalog is ahead of the store, which doctor mends
            return None
        return found

    return stored


def _distractors(library: Collection, kind: Kind, answers: Vectors, near: float) -> Vectors:
    """Up to DISTRACTORS items of a kind, evenly spread, that are not nearly the same as an answer."""
    total = library.store.count(kind=kind)
    rows = np.unique(np.linspace(0, total - 1, min(DISTRACTORS, total)).astype(int))
    kept, before = [np.zeros((0, answers.shape[1]), np.float32)], 0
    for ids, vectors in library.store.scan(kind=kind):
        some = vectors[rows[(rows >= before) & (rows < before + len(ids))] - before]
        before += len(ids)
        if len(some):
            kept.append(some[(some @ answers.T).max(axis=1) < near])
    return np.concatenate(kept)


def _nearby(library: Collection, direction: Direction, asked: Vectors) -> Vectors | None:
    """What questions find among the passages of the collection; None for other kinds and ways of asking,
    where the encoder's opinion says too little."""
    if (direction.asked_with, direction.kind) != ("text", Kind.PASSAGE):
        return None
    some = asked[:: -(-len(asked) // MINING) or 1]
    ids = {hit.item.id for one in some for hit in library.store.search(one, LOOK, kind=direction.kind)}
    return library.store.vectors(sorted(ids)) if ids else None


def _named(library: Collection, path: Path, pairs: Pairs, used: list[Verdict]) -> Adapter:
    """The adapter under a name of its own: equal names mean equal contents, so none is ever replaced."""
    learned = {(one.direction.asked_with, one.direction.kind): one.fitted.map for one in used}
    now = library.adapter.maps if library.adapter is not None else {}
    maps = {**now, **{way: one for way, one in learned.items() if one is not None}}
    digest = hashlib.sha256(pairs.fingerprint.encode())
    for (asked_with, kind), one in sorted(maps.items()):
        digest.update(f"{asked_with}-{kind.value}".encode())
        for part in PARTS:
            digest.update(np.asarray(getattr(one, part), np.float32).tobytes())
    stem = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in path.stem)[:40]
    short = digest.hexdigest()[:12]
    return Adapter(f"{stem}-{short[:8]}", library.manifest.space, short, maps)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
