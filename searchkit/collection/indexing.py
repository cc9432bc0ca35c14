"""Bringing files into a space, and taking them out: which sources, which files, and the run itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from searchkit.catalog.catalog import Source
from searchkit.collection.lock import writing
from searchkit.collection.manifest import absolute
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.upkeep import refresh, sweep
from searchkit.errors import BadInput
from searchkit.ingest.load import indexable
from searchkit.ingest.ocr import Ocr
from searchkit.ingest.run import Options
from searchkit.ingest.scan import scopes
from searchkit.ingest.sync import Ingest
from searchkit.ingest.walk import Selection
from searchkit.registry import DOCUMENT_SUFFIXES
from searchkit.search.confidence import is_current
from searchkit.types import IndexReport


def add(
    space: OpenSpace,
    paths: Sequence[str | Path],
    options: Options,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> IndexReport:
    """Index these folders and files, all sources without any. Raises `CollectionLocked`, and `BadInput` for a
    path that does not exist and never did."""
    began = time.monotonic()
    with writing(space.root):
        into = targets(space, paths)
        selection, warnings = select(space, include, exclude)
        ingest = ingest_into(space, options)
        sweep(space)
        for source, scope in into:
            ingest.sync(source, selection, scope=scope)
            if ingest.report.interrupted:
                break
        sweep(space)
        references = space.catalog.references(space.manifest.space)
        owed = space.catalog.jobs.owes_refresh(space.manifest.space)  # by a run that was cut off, too
        if owed or (not is_current(references) and space.store.count() > 0):
            refresh(space)
    report = ingest.report
    report.warnings += warnings()
    report.failed = len(space.catalog.failures())
    report.seconds = time.monotonic() - began
    return report


def remove(space: OpenSpace, paths: Sequence[str | Path]) -> int:
    """Take files, folders or whole sources out of every space, to the last byte; returns how many assets
    went. Raises `BadInput` for a path that the collection knows nothing of."""
    gone = 0
    with writing(space.root):
        sources = space.catalog.sources()
        for path in map(absolute, paths):
            known = [asset.path for asset in space.catalog.assets(under=path)]
            failed = [failure.path for failure in space.catalog.failures(under=path)]
            _, inside = scopes(sources, path)
            dropped = [source for source in sources if source.path == path or source in inside]
            if not (known or failed or dropped):
                raise BadInput(f"{path} is not in {space.root}", hint="see what is: searchkit ls")
            gone += space.catalog.forget([*known, *failed])
            for source in dropped:
                space.catalog.drop_source(source)
        sweep(space, erase=True)
        refresh(space)
    return gone


def targets(space: OpenSpace, paths: Sequence[str | Path]) -> list[tuple[Source, str | None]]:
    """(source, the part of it to look at) for what was named, with the sources inside it; a path outside of
    all sources becomes one."""
    known = space.catalog.sources()
    if not paths:
        return [(source, None) for source in known]
    found: list[tuple[Source, str | None]] = []
    for path in map(absolute, paths):
        around, inside = scopes(known, path)
        kinds = _Kinds(space.manifest.images)
        if os.path.isfile(path) and not kinds(os.path.splitext(path)[1].lower()):
            raise BadInput(f"{path} is of no kind that can be indexed", hint=kinds.hint)
        if around is None:
            if not os.path.lexists(path):
                raise BadInput(f"{path} does not exist", hint="check the spelling")
            around = space.catalog.add_source(path)
        found += [(around, None if around.path == path else path), *((source, None) for source in inside)]
    return list(dict.fromkeys(found))


def select(
    space: OpenSpace, include: Sequence[str] = (), exclude: Sequence[str] = ()
) -> tuple[Selection, Callable[[], list[str]]]:
    """What the walk looks at, and a function that afterwards warns of the kinds that were left out."""
    kinds = _Kinds(space.manifest.images)
    apart = frozenset(source.path for source in space.catalog.sources())

    def warnings() -> list[str]:
        message = f"{kinds.left_out} pictures were left out: {space.manifest.encoder} encodes text only"
        return [message] if kinds.left_out else []

    return Selection(kinds, include, exclude, apart), warnings


def ocr_of(space: OpenSpace) -> Ocr | None:
    """What reads text in pictures, where the collection wants that. Raises `BadInput` where it cannot."""
    return Ocr(space.manifest.ocr) if space.manifest.ocr else None


def ingest_into(space: OpenSpace, options: Options) -> Ingest:
    """What brings files into a space. Raises `BadInput` as `ocr_of` does."""
    return Ingest(
        space.catalog,
        space.manifest.space,
        lambda: space.store,
        lambda: space.encoder,
        replace(options, keep_thumbnail=space.thumbs.keep, ocr=ocr_of(space)),
        space.manifest.chunking,
    )


class _Kinds:
    """Says which suffixes a collection takes, and counts the pictures that a text encoder leaves out."""

    def __init__(self, images: bool) -> None:
        self.images, self.left_out = images, 0

    def __call__(self, suffix: str) -> bool:
        if self.images or suffix in DOCUMENT_SUFFIXES:
            return indexable(suffix)
        self.left_out += indexable(suffix)
        return False

    @property
    def hint(self) -> str:
        return "pictures and documents" if self.images else "documents; its encoder takes no pictures"
