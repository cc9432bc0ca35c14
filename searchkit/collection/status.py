"""What a collection holds, in numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from searchkit.ingest.chunking import METHOD, OVERLAP, TOKENS
from searchkit.types import JSON_SCHEMA, OCR_HEADING, Chunking, Kind

if TYPE_CHECKING:
    from searchkit.collection.library import Collection


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
    language: str
    """Of the stems by which words are found; "none" for words as they are."""
    left_out: Mapping[str, int]
    """What of the documents cannot be found, by the names of `types.LEFT_OUT`."""
    ocr: str
    """The languages in which text in scans and pictures is read; empty where it is not."""
    passages_by_ocr: int
    """Of `passages`, those that were read from pictures."""
    failed: int
    accelerated: bool
    """Whether FAISS answers; below some thousand items the store does so itself."""
    megabytes: float
    jobs: Mapping[str, int]
    """Files in the queue by state: waiting, running, done within the hour, dead."""
    sources: tuple[SourceStatus, ...]

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "sources"}
        rows = [{"path": _shown(s.path), "state": s.state, "files": s.files} for s in self.sources]
        return {"schema": JSON_SCHEMA, **plain, "sources": rows}


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
        language=store.language,
        left_out=dict(collection.catalog.left_out(collection.manifest.space)),
        ocr=collection.manifest.ocr,
        passages_by_ocr=store.count(kind=Kind.PASSAGE, where=f"heading = '{OCR_HEADING}'"),
        failed=len(collection.failures()),
        accelerated=collection.accelerator.version is not None,
        megabytes=round(_size(str(collection.root)) / 1e6, 1),
        jobs=collection.catalog.jobs.counts(collection.manifest.space),
        sources=tuple(
            SourceStatus(s.path, s.state, files.get(s.path, 0)) for s in collection.catalog.sources()
        ),
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
