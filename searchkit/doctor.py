"""What a collection is, and what is wrong with it: compares disk, catalog, store and accelerator."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from searchkit.catalog.catalog import Content
from searchkit.ingest.chunking import METHOD, OVERLAP, TOKENS
from searchkit.ingest.pipeline import ids_of, sweep_tombstones
from searchkit.place import writing
from searchkit.types import JSON_SCHEMA, Chunking, Kind

if TYPE_CHECKING:
    from searchkit.collection import Collection


@dataclass(frozen=True, slots=True)
class SourceStatus:
    path: str
    state: str
    files: int


@dataclass(frozen=True, slots=True)
class Status:
    """A collection in numbers; no weights are read for it."""

    root: str
    encoder: str
    space: str
    images: int
    documents: int
    passages: int
    pictures: int
    """In documents."""
    chunking: str
    left_out: Mapping[str, int]
    """What of the documents cannot be found, by the names of `types.LEFT_OUT`."""
    failed: int
    accelerated: bool
    """Whether FAISS answers; below some thousand items the store does so itself."""
    megabytes: float
    sources: tuple[SourceStatus, ...]

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "sources"}
        rows = [{"path": _shown(s.path), "state": s.state, "files": s.files} for s in self.sources]
        return {"schema": JSON_SCHEMA, **plain, "sources": rows}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `severity` is "note", "failed" or "broken"."""

    severity: str
    what: str
    path: str | None
    remedy: str
    fixed: bool = False


def status(collection: Collection) -> Status:
    counts = collection.catalog.counts()
    files: dict[str, int] = {}
    for asset in collection.assets():
        files[asset.source] = files.get(asset.source, 0) + 1
    store = collection.store
    return Status(
        root=str(collection.root),
        encoder=collection.manifest.encoder,
        space=collection.manifest.space,
        images=counts.get(Kind.IMAGE.value, 0),
        documents=counts.get(Kind.PASSAGE.value, 0),
        passages=store.count(kind=Kind.PASSAGE),
        pictures=max(0, store.count(kind=Kind.IMAGE) - counts.get(Kind.IMAGE.value, 0)),
        chunking=str(collection.manifest.chunking.over(Chunking(METHOD, TOKENS, OVERLAP))),
        left_out=dict(collection.catalog.left_out(collection.manifest.space)),
        failed=len(collection.failures()),
        accelerated=collection.accelerator.version is not None,
        megabytes=round(_size(str(collection.root)) / 1e6, 1),
        sources=tuple(
            SourceStatus(s.path, s.state, files.get(s.path, 0)) for s in collection.catalog.sources()
        ),
    )


def examine(collection: Collection, *, fix: bool = False) -> list[Finding]:
    """Everything that is wrong; with `fix`, what can be mended is, and says so. Running it twice mends
    nothing twice. Raises `CollectionLocked` when `fix` meets another writer."""
    if not fix:
        return list(_examine(collection, fix=False))
    with writing(collection.root):
        return list(_examine(collection, fix=True))


def _examine(collection: Collection, *, fix: bool) -> Iterator[Finding]:
    for source in collection.catalog.sources():
        if source.state == "offline":
            yield Finding(
                "note",
                "source is offline; its items stay searchable",
                source.path,
                "attach it and run: searchkit index",
            )
    for failure in collection.failures():
        yield Finding(
            "failed",
            failure.reason,
            failure.path,
            "mend or remove the file; searchkit index --retry-failed tries again",
        )
    yield from _tombstones(collection, fix)
    yield from _rows(collection, fix)
    covered = collection.accelerator.version
    if covered is not None and covered != collection.store.version:
        if fix:
            collection.accelerator.rebuild()
        yield Finding(
            "note",
            "the accelerator is older than the store; newer rows are searched without it",
            None,
            "searchkit index or searchkit doctor --fix",
            fix,
        )


def _tombstones(collection: Collection, fix: bool) -> Iterator[Finding]:
    buried = collection.catalog.tombstones(collection.manifest.space)
    if not buried:
        return
    if fix:
        sweep_tombstones(collection.catalog, collection.manifest.space, lambda: collection.store)
    yield Finding(
        "broken",
        f"{len(buried)} deleted files still have items in the store (a run was cut off)",
        None,
        "searchkit doctor --fix",
        fix,
    )


def _rows(collection: Collection, fix: bool) -> Iterator[Finding]:
    """Items without an asset, and assets without all their items."""
    stored = set(collection.store.ids())
    expected: set[str] = set()
    torn: list[str] = []
    for asset in collection.assets():
        ids = ids_of(Content(asset.path, asset.encoded or asset.sha256, asset.items))
        expected.update(ids)
        if not asset.items or not stored.issuperset(ids):
            torn.append(asset.path)
    orphans = sorted(stored - expected)
    if orphans:
        if fix:
            collection.store.delete(orphans)
        yield Finding(
            "broken",
            f"{len(orphans)} items in the store belong to no file of the catalog",
            None,
            "searchkit doctor --fix",
            fix,
        )
    if torn:
        if fix:
            collection.catalog.forget(torn)
            yield from _tombstones(collection, fix)
        for path in torn:
            yield Finding(
                "broken",
                "its items are missing from the store",
                path,
                "searchkit doctor --fix, then searchkit index",
                fix,
            )


def _size(folder: str) -> int:
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue  # gone since the listing: another process compacts
    return total


def _shown(path: str) -> str:
    return os.fsencode(path).decode("utf-8", "replace")
