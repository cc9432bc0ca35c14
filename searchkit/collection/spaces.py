"""The spaces of a collection: filling another one while the active one answers, changing to it in one step,
going back, and letting go."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from searchkit.catalog.catalog import Source, SpaceRecord
from searchkit.collection.indexing import ingest_into, select
from searchkit.collection.indexing import targets as named
from searchkit.collection.jobs import merged
from searchkit.collection.library import Collection
from searchkit.collection.lock import writing
from searchkit.collection.making import note_space
from searchkit.collection.manifest import FAISS, LANCE, NEUTRAL, THUMBS, Manifest, write_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.status import folder_size
from searchkit.collection.upkeep import refresh, sweep
from searchkit.errors import BadInput
from searchkit.ingest.run import Options
from searchkit.ingest.thumbs import Thumbs
from searchkit.protocols import Encoder
from searchkit.types import JSON_SCHEMA, IndexReport, Progress

logger = logging.getLogger(__name__)

FILLING = "filling"
"""The lock of whoever fills another space."""
ROUNDS = 5
"""The most looks at the sources, which may change while a space is filled."""


@dataclass(frozen=True, slots=True)
class SpaceStatus:
    """One row of `searchkit spaces`."""

    space: str
    model: str
    active: bool
    files: int
    """Files whose present content the space holds."""
    of: int
    items: int
    megabytes: float
    created: float

    def to_json(self) -> dict[str, Any]:
        return {"schema": JSON_SCHEMA, **{name: getattr(self, name) for name in self.__slots__}}


def spaces(library: Collection | OpenSpace) -> list[SpaceStatus]:
    """Every space that the collection holds, the oldest first."""
    now = library.current
    rows = []
    for record in now.catalog.spaces():
        key = record.space.key
        held, of, items = now.catalog.coverage(key)
        size = sum(folder_size(folder) for folder in _folders(now.root, key))
        rows.append(
            SpaceStatus(
                space=key,
                model=record.model or record.space.encoder,
                active=key == now.manifest.space,
                files=held,
                of=of,
                items=items,
                megabytes=round(size / 1e6, 1),
                created=record.created,
            )
        )
    return rows


def refill(
    library: Collection | OpenSpace,
    encoder: Encoder,
    *paths: str | Path,
    batch_size: int = 32,
    threads: int = 2,
    retry_failed: bool = False,
    on_progress: Callable[[Progress], object] | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> IndexReport:
    """Encode everything with another encoder while the collection goes on answering with the one it has;
    change to the new space when that holds all that the old one does.

    A run that was interrupted goes on where it was. Without a change the report has a warning that says why.
    Raises `CollectionLocked` while another process fills a space.
    """
    began = time.monotonic()
    now = library.current
    root, catalog = now.root, now.catalog
    with writing(root, name=FILLING):
        with writing(root, brief=True, stop=stop):
            targets = named(now, paths)
            note_space(catalog, encoder)
            target = now.with_encoder(encoder)
            _ = target.store
        targets += [(source, None) for source in catalog.sources() if (source, None) not in targets]
        options = Options(batch_size, threads, False, retry_failed, on_progress, stop)
        options.exclusive = lambda: writing(root, brief=True, stop=stop)
        report = _fill(now, target, targets, options)
    report.failed = len(catalog.failures())
    report.seconds = time.monotonic() - began
    return report


def _fill(
    now: OpenSpace, target: OpenSpace, targets: Sequence[tuple[Source, str | None]], options: Options
) -> IndexReport:
    """Look at the targets until the new space holds all that the old one does; then change to it."""
    report = IndexReport()
    for _round in range(ROUNDS):
        ingest = ingest_into(target, options)
        for source, scope in targets:
            ingest.sync(source, select(target)[0], scope=scope)
            if ingest.report.interrupted:
                break
        report = merged(report, replace(ingest.report, seen=0, unchanged=0))
        report.seen, report.unchanged = ingest.report.seen, ingest.report.unchanged
        report.offline, report.warnings = ingest.report.offline, ingest.report.warnings
        if ingest.report.interrupted:
            break
        with options.exclusive():
            sweep(target)
            missing = _missing(now, target)
            if not missing:
                refresh(target)
                _switch(target, before=now.manifest.space)
                return report
        if not ingest.changed:
            report.warnings.append(_still_missing(now, missing))
            break
    logger.info("%s is not complete: %s goes on answering", target.manifest.space, now.manifest.space)
    return report


def _missing(old: OpenSpace, new: OpenSpace) -> list[str]:
    """Files that the old space finds and the new would not. What cannot be read any more does not count."""
    failed = {failure.path for failure in old.catalog.failures()}
    there = {asset.path for asset in new.catalog.assets(new.manifest.space) if asset.items}
    takes = select(new)[0].wanted
    return [
        asset.path
        for asset in old.catalog.assets(old.manifest.space)
        if asset.items
        and asset.path not in there
        and asset.path not in failed
        and takes(Path(asset.path).suffix.lower())
    ]


def _still_missing(now: OpenSpace, missing: Sequence[str]) -> str:
    shown = missing[0].encode("utf-8", "replace").decode()
    return (
        f"{len(missing)} files could not be encoded, {shown} among them: {now.manifest.encoder} goes "
        "on answering (attach what is offline, or searchkit rm it, and run again)"
    )


def _switch(target: OpenSpace, *, before: str) -> None:
    """Under the write lock: from here on this space answers, in every process."""
    if any(r.activated is None for r in target.catalog.spaces() if r.space.key == before):
        target.catalog.activate(before)  # a collection from before this was noted
    target.catalog.activate(target.manifest.space)
    write_manifest(target.root, target.manifest)
    target.catalog.jobs.keep_only(target.manifest.space)


def rollback(library: Collection | OpenSpace, space: str | None = None) -> str:
    """Change back to the space that answered before, or to the one named; returns its key.

    It is as it was then; the next run indexes what has come since. Raises `BadInput` where there is none.
    """
    now = library.current
    with writing(now.root):
        others = [r for r in now.catalog.spaces() if r.space.key != now.manifest.space]
        asked = [r for r in others if r.activated is not None and space in (None, r.space.key)]
        if not asked:
            raise BadInput(
                f"there is no space {space or 'that answered before'} to go back to",
                hint="see what is: searchkit spaces",
            )
        record = max(asked, key=lambda r: r.activated or 0.0)
        manifest = _manifest_of(now.manifest, record)
        now.catalog.activate(record.space.key)
        write_manifest(now.root, manifest)
        now.catalog.jobs.keep_only(record.space.key)
    return record.space.key


def _manifest_of(now: Manifest, record: SpaceRecord) -> Manifest:
    return replace(
        now,
        encoder=record.model or record.space.encoder,
        space=record.space.key,
        images=True if record.images is None else record.images,
        adapter="",
    )


def answering(library: Collection | OpenSpace, space: str) -> OpenSpace:
    """The collection as that space of it would answer; what is active stays so. Raises `BadInput`."""
    now = library.current
    record = next((r for r in now.catalog.spaces() if r.space.key == space), None)
    if record is None:
        raise BadInput(f"there is no space {space!r}", hint="see what is: searchkit spaces")
    if space == now.manifest.space:
        return now
    return now.with_manifest(_manifest_of(now.manifest, record))


def prune(library: Collection | OpenSpace, space: str | None = None) -> list[str]:
    """Delete the named space, or all but the active one, for good; returns the keys of those that went.

    Raises `BadInput` for the active space and an unknown one, `CollectionLocked` while a space is filled.
    """
    now = library.current
    with writing(now.root, name=FILLING), writing(now.root):
        others = [r.space.key for r in now.catalog.spaces()]
        others = [key for key in others if key != now.manifest.space and space in (None, key)]
        if space is not None and not others:
            raise BadInput(f"there is no inactive space {space!r}", hint="see what is: searchkit spaces")
        for key in others:
            now.catalog.drop_space(key)  # first: what is left without it, doctor removes
            remove_files(now.root, key)
    return others


def remove_files(root: Path, space: str) -> None:
    """Delete the table, the accelerator, the neutral vectors and the thumbnails that are a space's own."""
    for folder in _folders(root, space):
        shutil.rmtree(folder, ignore_errors=True)
    Thumbs(root / THUMBS).drop_space(space)
    for file in (root / NEUTRAL).glob(f"{space}-*"):
        file.unlink(missing_ok=True)


def _folders(root: Path, space: str) -> tuple[Path, Path]:
    return root / LANCE / f"{space}.lance", root / FAISS / space
