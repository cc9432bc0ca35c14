"""What a space needs after a change: forgotten items leave the stores, tables are compacted, neutral queries
are measured, and the accelerator is brought up to date."""

from __future__ import annotations

import logging
import shutil
import threading

from searchkit.collection.manifest import COPY, FAISS, NEUTRAL, copy_manifest, read_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.rights import as_private_as
from searchkit.ingest.deletion import sweep_tombstones
from searchkit.ingest.golden import golden
from searchkit.search.adapter import Adapter
from searchkit.search.confidence import RULE, made_today, neutral_vectors
from searchkit.search.confidence import measure as measured

logger = logging.getLogger(__name__)


def sweep(space: OpenSpace, *, erase: bool = False) -> None:
    """Under the write lock: take what was forgotten out of the store of every space, with `erase` to the
    last byte."""

    def drop(key: str, ids: list[str]) -> None:
        space.catalog.jobs.owe_refresh(key)
        if not erase:
            space.store_of(key).delete(ids)
            return
        space.store_of(key).erase(ids)
        shutil.rmtree(space.root / FAISS / key, ignore_errors=True)  # `refresh` builds it again

    gone = space.catalog.forgotten(sweep_tombstones(space.catalog, drop))
    space.thumbs.drop(gone)
    if erase:
        space.catalog.drop_ratings(gone)
        space.catalog.vacuum()


def refresh(space: OpenSpace) -> None:
    """Under the write lock, after a change: compact, measure what neutral queries find, bring the accelerator
    up to date."""
    from searchkit.stores.lance import give_back

    give_back()  # what encoding took, so that what follows does not come on top of it
    space.store.asked_language = read_manifest(space.root).language or None  # another process may have set it
    space.store.compact()
    measure(space)
    if space.adapter is not None:
        measure(space, space.adapter)
    give_back()
    accelerate(space)
    key = space.manifest.space
    record = next((record for record in space.catalog.spaces() if record.space.key == key), None)
    if record is not None and record.golden is None:  # a collection from before these were kept
        space.catalog.set_golden(key, golden(space.encoder).tobytes())
    space.catalog.jobs.refreshed(key)
    if not (space.root / COPY).exists():  # a collection from before it was kept
        copy_manifest(space.root)
    give_back()


def measure(space: OpenSpace, adapter: Adapter | None = None) -> None:
    """Keep what neutral queries find, as they are or through an adapter: confidence follows it."""
    references = measured(space.encoder, space.store, space.root / NEUTRAL, adapter=adapter)
    key = adapter.key if adapter else space.manifest.space
    for (asked_with, kind), reference in {**references, RULE: made_today()}.items():
        space.catalog.set_reference(key, asked_with, kind, reference)
    space.forget_references()


def accelerate(space: OpenSpace, *, wait: bool = False) -> None:
    """Bring the accelerator up to date. Where a large one has to be built anew that takes minutes and goes on
    in the background while searches are answered without it; `wait` for it, or `finish` does."""
    space.accelerator.refresh()
    if space.building is not None and not space.building.is_alive():
        space.building = None
    if space.building is None and space.accelerator.is_due():
        space.building = threading.Thread(target=_build, args=(space,), name="accelerator")
        space.building.start()
    if wait:
        finish(space)


def finish(space: OpenSpace) -> None:
    """Wait for what is built in the background."""
    if space.building is not None:
        space.building.join()
        space.building = None


def _build(space: OpenSpace) -> None:
    try:
        with as_private_as(space.root):
            space.accelerator.rebuild(neutral_vectors(space.encoder, space.root / NEUTRAL))
    except Exception:  # searches are answered without it
        logger.exception("the accelerator could not be built")
