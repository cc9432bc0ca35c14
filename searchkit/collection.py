"""The main path: open a collection, add to it, search it.

library = Collection.open("./library")
library.add("./photos", "./papers")
for hit in library.search("two dogs on a beach", k=5): print(hit.confidence, hit.path)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from searchkit.catalog.catalog import Asset, Catalog, Content, Source
from searchkit.catalog.connect import sqlite_url
from searchkit.errors import BadInput, CollectionMissing, NothingIndexed, SpaceMismatch
from searchkit.ingest.images import decode_file, enough
from searchkit.ingest.load import indexable
from searchkit.ingest.pipeline import Ingest, Options, ids_of, scopes
from searchkit.ingest.walk import Selection
from searchkit.place import FORMAT, Manifest, read_manifest, resolve, write_manifest, writing
from searchkit.registry import AUTO, DEFAULT_ENCODER, DOCUMENT_SUFFIXES, load_encoder, same_model
from searchkit.search.adapter import Adapter, load_adapter
from searchkit.search.confidence import is_current, measure
from searchkit.search.filters import expression
from searchkit.search.find import find
from searchkit.search.hybrid import cosines
from searchkit.search.question import as_part, vector_of
from searchkit.types import (
    FULL_TEXT,
    Candidate,
    Failure,
    Hit,
    IndexReport,
    Kind,
    Part,
    Progress,
    Query,
    Runtime,
    Space,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchkit.doctor import Status
    from searchkit.label import Labelled
    from searchkit.protocols import Encoder
    from searchkit.stores.faiss import Accelerator
    from searchkit.stores.lance import LanceStore

CATALOG = "catalog.sqlite"
ADAPTERS = "adapters"


class Collection:
    """Catalog and store in one directory. Any number of processes may search; one at a time may write."""

    def __init__(
        self, root: Path, manifest: Manifest, encoder: Encoder | None = None, runtime: Runtime = AUTO
    ) -> None:
        self.root, self.manifest = root, manifest
        self._given = encoder
        self._adapter: Adapter | None = None
        self._runtime = replace(runtime, accept_licence=True)  # it was accepted when this was made

    @classmethod
    def open(
        cls,
        where: str | Path | None = None,
        *,
        model: str | None = None,
        encoder: Encoder | None = None,
        create: bool = True,
        runtime: Runtime = AUTO,
    ) -> Collection:
        """The collection of that name or at that path; made when it is not there, unless `create` is False.

        `model` names the encoder of a new collection ("pocket" by default); for one that exists it must
        be the encoder it was made with. `encoder` hands one in instead; `runtime` says on what it runs.
        Raises `CollectionMissing`, `SpaceMismatch`, `ModelMissing`, `CollectionTooNew`.
        """
        root = resolve(where)
        try:
            manifest = read_manifest(root)
        except CollectionMissing:
            if not create:
                raise
            manifest, encoder = _create(root, encoder or load_encoder(model or DEFAULT_ENCODER, runtime))
        if encoder is None and model is not None and not same_model(model, manifest.encoder):
            encoder = load_encoder(model, replace(runtime, accept_licence=True))
        if encoder is not None and encoder.space.key != manifest.space:
            raise SpaceMismatch(
                f"{root} holds vectors of {manifest.space}; {encoder.record.name} makes {encoder.space.key}",
                hint="use another collection (-c NAME) for another model",
            )
        return cls(root, manifest, encoder, runtime)

    # what it is made of, each opened when first needed

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.manifest.catalog or sqlite_url(self.root / CATALOG))

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the active space. Raises `SpaceMismatch` when its weights are not those any more."""
        encoder = self._given or load_encoder(self.manifest.encoder, self._runtime)
        if encoder.space.key != self.manifest.space:
            raise SpaceMismatch(
                f"{self.root} was made with other weights of {self.manifest.encoder!r} "
                f"({self.manifest.space}, now {encoder.space.key})",
                hint="index into a new collection (-c NAME), or install the version that made this one",
            )
        return encoder

    @cached_property
    def store(self) -> LanceStore:
        from searchkit.stores.lance import LanceStore

        return LanceStore(self.root / "lance", self._space)

    @cached_property
    def accelerator(self) -> Accelerator:
        from searchkit.stores.faiss import Accelerator

        return Accelerator(self.root / "faiss" / self.manifest.space, self.store)

    @property
    def adapter(self) -> Adapter | None:
        """What questions go through, if one is in use; asked at each search, since another process may have
        changed it. Raises `CollectionError` for one that is missing or damaged."""
        name = read_manifest(self.root).adapter
        if not name:
            self._adapter = None
        elif self._adapter is None or self._adapter.name != name:
            self._adapter = load_adapter(self.root / ADAPTERS / name, self.manifest.space)
        return self._adapter

    @cached_property
    def _space(self) -> Space:
        return self.catalog.space(self.manifest.space) or self.encoder.space

    # write

    def add(
        self,
        *paths: str | Path,
        on_progress: Callable[[Progress], object] | None = None,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        prune: bool = False,
        retry_failed: bool = False,
        batch_size: int = 32,
        threads: int = 2,
        stop: Callable[[], bool] = lambda: False,
    ) -> IndexReport:
        """Index these folders and files, or bring what is known of them up to date; without any, all sources.

        Unchanged files cost one look at the directory. `stop` is asked after each file; when it says True
        the finished batches are kept and `report.interrupted` is set. Raises `CollectionLocked`, and
        `BadInput` for a path that does not exist and never did.
        """
        began = time.monotonic()
        kinds = _Kinds(self.manifest.images)
        selection = Selection(kinds, include, exclude)
        options = Options(batch_size, threads, prune, retry_failed, on_progress, stop)
        with writing(self.root):
            targets = self._targets(paths)
            selection = replace(selection, apart=frozenset(s.path for s in self.catalog.sources()))
            ingest = self._ingest(options)
            ingest.sweep_tombstones()
            for source, scope in targets:
                ingest.sync(source, selection, scope=scope)
                if ingest.report.interrupted:
                    break
            ingest.sweep_tombstones()
            references = self.catalog.references(self.manifest.space)
            if ingest.changed or (not is_current(references) and self.store.count() > 0):
                self._refresh()
        report = ingest.report
        if kinds.left_out:
            report.warnings.append(
                f"{kinds.left_out} pictures were left out: {self.manifest.encoder} encodes text only"
            )
        report.failed = len(self.catalog.failures())
        report.seconds = time.monotonic() - began
        return report

    def remove(self, *paths: str | Path) -> int:
        """Take files, folders or whole sources out of the collection; the disk is not touched.

        Returns how many assets went. Raises `BadInput` for a path that the collection knows nothing of.
        """
        gone = 0
        with writing(self.root):
            sources = self.catalog.sources()
            for path in map(_absolute, paths):
                known = [asset.path for asset in self.catalog.assets(under=path)]
                failed = [failure.path for failure in self.catalog.failures(under=path)]
                _, inside = scopes(sources, path)
                dropped = [s for s in sources if s.path == path or s in inside]
                if not (known or failed or dropped):
                    raise BadInput(f"{path} is not in {self.root}", hint="see what is: searchkit ls")
                gone += self.catalog.forget([*known, *failed])
                for source in dropped:
                    self.catalog.drop_source(source)
            self._ingest(Options()).sweep_tombstones()
            self._refresh()
        return gone

    def label(
        self, labels: Sequence[str], *paths: str | Path, min_confidence: float = 0.0
    ) -> Iterator[Labelled]:
        """Give every indexed picture at or below the paths (all, without any) the label that fits best.

        Zero-shot, from the vectors that are there; labels from before are replaced. Written as they are
        yielded. Raises `BadInput`, `NothingIndexed`, `CollectionLocked`.
        """
        from searchkit.label import label

        return label(self, labels, under=[_absolute(p) for p in paths], min_confidence=min_confidence)

    def _targets(self, paths: Sequence[str | Path]) -> list[tuple[Source, str | None]]:
        """(source, the part of it to look at) for what was named, with the sources inside it."""
        known = self.catalog.sources()
        if not paths:
            return [(source, None) for source in known]
        targets: list[tuple[Source, str | None]] = []
        for path in map(_absolute, paths):
            around, inside = scopes(known, path)
            kinds = _Kinds(self.manifest.images)
            if os.path.isfile(path) and not kinds(os.path.splitext(path)[1].lower()):
                raise BadInput(f"{path} is of no kind that can be indexed", hint=kinds.hint)
            if around is None:
                if not os.path.lexists(path):
                    raise BadInput(f"{path} does not exist", hint="check the spelling")
                around = self.catalog.add_source(path)
            targets += [(around, None if around.path == path else path), *((s, None) for s in inside)]
        return list(dict.fromkeys(targets))

    def _ingest(self, options: Options) -> Ingest:
        return Ingest(self.catalog, self.manifest.space, lambda: self.store, lambda: self.encoder, options)

    def _refresh(self) -> None:
        """After a change: compact, measure what neutral queries find, rebuild the accelerator."""
        self.store.compact()
        self.measure()
        if self.adapter is not None:
            self.measure(self.adapter)
        self.accelerator.rebuild()

    def measure(self, adapter: Adapter | None = None) -> None:
        """Keep what neutral queries find now, as they are or through an adapter: confidence follows it."""
        references = measure(self.encoder, self.store, self.root / "neutral", adapter=adapter)
        key = adapter.key if adapter else self.manifest.space
        for (asked_with, kind), reference in references.items():
            self.catalog.set_reference(key, asked_with, kind, reference)

    # read

    def search(
        self,
        text: str | None = None,
        *,
        image: str | Path | None = None,
        vector: Sequence[float] | None = None,
        positives: Sequence[str | Part] = (),
        negatives: Sequence[str | Part] = (),
        k: int = 10,
        kind: str | None = None,
        filter: str | None = None,
        label: str | None = None,
        since: str | None = None,
        until: str | None = None,
        min_confidence: float = 0.0,
        collapse: str = "exact",
        group: str | None = None,
        sort: str = "confidence",
        hybrid: bool = False,
    ) -> list[Hit]:
        """The k best hits for a text, a picture file, both together, or a vector; the most confident first.

        `positives` are more that is wanted, `negatives` what is to be avoided: texts, or `Part`s with a
        weight or a picture. A text is only ever text: it is not opened, fetched or looked up as a path.
        `kind` is "image" or "passage"; `filter` an expression over the store's columns, `label` a label that
        pictures got, `since` and `until` ISO dates of when a picture was taken or a file changed: all applied
        before the search. `hybrid` lets the exact words of `text`, in passages and file names, count as much
        as its meaning. `sort="date"` puts the hits in order of that date, the newest first.
        Raises `BadInput`, `Unreadable` (a picture), `NothingIndexed`.
        """
        wanted = [Part(text=text)] if text is not None else []
        wanted += [Part(image=str(image))] if image is not None else []
        query = Query(
            positives=(*wanted, *map(as_part, positives)),
            negatives=tuple(map(as_part, negatives)),
            vector=vector,
            kind=_kind(kind),
            k=k,
            min_confidence=min_confidence,
            collapse=collapse,
            group=group,
            sort=sort,
        )
        if self.store.count() == 0:
            raise NothingIndexed(f"{self.root} holds nothing yet", hint="searchkit index FOLDER")
        asked_with = sorted({"image" if part.text is None else "text" for part in query.positives})
        where = expression(filter, label=label, since=since, until=until)
        if hybrid and text is None:
            raise BadInput("there are no words to look for", hint="hybrid search needs a text")
        asked = vector_of(query, self.encoder, _picture)
        # an adapter knows texts and pictures, not both together, and a vector is taken at its word
        adapter = self.adapter if len(asked_with) == 1 else None
        return self._find(query, asked, asked_with or ["image"], where, text if hybrid else None, adapter)

    def _find(
        self,
        query: Query,
        vector: np.ndarray,
        asked_with: Sequence[str],
        filter: str | None = None,
        exact: str | None = None,
        adapter: Adapter | None = None,
    ) -> list[Hit]:
        def moved(kind: Kind) -> np.ndarray:
            found: np.ndarray = vector if adapter is None else adapter(vector[None], asked_with[0], kind)[0]
            return found

        def search(vector: np.ndarray, k: int, kind: Kind) -> list[Candidate]:
            vector = moved(kind)
            if filter is None and self.accelerator.version is not None:
                return self.accelerator.search(vector, k, kind=kind)
            return self.store.search(vector, k, kind=kind, where=filter)

        def words(k: int) -> list[list[Candidate]]:
            assert exact is not None
            lists = [
                self.store.match(exact, k, column=column, kind=query.kind, where=filter)
                for column in FULL_TEXT
            ]
            return [cosines(self.store, found, moved) for found in lists]

        space = self.manifest.space
        references = self.catalog.references(adapter.key if adapter else space)
        return find(query, vector, asked_with, search, references, space, words if exact else None)

    def similar(self, path: str | Path, *, k: int = 10, kind: str | None = None) -> list[Hit]:
        """What is like this file, the file itself left out. An indexed file costs no encoding; a document
        that is not indexed raises `BadInput`."""
        wanted = _absolute(path)
        known = next((a for a in self.assets(under=wanted) if a.path == wanted), None)
        if known is None or not known.encoded:
            if not indexable(os.path.splitext(wanted)[1].lower()):
                raise BadInput(
                    f"{wanted} is not a picture or an indexed file", hint="see what is: searchkit ls"
                )
            return [h for h in self.search(image=wanted, k=k, kind=kind) if h.path != wanted]
        vectors = self.store.vectors(ids_of(Content(known.path, known.encoded, known.items)))
        mean = vectors.mean(axis=0)
        asked_with = ["image" if known.kind == Kind.IMAGE.value else "text"]
        query = Query(vector=mean.tolist(), kind=_kind(kind), k=k + known.items)
        hits = self._find(query, vector_of(query, self.encoder, _picture), asked_with)
        return [h for h in hits if h.path != wanted][:k]

    def assets(self, *, under: str | Path | None = None) -> Iterator[Asset]:
        """Every indexed file, or those at or below a path, in order of path."""
        return self.catalog.assets(self.manifest.space, under=_absolute(under) if under else None)

    def failures(self) -> list[Failure]:
        return self.catalog.failures()

    def status(self) -> Status:
        """What it holds, in numbers."""
        from searchkit.doctor import status

        return status(self)

    def close(self) -> None:
        if "catalog" in self.__dict__:
            self.catalog.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


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


def _create(root: Path, encoder: Encoder) -> tuple[Manifest, Encoder]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(entry.name not in ("writer.lock", "writer.json") for entry in root.iterdir()):
            raise BadInput(
                f"{root} is not empty and not a collection",
                hint="name an empty or a new folder for the collection with -c",
            )
        with writing(root):
            images = encoder.record.pixels > 0
            manifest = Manifest(FORMAT, encoder.record.name, encoder.space.key, "", images)
            catalog = Catalog(sqlite_url(root / CATALOG))
            catalog.add_space(encoder.space)
            catalog.close()
            write_manifest(root, manifest)
    except OSError as error:
        raise BadInput(f"cannot make a collection at {root}: {error.strerror}") from error
    return manifest, encoder


def _absolute(path: str | Path) -> str:
    """As the user sees it: absolute, without `..`, links left as they are."""
    return os.path.abspath(os.path.expanduser(path))


def _kind(name: str | None) -> Kind | None:
    if name is None:
        return None
    try:
        return Kind(name)
    except ValueError:
        raise BadInput(f"kind is {name!r}", hint="one of: image, passage") from None


def _picture(path: str, pixels: int) -> Image:
    return decode_file(path, at_least=enough(pixels)).image
