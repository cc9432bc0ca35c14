"""Making a collection, and changing what it keeps about itself: how documents are cut, the language of words,
the languages of text in pictures."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from searchkit.catalog.catalog import Asset, Catalog
from searchkit.catalog.connect import sqlite_url
from searchkit.collection.lock import writing
from searchkit.collection.manifest import CATALOG, FORMAT, MANIFEST, Manifest, read_manifest, write_manifest
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.parts import Shared
from searchkit.collection.rights import make_private
from searchkit.errors import BadInput, CollectionMissing, SpaceMismatch
from searchkit.ingest.chunking import METHOD, OVERLAP, TOKENS, settled
from searchkit.ingest.golden import golden
from searchkit.ingest.ocr import Ocr
from searchkit.protocols import Encoder
from searchkit.registry import DEFAULT_ENCODER, load_encoder, same_model
from searchkit.stores.words import AUTOMATIC, PLAIN, STEMMED
from searchkit.types import DEFAULTS, Chunking, Kind, Runtime


class Settings(NamedTuple):
    """What a collection keeps about itself; None leaves it as it is, or at its default."""

    chunking: Chunking | None = None
    language: str | None = None
    ocr: str | None = None


UNFINISHED = ("writer.", CATALOG, f"{MANIFEST}.tmp")
"""What a process that was killed while it made a collection may have left there."""


def find_or_make(
    root: Path,
    *,
    model: str | None,
    encoder: Encoder | None,
    create: bool,
    runtime: Runtime,
    catalog: str,
    settings: Settings,
) -> tuple[Shared, Manifest]:
    """The collection in a folder, made where there is none and `create` says so, with its settings changed to
    those given; the arguments are those of `Collection.open`, which says what is raised."""
    if settings.ocr:
        Ocr(settings.ocr)  # raises where the program is missing, before anything is made
    try:
        manifest = read_manifest(root)
    except CollectionMissing:
        if not create:
            raise
        encoder = encoder or load_encoder(model or DEFAULT_ENCODER, runtime)
        manifest = make(root, encoder, catalog, settled(settings.chunking or DEFAULTS, encoder))
    if catalog and catalog != manifest.catalog:
        raise BadInput(
            f"{root} has another catalog", hint="a catalog is chosen when a collection is made (-c NAME)"
        )
    if encoder is None and model is not None and not same_model(model, manifest.encoder):
        encoder = load_encoder(model, replace(runtime, accept_licence=True))
    if encoder is not None and encoder.space.key != manifest.space:
        raise SpaceMismatch(
            f"{root} holds vectors of {manifest.space}; {encoder.record.name} makes {encoder.space.key}",
            hint=f"searchkit index --model {encoder.record.name} changes the model; -c NAME keeps both",
        )
    shared = Shared(root, manifest.catalog, encoder, runtime)
    return shared, change(OpenSpace(shared, manifest), settings)


def make(root: Path, encoder: Encoder, catalog: str, chunking: Chunking) -> Manifest:
    """Make a collection in an empty or a new folder. Raises `BadInput` where that cannot be."""
    try:
        if root.exists() and any(not entry.name.startswith(UNFINISHED) for entry in root.iterdir()):
            raise BadInput(
                f"{root} is not empty and not a collection",
                hint="name an empty or a new folder for the collection with -c",
            )
        make_private(root)
        with writing(root):
            images = encoder.record.pixels > 0
            manifest = Manifest(FORMAT, encoder.record.name, encoder.space.key, catalog, images, chunking)
            with closing(Catalog(catalog or sqlite_url(root / CATALOG))) as made:
                if made.sources():
                    raise BadInput(
                        "the catalog belongs to another collection", hint="give each a database of its own"
                    )
                note_space(made, encoder)
                made.activate(encoder.space.key)
            write_manifest(root, manifest)
    except OSError as error:
        raise BadInput(f"cannot make a collection at {root}: {error.strerror}") from error
    return manifest


def note_space(catalog: Catalog, encoder: Encoder) -> None:
    """Note the encoder's space in the catalog, with what goes back to it and what proves it the same."""
    if catalog.space(encoder.space.key) is None:
        images = encoder.record.pixels > 0
        kept = golden(encoder).tobytes()
        catalog.add_space(encoder.space, model=encoder.record.name, images=images, golden=kept)


def change(space: OpenSpace, settings: Settings) -> Manifest:
    """Change what is given; returns the manifest that is kept then. Raises `BadInput` for what cannot be."""
    manifest = space.manifest
    if settings.chunking is not None:
        manifest = _cut_by(space, settings.chunking) or manifest
    if settings.language is not None:
        manifest = _stem_in(space, settings.language) or manifest
    if settings.ocr is not None and settings.ocr != space.manifest.ocr:
        manifest = _read_pictures(space, settings.ocr)
    return manifest


def _keep(root: Path, **settings: Any) -> Manifest:
    """Under the write lock: change what the manifest on disk says."""
    manifest = replace(read_manifest(root), **settings)
    write_manifest(root, manifest)
    return manifest


def _cut_by(space: OpenSpace, wanted: Chunking) -> Manifest | None:
    """Take another chunking, if there is no document yet that was cut by the one it has."""
    # collections that say nothing were made with the defaults
    has = space.manifest.chunking.over(Chunking(METHOD, TOKENS, OVERLAP))
    if wanted.over(has) == has:
        return None
    chunking = settled(wanted.over(space.manifest.chunking), space.encoder)
    if space.catalog.counts().get(Kind.PASSAGE):
        raise BadInput(
            f"the documents of {space.root} were cut by {has}; asked for: {chunking}",
            hint="use another collection (-c NAME), or take the documents out first: searchkit rm PATH",
        )
    with writing(space.root):
        return _keep(space.root, chunking=chunking)


def _stem_in(space: OpenSpace, language: str) -> Manifest | None:
    """Take another language for full text; the next run makes the index anew."""
    if language not in (AUTOMATIC, PLAIN, *STEMMED):
        known = ", ".join((AUTOMATIC, PLAIN, *STEMMED))
        raise BadInput(f"no stems are known of the language {language!r}", hint=f"one of: {known}")
    wanted = "" if language == AUTOMATIC else language
    if wanted == space.manifest.language:
        return None
    with writing(space.root):
        manifest = _keep(space.root, language=wanted)
        space.catalog.jobs.owe_refresh(space.manifest.space)
    return manifest


def _read_pictures(space: OpenSpace, languages: str) -> Manifest:
    """Read text in pictures from the next run on, or no more; what was indexed without is due again."""
    with writing(space.root):
        manifest = _keep(space.root, ocr=languages)
        if languages:
            key = space.manifest.space
            unread = [
                asset.path
                for asset in space.catalog.assets(key)
                if asset.kind == Kind.IMAGE or _has_scans(asset)
            ]
            space.catalog.unencode(key, unread)
            scans = [f.path for f in space.catalog.failures() if f.path.lower().endswith(".pdf")]
            space.catalog.clear_failures(scans)
    return manifest


def _has_scans(asset: Asset) -> bool:
    return "pages_without_text" in (asset.left_out or "")
