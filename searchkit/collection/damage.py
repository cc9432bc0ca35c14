"""Lost and rotten files of a collection: found by reading all of it, and mended from what is sound.

A catalog is made again from the tables, an accelerator from its table, and what a table has lost from the
sources.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from searchkit.catalog.catalog import Asset, Catalog
from searchkit.collection.findings import Finding
from searchkit.collection.indexing import ingest_into
from searchkit.collection.lock import writing
from searchkit.collection.making import note_space
from searchkit.collection.manifest import COPY, FAISS, LANCE, MANIFEST, copy_manifest, read_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.upkeep import refresh
from searchkit.errors import CollectionDamaged, CollectionTooNew, SearchkitError
from searchkit.ingest.deletion import MASS_DELETION
from searchkit.ingest.run import Options
from searchkit.registry import DOCUMENT_SUFFIXES, load_encoder
from searchkit.types import Item, Kind

FIX = "searchkit doctor --fix"
READ = 1000
"""Items that are read from a store at once."""


def restore_manifest(root: Path) -> list[Finding]:
    """Put the copy of a manifest in its place where that is lost or cannot be read."""
    try:
        read_manifest(root)
    except CollectionDamaged as error:
        copy = root / COPY
        if not copy.exists():
            raise CollectionDamaged(str(error), hint="restore it from a backup") from error
        with writing(root):
            shutil.copyfile(copy, root / MANIFEST)
        return [Finding("broken", str(error), None, FIX, True)]
    return []


def copy_damage(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """A copy of the manifest that is not what the manifest is: one of them was changed from outside."""
    copy = space.root / COPY
    if copy.exists() and copy.read_bytes() == (space.root / MANIFEST).read_bytes():
        return
    existed = copy.exists()
    if fix:
        copy_manifest(space.root)
    if existed:
        what = f"{MANIFEST} is not what searchkit wrote; doctor --fix takes it as it is"
        yield Finding("note", what, None, f"look into it and into {COPY}, then {FIX}", fix)


def catalog_damage(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """A catalog that is lost, empty or rotten, which is made again from the tables."""
    try:
        space.catalog.check()
        return
    except CollectionDamaged as error:
        what = str(error)
    if fix:
        catalog = space.shared.make_catalog()
        restore_catalog(space, catalog)
    yield Finding("broken", f"{what}; what people judged cannot be made again", None, FIX, fix)


def restore_catalog(space: OpenSpace, catalog: Catalog) -> None:
    """Note in an empty catalog what the tables of the collection hold."""
    note_space(catalog, space.encoder)
    catalog.activate(space.manifest.space)
    for file in (space.root / LANCE).glob("*.lance"):
        key = file.name.removesuffix(".lance")
        if key != space.manifest.space and not _note_other(space, catalog, key):
            continue
        if find_table_damage(space, key):
            _mend_table(space, key)
        _note_assets(space, catalog, key)
        catalog.jobs.owe_refresh(key)


def _note_other(space: OpenSpace, catalog: Catalog, key: str) -> bool:
    """Note a space that rests, whose encoder is told by its name; False where that encoder is not here."""
    try:
        encoder = load_encoder(key.rsplit("-", 3)[0], space.shared.runtime)
    except SearchkitError:
        return False
    if encoder.space.key != key:
        return False
    note_space(catalog, encoder)
    return True


def _note_assets(space: OpenSpace, catalog: Catalog, key: str) -> None:
    """Note every file of which a table holds the first and all following items."""
    store = space.store_of(key)
    files: dict[tuple[str, str], tuple[Item, list[int]]] = {}
    ids = list(store.ids())
    for start in range(0, len(ids), READ):
        for item in store.get(ids[start : start + READ]):
            _, ordinals = files.setdefault((item.path, item.sha256), (item, []))
            ordinals.append(item.ordinal)
    by_source: dict[str, list[Asset]] = {}
    for item, ordinals in files.values():
        if sorted(ordinals) == list(range(len(ordinals))):
            by_source.setdefault(item.source, []).append(_asset(item, len(ordinals)))
    for path, assets in by_source.items():
        catalog.record(catalog.add_source(path), key, assets)


def _asset(item: Item, items: int) -> Asset:
    document = os.path.splitext(item.path)[1].lower() in DOCUMENT_SUFFIXES
    return Asset(
        item.path,
        item.source,
        item.size or 0,
        round(item.mtime * 1e6) * 1000,
        item.sha256,
        (Kind.PASSAGE if document else Kind.IMAGE).value,
        items=items,
    )


def table_damage(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """Tables with rows that cannot be read or are not what was written, and with indexes that have rotted."""
    for key in sorted({record.space.key for record in space.catalog.spaces()} | {space.manifest.space}):
        for what in find_table_damage(space, key):
            yield Finding("broken", f"the store of {key} is damaged: {what}", None, FIX, fix)
            if fix:
                _mend_table(space, key)


def find_table_damage(space: OpenSpace, key: str) -> list[str]:
    """What is wrong with the table of a space, in words; nothing for one that is not there, or too new."""
    from searchkit.stores.lance_damage import find_damage

    if not (space.root / LANCE / f"{key}.lance").exists():
        return []
    try:
        damage = find_damage(space.root / LANCE, key)
    except CollectionTooNew:
        return []
    if not damage:
        return []
    rows = f"{len(damage.rows)} items cannot be read or are not what was written" if damage.rows else ""
    files = f"{len(damage.files)} files of its indexes are lost or rotten" if damage.files else ""
    return ["; ".join(filter(None, (damage.unopenable, rows, files)))]


def _mend_table(space: OpenSpace, key: str) -> None:
    from searchkit.stores.lance_damage import find_damage, mend

    mend(space.root / LANCE, key, find_damage(space.root / LANCE, key))
    shutil.rmtree(space.root / FAISS / key, ignore_errors=True)  # it answers for a version that may be gone
    space.catalog.jobs.owe_refresh(key)
    space.reopen()


def encode_again(space: OpenSpace, paths: Sequence[str]) -> None:
    """Under the write lock: encode these files from their sources, as far as those are there."""
    ingest = ingest_into(space, Options())
    for source in space.catalog.sources():
        assets = space.catalog.assets(under=source.path)
        due = {asset.path for asset in assets if asset.source == source.path} & set(paths)
        ingest.update(source, sorted(due))
    if ingest.changed:
        refresh(space)


def accelerator_damage(space: OpenSpace, fix: bool) -> Iterator[Finding]:
    """An accelerator whose files are not those that were built; without it, the store answers."""
    names = space.accelerator.damaged()
    if not names:
        return
    if fix:
        shutil.rmtree(space.root / FAISS / space.manifest.space, ignore_errors=True)
        space.reopen()
    yield Finding("broken", f"the accelerator is damaged: {', '.join(names)}", None, FIX, fix)


def vanished(space: OpenSpace) -> Iterator[Finding]:
    """Files that are gone from a source that is there, and stay searchable until a run takes them out."""
    for source in space.catalog.sources():
        if source.state == "offline":
            continue
        paths = [a.path for a in space.catalog.assets(under=source.path) if a.source == source.path]
        gone = [path for path in paths if not os.path.lexists(path)]
        if gone:
            many = len(gone) > MASS_DELETION * len(paths)
            remedy = "searchkit index --prune, if that is right" if many else "searchkit index"
            what = f"{len(gone)} of {len(paths)} files are gone and stay searchable"
            yield Finding("note", what, source.path, remedy)
