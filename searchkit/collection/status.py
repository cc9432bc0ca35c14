"""What a collection holds, in numbers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchkit.collection.open_space import OpenSpace
from searchkit.ingest.chunking import METHOD, OVERLAP, TOKENS
from searchkit.types import JSON_SCHEMA, OCR_HEADING, Chunking, Kind


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One folder or file that was asked for: its state ("ready", "offline"), and how many files it has."""

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
    """Pictures inside documents."""
    chunking: str
    language: str
    """The language of the stems by which words are found; "none" for words as they are."""
    left_out: Mapping[str, int]
    """Counts of what cannot be found of the documents, by the names of `types.LEFT_OUT`."""
    ocr: str
    """The languages in which text in scans and pictures is read; empty where it is not."""
    passages_by_ocr: int
    """How many of `passages` were read from pictures."""
    failed: int
    accelerated: bool
    """Whether FAISS answers; below some thousand items the store does so itself."""
    megabytes: float
    jobs: Mapping[str, int]
    """Files in the queue by state: waiting, running, done within the hour, dead."""
    sources: tuple[SourceStatus, ...]

    def to_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "sources"}
        rows = [{"path": shown(s.path), "state": s.state, "files": s.files} for s in self.sources]
        return {"schema": JSON_SCHEMA, **plain, "sources": rows}


def status(space: OpenSpace) -> Status:
    """A collection in numbers, by its active space."""
    counts = space.catalog.counts()
    files: dict[str, int] = {}
    for asset in space.assets():
        files[asset.source] = files.get(asset.source, 0) + 1
    store = space.store
    return Status(
        root=str(space.root),
        encoder=space.manifest.encoder,
        space=space.manifest.space,
        images=counts.get(Kind.IMAGE.value, 0),
        documents=counts.get(Kind.PASSAGE.value, 0),
        passages=store.count(kind=Kind.PASSAGE),
        pictures=max(0, store.count(kind=Kind.IMAGE) - counts.get(Kind.IMAGE.value, 0)),
        chunking=str(space.manifest.chunking.over(Chunking(METHOD, TOKENS, OVERLAP))),
        language=store.language,
        left_out=dict(space.catalog.left_out(space.manifest.space)),
        ocr=space.manifest.ocr,
        passages_by_ocr=store.count(kind=Kind.PASSAGE, where=f"heading = '{OCR_HEADING}'"),
        failed=len(space.failures()),
        accelerated=space.accelerator.version is not None,
        megabytes=round(folder_size(space.root) / 1e6, 1),
        jobs=space.catalog.jobs.counts(space.manifest.space),
        sources=tuple(SourceStatus(s.path, s.state, files.get(s.path, 0)) for s in space.catalog.sources()),
    )


def folder_size(folder: Path) -> int:
    """Bytes of the files in a folder, at any depth."""
    total = 0
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(where, name)).st_size
            except OSError:
                continue  # gone since the listing: another process compacts
    return total


def shown(path: str) -> str:
    """A path as text that can be printed, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")
