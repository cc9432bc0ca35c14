"""What is wrong with a collection: compares disk, catalog, store and accelerator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from searchkit.catalog.catalog import Content
from searchkit.collection.damage import (
    accelerator_damage,
    catalog_damage,
    copy_damage,
    encode_again,
    table_damage,
    vanished,
)
from searchkit.collection.findings import Finding
from searchkit.collection.library import Collection
from searchkit.collection.lock import writing
from searchkit.collection.manifest import FAISS, LANCE
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.rights import close_to_others, open_to_others
from searchkit.collection.spaces import remove_files
from searchkit.collection.upkeep import accelerate, measure, refresh, sweep
from searchkit.errors import CollectionDamaged, CollectionTooNew, ModelMissing, SpaceMismatch
from searchkit.ingest.golden import SAME, agreement
from searchkit.ingest.ids import ids_of
from searchkit.search.confidence import is_current


def examine(library: Collection | OpenSpace, *, fix: bool = False) -> list[Finding]:
    """Everything that is wrong; with `fix`, what can be mended is, and says so: what the store has lost is
    encoded again from the sources, and nothing else is. Running it twice mends nothing twice. Raises
    `CollectionLocked` when `fix` meets another writer."""
    space = library.current
    if not fix:
        return list(_examine(space, fix=False))
    with writing(space.root):
        return list(_examine(space, fix=True))


def _encoder(space: OpenSpace) -> Iterator[Finding]:
    """Whether the encoder still makes of the golden inputs what it made when the space was new."""
    key = space.manifest.space
    kept = next((r.golden for r in space.catalog.spaces() if r.space.key == key), None)
    if kept is None:
        return  # a collection from before this was kept; the next refresh keeps it
    try:
        cosine = agreement(space.encoder, kept)
    except (ModelMissing, SpaceMismatch) as error:
        yield Finding("broken", str(error), None, error.hint)
        return
    if cosine < SAME:
        yield Finding(
            "broken",
            f"{space.manifest.encoder} makes other vectors than before (cosine {cosine:.3f})",
            None,
            "go back to the versions of before, or index into a new collection (-c NAME)",
        )


def _rights(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """Files and folders of the collection that others may read, whatever the sources allow."""
    exposed = open_to_others(space.root)
    if exposed:
        yield Finding(
            "note",
            f"other users of this machine may read {len(exposed)} of its files and folders",
            str(space.root),
            "searchkit doctor --fix, or leave it where that is meant",
            fix and close_to_others(exposed),
        )


def _examine(space: OpenSpace, *, fix: bool) -> Iterator[Finding]:
    yield from _rights(space, fix)
    lost = list(catalog_damage(space, fix))
    yield from lost
    if lost and not fix:
        return  # nothing can be compared with it
    yield from copy_damage(space, fix)
    drifted = list(_encoder(space))
    yield from drifted
    for source in space.catalog.sources():
        if source.state == "offline":
            yield Finding(
                "note",
                "source is offline; its items stay searchable",
                source.path,
                "attach it and run: searchkit index",
            )
    for failure in space.failures():
        yield Finding(
            "failed",
            failure.reason,
            failure.path,
            "mend or remove the file; searchkit index --retry-failed tries again",
        )
    too_new = list(_too_new(space))
    yield from too_new
    if too_new:
        return  # what cannot be read cannot be compared, still less mended
    damage = list(table_damage(space, fix))
    yield from damage
    yield from vanished(space)
    if damage and not fix:
        return
    yield from _tombstones(space, fix)
    for record in space.catalog.spaces():
        yield from _rows(space, record.space.key, fix, may_encode=not drifted)
    yield from _spaces(space, fix, restored=bool(lost))
    yield from _jobs(space, fix)
    if _is_lost(space):
        return
    yield from _references(space, fix)
    yield from accelerator_damage(space, fix)
    yield from _accelerator(space, fix)


def _is_lost(space: OpenSpace) -> bool:
    """Whether the active table is gone while the catalog has files in it, which is a finding of its own."""
    try:
        space.store.count()
    except CollectionDamaged:
        return True
    return False


def _accelerator(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """An accelerator of a newer searchkit, one that is missing, and one older than the store."""
    if (newer := space.accelerator.too_new) is not None:
        yield Finding("note", f"{newer}: the store answers by itself", None, newer.hint)
    accelerator = space.accelerator
    missing = accelerator.version is None and accelerator.is_due()
    if missing or accelerator.version not in (None, space.store.version):
        older = "the accelerator is older than the store; newer rows are searched without it"
        if fix:
            accelerate(space, wait=True)
        yield Finding(
            "note",
            "there is no accelerator of this version; the store compares all" if missing else older,
            None,
            "searchkit index or searchkit doctor --fix",
            fix,
        )


def _too_new(space: OpenSpace) -> Iterator[Finding]:
    """Stores that a newer version has written. (Of the manifest and the catalog, opening says so.)"""
    keys = {record.space.key for record in space.catalog.spaces()} | {space.manifest.space}
    for key in sorted(keys):
        if not (space.root / LANCE / f"{key}.lance").exists():
            continue
        try:
            with suppress(CollectionDamaged):  # which is a finding of its own
                space.store_of(key)
        except CollectionTooNew as error:
            yield Finding("broken", str(error), None, error.hint)


def _tombstones(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    buried = space.catalog.tombstones()
    if not buried:
        return
    if fix:
        sweep(space, erase=True)
    yield Finding(
        "broken",
        f"{len(buried)} deleted files still have items in the store (a run was cut off)",
        None,
        "searchkit doctor --fix",
        fix,
    )


def _rows(space: OpenSpace, key: str, fix: bool, *, may_encode: bool) -> Iterator[Finding]:
    """Items of any space without an asset, and assets without all their items."""
    active = key == space.manifest.space
    if not (space.root / LANCE / f"{key}.lance").exists():
        stored: set[str] = set()  # nothing was written yet, or the table is lost
    else:
        stored = set(space.store_of(key).ids())
    expected: set[str] = set()
    torn: list[str] = []
    for asset in space.catalog.assets(key):
        if asset.encoded is None and not active:
            continue  # a space that is being filled, or answers no more, need not have all
        ids = ids_of(Content(asset.path, asset.encoded or asset.sha256, asset.items))
        expected.update(ids)
        if asset.encoded is not None and not (asset.items and stored.issuperset(ids)):
            torn.append(asset.path)
    orphans = sorted(stored - expected)
    where = "" if active else f" of {key}"
    if orphans:
        if fix:
            space.store_of(key).delete(orphans)
        yield Finding(
            "broken",
            f"{len(orphans)} items in the store{where} belong to no file of the catalog",
            None,
            "searchkit doctor --fix",
            fix,
        )
    if torn:
        if fix:
            space.catalog.unencode(key, torn)
            sweep(space)
            if active and may_encode:
                encode_again(space, torn)
        for path in torn:
            yield Finding(
                "broken",
                f"its items are missing from the store{where}",
                path,
                "searchkit doctor --fix",
                fix,
            )


def _spaces(space: OpenSpace, fix: bool, *, restored: bool) -> Iterator[Finding]:
    """Files of the active space that wait for the next run, and tables that belong to no space.

    A catalog that was just made again may not know a space whose encoder is not here: its table stays.
    """
    key = space.manifest.space
    waiting = sum(asset.encoded is None for asset in space.catalog.assets(key))
    if waiting and not fix:
        yield Finding("note", f"{waiting} files are not in {key} yet", None, "searchkit index")
    known = {record.space.key for record in space.catalog.spaces()} | {key}
    tables = {file.name.removesuffix(".lance") for file in (space.root / LANCE).glob("*.lance")}
    shelves = {folder.name for folder in (space.root / FAISS).glob("*") if folder.is_dir()}
    for stray in sorted((tables | shelves) - known):
        if restored:
            what = f"{stray} is of a space that the restored catalog does not know"
            yield Finding("note", what, None, "keep it by a copy; the next searchkit doctor --fix deletes it")
            continue
        if fix:
            remove_files(space.root, stray)
        yield Finding(
            "broken", f"{stray} is left of a space that was deleted", None, "searchkit doctor --fix", fix
        )


def _jobs(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """Work that was given up (of files, the ledger tells), and work for a space that does not answer."""
    jobs, key = space.catalog.jobs, space.manifest.space
    dead = [job for job in jobs.dead() if job.kind != "file"]
    for job in dead:
        yield Finding(
            "broken",
            f"{job.kind} was given up: {job.reason}",
            job.path or None,
            "searchkit doctor --fix",
            fix,
        )
    if fix:
        for kind in {job.kind for job in dead}:
            jobs.clear_dead(kind=kind)
        if dead or jobs.owes_refresh(key):
            refresh(space)
        jobs.keep_only(key)


def _references(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """Confidence that follows a rule of before: of the active space, and of the adapter in use."""
    if space.store.count() == 0:
        return
    for adapter in (None, space.adapter) if space.adapter else (None,):
        key = adapter.key if adapter else space.manifest.space
        known = space.catalog.references(key)
        if not known or is_current(known):
            continue  # a run that was cut off before it measured owes that
        try:
            if fix:
                measure(space, adapter)
        except (ModelMissing, SpaceMismatch):
            fix = False  # which is a finding of its own
        yield Finding(
            "note",
            f"the confidence of {key} was measured by an older rule",
            None,
            "searchkit doctor --fix, or searchkit index",
            fix,
        )
