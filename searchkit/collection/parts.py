"""What one space of a collection is made of: encoder, store, accelerator, adapter, references."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.catalog.catalog import Catalog, Reference
from searchkit.catalog.connect import sqlite_url
from searchkit.collection.manifest import (
    ADAPTERS,
    CATALOG,
    FAISS,
    LANCE,
    THUMBS,
    Manifest,
    manifest_stamp,
    read_manifest,
)
from searchkit.errors import CollectionDamaged, SpaceMismatch
from searchkit.ingest.thumbs import Thumbs
from searchkit.registry import AUTO, load_encoder
from searchkit.search.adapter import Adapter, load_adapter
from searchkit.search.plan import Planner
from searchkit.types import Runtime, Space

if TYPE_CHECKING:
    from searchkit.protocols import Encoder, VectorStore
    from searchkit.stores.faiss import Accelerator

SEEN_FOR = 1.0
"""Seconds for which what another process may have measured is not read again."""


class Shared:
    """What the spaces of one collection have in common: folder, catalog, thumbnails, and what is loaded."""

    def __init__(
        self, root: Path, catalog: str, encoder: Encoder | None = None, runtime: Runtime = AUTO
    ) -> None:
        self.root = root
        self.runtime = replace(runtime, accept_licence=True)  # it was accepted when the collection was made
        self.encoders = {} if encoder is None else {encoder.space.key: encoder}
        self.stores: dict[str, VectorStore] = {}
        """The open store of each space: whoever writes and whoever reads have one view of a table."""
        self._catalog = catalog

    @cached_property
    def catalog(self) -> Catalog:
        file = self.root / CATALOG
        if not self._catalog and not file.exists():  # to open it would make an empty one
            raise CollectionDamaged(f"the catalog {file} is lost")
        return Catalog(self._catalog or sqlite_url(file), make=False)

    @cached_property
    def thumbs(self) -> Thumbs:
        return Thumbs(self.root / THUMBS)

    def make_catalog(self) -> Catalog:
        """Make the catalog again, empty, in place of one that cannot be read."""
        self.close()
        if not self._catalog:
            for suffix in ("", "-wal", "-shm", "-journal"):
                (self.root / f"{CATALOG}{suffix}").unlink(missing_ok=True)
        self.catalog = Catalog(self._catalog or sqlite_url(self.root / CATALOG))
        return self.catalog

    def close(self) -> None:
        """Let go of the catalog."""
        if "catalog" in self.__dict__:
            self.catalog.close()
            del self.catalog


class Parts:
    """The parts of one space, each opened when it is first needed."""

    def __init__(self, shared: Shared, manifest: Manifest) -> None:
        self.shared, self.manifest = shared, manifest
        self.building: threading.Thread | None = None
        """What builds a new base of the accelerator in the background."""
        self._adapter: Adapter | None = None
        self._adapter_name = ""
        self._adapter_seen: tuple[int, ...] = (0,)
        self._references: dict[str, tuple[float, Mapping[tuple[str, str], Reference]]] = {}

    # what it is made of

    @property
    def root(self) -> Path:
        return self.shared.root

    @property
    def catalog(self) -> Catalog:
        return self.shared.catalog

    @property
    def thumbs(self) -> Thumbs:
        return self.shared.thumbs

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder that made the vectors. Raises `SpaceMismatch` where its weights are others by now."""
        loaded = self.shared.encoders.get(self.manifest.space)
        if loaded is not None:
            return loaded
        encoder = load_encoder(self.manifest.encoder, self.shared.runtime)
        if encoder.space.key != self.manifest.space:
            raise SpaceMismatch(
                f"{self.root} was made with other weights of {self.manifest.encoder!r} "
                f"({self.manifest.space}, now {encoder.space.key})",
                hint=f"encode all again: searchkit index --model {self.manifest.encoder}; "
                "or install the version that made this",
            )
        self.shared.encoders[encoder.space.key] = encoder
        return encoder

    @cached_property
    def store(self) -> VectorStore:
        return self.store_of(self.manifest.space)

    def store_of(self, space: str) -> VectorStore:
        """The store of any space that the collection holds."""
        from searchkit.stores.lance import LanceStore

        if space not in self.shared.stores:
            known = self.catalog.space(space) or self.encoder.space
            if not (self.root / LANCE / f"{space}.lance").exists() and self.catalog.coverage(space)[0]:
                raise CollectionDamaged(f"the store of {space} is lost")
            self.shared.stores[space] = LanceStore(
                self.root / LANCE, known, language=self.manifest.language or None
            )
        return self.shared.stores[space]

    def reopen(self) -> None:
        """Open the stores again when they are next needed: their files were changed by hand."""
        self.shared.stores.clear()
        for name in ("store", "accelerator", "planner"):
            self.__dict__.pop(name, None)

    @cached_property
    def accelerator(self) -> Accelerator:
        from searchkit.stores.faiss import Accelerator

        return Accelerator(self.root / FAISS / self.manifest.space, self.store)

    @cached_property
    def planner(self) -> Planner:
        return Planner(self.store, self.accelerator)

    @property
    def adapter(self) -> Adapter | None:
        """What questions go through, if one is in use; asked at each search, since another process may have
        changed it. Raises `CollectionError` for one that is missing or damaged."""
        stamp = manifest_stamp(self.root)
        if stamp != self._adapter_seen:
            manifest, self._adapter_seen = read_manifest(self.root), stamp
            # an adapter of another space: this one answered before a change of model, and is on its way out
            self._adapter_name = manifest.adapter if manifest.space == self.manifest.space else ""
        name = self._adapter_name
        if not name:
            self._adapter = None
        elif self._adapter is None or self._adapter.name != name:
            self._adapter = load_adapter(self.root / ADAPTERS / name, self.manifest.space)
        return self._adapter

    @cached_property
    def space(self) -> Space:
        return self.catalog.space(self.manifest.space) or self.encoder.space

    def references(self, key: str) -> Mapping[tuple[str, str], Reference]:
        """What neutral queries reach, for a space or an adapter; read again after a second at the latest,
        since another process may have measured anew."""
        read_at, references = self._references.get(key, (-SEEN_FOR, {}))
        now = time.monotonic()
        if now - read_at >= SEEN_FOR:
            references = self.catalog.references(key)
            self._references[key] = now, references
        return references

    def forget_references(self) -> None:
        """Read them again at the next search."""
        self._references.clear()

    # whether a search has to wait for it

    @property
    def is_warm(self) -> bool:
        """Whether its encoder is loaded, and its table still there."""
        space = self.manifest.space
        return space in self.shared.encoders and (self.root / LANCE / f"{space}.lance").exists()

    def warm(self) -> None:
        """Open what a search needs. What goes wrong is for the search to say."""
        with suppress(Exception):
            self.store.count()
            _ = self.accelerator
            self.encoder.encode_text(["warm"])
