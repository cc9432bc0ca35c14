"""The main path: open a collection, add to it, search it.

library = Collection.open("./library")
library.add("./photos", "./papers")
for hit in library.search("two dogs on a beach", k=5): print(hit.confidence, hit.path)
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from functools import cached_property, update_wrapper
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np

from searchkit.catalog.catalog import Asset, Catalog, Content, Reference, Source
from searchkit.catalog.connect import sqlite_url
from searchkit.collection.lock import writing
from searchkit.collection.manifest import (
    ADAPTERS,
    CATALOG,
    FAISS,
    FORMAT,
    LANCE,
    MANIFEST,
    NEUTRAL,
    THUMBS,
    Manifest,
    manifest_stamp,
    read_manifest,
    resolve,
    write_manifest,
)
from searchkit.errors import BadInput, CollectionMissing, NothingIndexed, SpaceMismatch
from searchkit.ingest.chunking import METHOD, OVERLAP, TOKENS, room, settled
from searchkit.ingest.golden import golden
from searchkit.ingest.images import decode_file, enough
from searchkit.ingest.load import indexable
from searchkit.ingest.ocr import Ocr
from searchkit.ingest.pipeline import ID, Ingest, Options, ids_of, item_id, scopes, sweep_tombstones
from searchkit.ingest.thumbs import Thumbs
from searchkit.ingest.walk import Selection
from searchkit.registry import AUTO, DEFAULT_ENCODER, DOCUMENT_SUFFIXES, load_encoder, same_model
from searchkit.search.adapter import Adapter, load_adapter
from searchkit.search.around import around
from searchkit.search.confidence import RULE, is_current, made_today, measure, neutral_vectors
from searchkit.search.filters import expression
from searchkit.search.find import Sources, find
from searchkit.search.hybrid import Scored, scored
from searchkit.search.plan import Planner
from searchkit.search.question import as_part, checked, vector_of
from searchkit.search.trace import Trace, timed
from searchkit.stores.words import AUTOMATIC, PLAIN, STEMMED
from searchkit.types import (
    DEFAULTS,
    FULL_TEXT,
    Candidate,
    Chunking,
    Failure,
    Hit,
    IndexReport,
    Kind,
    Part,
    Passage,
    Progress,
    Query,
    Runtime,
    Space,
)

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchkit.collection.labels import Labelled
    from searchkit.collection.status import Status
    from searchkit.protocols import Encoder, Reranker
    from searchkit.stores.faiss import Accelerator
    from searchkit.stores.lance import LanceStore

logger = logging.getLogger(__name__)

UNFINISHED = ("writer.", CATALOG, f"{MANIFEST}.tmp")
"""What a process that was killed while it made a collection may have left there."""
SOON = 0.2
"""Seconds that a search waits for another model; if it is not loaded then, the one before answers."""
SEEN_FOR = 1.0
"""Seconds for which what another process may have measured is not read again."""


@dataclass(frozen=True, slots=True)
class _How:
    """What a search does beside looking for the nearest."""

    filter: str | None = None
    words: str | None = None
    """For hybrid search."""
    rerank: Reranker | None = None
    trace: Trace | None = None
    adapter: Adapter | None = None


P = ParamSpec("P")
R = TypeVar("R")
Method = Callable[Concatenate["Collection", P], R]


def _follows(method: Method[P, R]) -> Method[P, R]:
    """Of a method: run from beginning to end on the space that is active when it is called."""
    return _on(method, lambda library: library.current)


def _answers(method: Method[P, R]) -> Method[P, R]:
    """Of a search: as `_follows`, but as long as the new model is being loaded, on the space before it."""
    return _on(method, lambda library: library.answering)


def _on(method: Method[P, R], chosen: Callable[[Collection], Collection]) -> Method[P, R]:
    def on_chosen(self: Collection, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return method(chosen(self), *args, **kwargs)

    update_wrapper(on_chosen, method)
    return on_chosen


class Collection:
    """Catalog and store in one directory. Any number of processes may search; one at a time may write."""

    def __init__(
        self, root: Path, manifest: Manifest, encoder: Encoder | None = None, runtime: Runtime = AUTO
    ) -> None:
        self.root, self.manifest = root, manifest
        self._encoders = {} if encoder is None else {encoder.space.key: encoder}
        self._adapter: Adapter | None = None
        self._adapter_name = ""
        self._adapter_seen: tuple[int, ...] = (0,)
        self._runtime = replace(runtime, accept_licence=True)  # it was accepted when this was made
        self._building: threading.Thread | None = None
        self._known_references: dict[str, tuple[float, Mapping[tuple[str, str], Reference]]] = {}
        self._stores: dict[str, LanceStore] = {}
        self._seen = manifest_stamp(root)
        self._successor: Collection = self
        self._answered: Collection = self
        self._warming: tuple[Collection, threading.Thread] | None = None
        self._turn = threading.Lock()

    @classmethod
    def open(
        cls,
        where: str | Path | None = None,
        *,
        model: str | None = None,
        encoder: Encoder | None = None,
        create: bool = True,
        runtime: Runtime = AUTO,
        catalog: str = "",
        chunking: Chunking | None = None,
        language: str | None = None,
        ocr: str | None = None,
    ) -> Collection:
        """The collection of that name or at that path; made when it is not there, unless `create` is False.

        `model` names the encoder of a new collection ("pocket" by default); for one that exists it must
        be the encoder it was made with. `encoder` hands one in instead; `runtime` says on what it runs.
        `catalog` is the address of a PostgreSQL database for the catalog of a new collection.
        `chunking` is how documents are cut: the collection keeps it, and cannot change it while it holds any.
        `language` is that of the words in hybrid search: "english", …, "none" for words as they are, "auto"
        for the one that most passages are in; the collection keeps it, the next run makes the index anew.
        `ocr` is the languages ("eng", "eng+deu") in which the program tesseract reads pages without text, and
        pictures; "" reads no more of them. The collection keeps it; the next run reads what is there too.
        Raises `CollectionMissing`, `SpaceMismatch`, `ModelMissing`, `CollectionTooNew`, `BadInput`.
        """
        if ocr:
            Ocr(ocr)  # raises where the program is missing, before anything is made
        root = resolve(where)
        try:
            manifest = read_manifest(root)
        except CollectionMissing:
            if not create:
                raise
            encoder = encoder or load_encoder(model or DEFAULT_ENCODER, runtime)
            manifest = _create(root, encoder, catalog, settled(chunking or DEFAULTS, encoder))
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
        library = cls(root, manifest, encoder, runtime)
        if chunking is not None:
            library._cut_by(chunking)
        if language is not None:
            library._stem_in(language)
        if ocr is not None:
            library._read_pictures(ocr)
        return library

    @property
    def current(self) -> Collection:
        """This collection with the space that is active now: itself, until another process has changed that.

        One look at the time of a file. A `Collection` keeps the space it was opened with for ever, so what
        has begun with one space ends with it.
        """
        with self._turn:
            stamp = manifest_stamp(self.root)
            if stamp != self._seen:
                manifest, self._seen = read_manifest(self.root), stamp
                if manifest.space != self._successor.manifest.space:
                    again = manifest.space == self.manifest.space
                    self._successor = self if again else self.with_manifest(manifest)
            return self._successor

    @property
    def answering(self) -> Collection:
        """`current`, once it is warm: to load another model takes seconds, in which no search has to wait
        when what answered before can go on."""
        now, before = self.current, self._answered
        if now is not before and before._is_warm and not now._is_warm:
            with self._turn:
                begun = self._warming is not None and self._warming[0] is now
                if not begun:
                    self._warming = now, threading.Thread(target=now._warm, name="warming")
                    self._warming[1].start()
                assert self._warming is not None
                thread = self._warming[1]
            if not begun:
                thread.join(SOON)
            if thread.is_alive():
                return before
        self._answered = now
        return now

    @property
    def _is_warm(self) -> bool:
        """Whether its model is loaded, and its space still there."""
        space = self.manifest.space
        return space in self._encoders and (self.root / LANCE / f"{space}.lance").exists()

    def _warm(self) -> None:
        """Open what a search needs. What goes wrong is for the search to say."""
        with suppress(Exception):
            self.store.count()
            _ = self.accelerator
            self.encoder.encode_text(["warm"])

    def with_encoder(self, encoder: Encoder) -> Collection:
        """The same files in the space of another encoder; `current` is still the one that answers."""
        kept = self.manifest.chunking
        fits = kept.tokens is None or kept.tokens <= room(encoder)
        manifest = replace(
            self.manifest,
            encoder=encoder.record.name,
            space=encoder.space.key,
            images=encoder.record.pixels > 0,
            chunking=settled(kept if fits else Chunking(kept.method), encoder),
            adapter="",  # it moves questions in the space that it was learned in
        )
        self._encoders[encoder.space.key] = encoder
        return self.with_manifest(manifest)

    def with_manifest(self, manifest: Manifest) -> Collection:
        """The same files in the space that a manifest names."""
        other = Collection(self.root, manifest, runtime=self._runtime)
        other.__dict__["catalog"] = self.catalog
        other._stores = self._stores  # whoever writes and whoever reads have one view of a table
        other._encoders = self._encoders
        return other

    # what it is made of, each opened when first needed

    @cached_property
    def catalog(self) -> Catalog:
        return Catalog(self.manifest.catalog or sqlite_url(self.root / CATALOG))

    @cached_property
    def encoder(self) -> Encoder:
        """The encoder of the active space. Raises `SpaceMismatch` when its weights are not those any more."""
        kept = self._encoders.get(self.manifest.space)
        if kept is not None:
            return kept
        encoder = load_encoder(self.manifest.encoder, self._runtime)
        if encoder.space.key != self.manifest.space:
            raise SpaceMismatch(
                f"{self.root} was made with other weights of {self.manifest.encoder!r} "
                f"({self.manifest.space}, now {encoder.space.key})",
                hint=f"encode all again: searchkit index --model {self.manifest.encoder}; "
                "or install the version that made this",
            )
        self._encoders[encoder.space.key] = encoder
        return encoder

    @cached_property
    def thumbs(self) -> Thumbs:
        return Thumbs(self.root / THUMBS)

    @cached_property
    def store(self) -> LanceStore:
        return self.store_of(self.manifest.space)

    def store_of(self, space: str) -> LanceStore:
        """The store of any space that the collection holds."""
        from searchkit.stores.lance import LanceStore

        if space not in self._stores:
            known = self.catalog.space(space) or self.encoder.space
            self._stores[space] = LanceStore(
                self.root / LANCE, known, language=self.manifest.language or None
            )
        return self._stores[space]

    @cached_property
    def accelerator(self) -> Accelerator:
        from searchkit.stores.faiss import Accelerator

        return Accelerator(self.root / FAISS / self.manifest.space, self.store)

    @cached_property
    def _planner(self) -> Planner:
        return Planner(self.store, self.accelerator)

    @property
    def adapter(self) -> Adapter | None:
        """What questions go through, if one is in use; asked at each search, since another process may have
        changed it. Raises `CollectionError` for one that is missing or damaged."""
        stamp = manifest_stamp(self.root)
        if stamp != self._adapter_seen:
            now, self._adapter_seen = read_manifest(self.root), stamp
            # of another space: this collection is the one before the change, and on its way out
            self._adapter_name = now.adapter if now.space == self.manifest.space else ""
        name = self._adapter_name
        if not name:
            self._adapter = None
        elif self._adapter is None or self._adapter.name != name:
            self._adapter = load_adapter(self.root / ADAPTERS / name, self.manifest.space)
        return self._adapter

    @cached_property
    def _space(self) -> Space:
        return self.catalog.space(self.manifest.space) or self.encoder.space

    # write

    @_follows
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
        options = Options(batch_size, threads, prune, retry_failed, on_progress, stop)
        with writing(self.root):
            targets = self.targets(paths)
            selection, left_out = self.selection(include, exclude)
            ingest = self.ingest(options)
            self.sweep_tombstones()
            for source, scope in targets:
                ingest.sync(source, selection, scope=scope)
                if ingest.report.interrupted:
                    break
            self.sweep_tombstones()
            references = self.catalog.references(self.manifest.space)
            owed = self.catalog.jobs.owes_refresh(self.manifest.space)  # by a run that was cut off, too
            if owed or (not is_current(references) and self.store.count() > 0):
                self.refresh()
        report = ingest.report
        report.warnings += left_out()
        report.failed = len(self.catalog.failures())
        report.seconds = time.monotonic() - began
        return report

    @_follows
    def remove(self, *paths: str | Path) -> int:
        """Take files, folders or whole sources out of every space of the collection, so that no byte of their
        text or vectors is left in its files; the disk is not touched.

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
            self.sweep_tombstones(erase=True)
            self.refresh()
        return gone

    @_follows
    def label(
        self, labels: Sequence[str], *paths: str | Path, min_confidence: float = 0.1
    ) -> Iterator[Labelled]:
        """Give every indexed picture at or below the paths (all, without any) the label that fits best, or
        none where that is less sure than `min_confidence`, its share among all of them and "none of these"
        (`benchmarks/labels.py`).

        Zero-shot, from the vectors that are there; labels from before are replaced. Written as they are
        yielded. Raises `BadInput`, `NothingIndexed`, `CollectionLocked`.
        """
        from searchkit.collection.labels import label

        return label(self, labels, under=[_absolute(p) for p in paths], min_confidence=min_confidence)

    def _cut_by(self, asked: Chunking) -> None:
        """Take another chunking, if there is no document yet that was cut by the one it has."""
        # collections that say nothing were made with the defaults
        has = self.manifest.chunking.over(Chunking(METHOD, TOKENS, OVERLAP))
        if asked.over(has) == has:
            return
        if self.catalog.counts().get(Kind.PASSAGE):
            wanted = settled(asked.over(self.manifest.chunking), self.encoder)
            raise BadInput(
                f"the documents of {self.root} were cut by {has}; asked for: {wanted}",
                hint="use another collection (-c NAME), or take the documents out first: searchkit rm PATH",
            )
        with writing(self.root):
            self._keep(chunking=settled(asked.over(self.manifest.chunking), self.encoder))

    def _keep(self, **settings: Any) -> None:
        """Under the write lock: change what the manifest says now."""
        self.manifest = replace(read_manifest(self.root), **settings)
        write_manifest(self.root, self.manifest)

    def _stem_in(self, language: str) -> None:
        """Take another language for full text; the index is made anew by the next run."""
        if language not in (AUTOMATIC, PLAIN, *STEMMED):
            known = ", ".join((AUTOMATIC, PLAIN, *STEMMED))
            raise BadInput(f"no stems are known of the language {language!r}", hint=f"one of: {known}")
        wanted = "" if language == AUTOMATIC else language
        if wanted != self.manifest.language:
            with writing(self.root):
                self._keep(language=wanted)
                self.catalog.jobs.owe_refresh(self.manifest.space)

    def _read_pictures(self, languages: str) -> None:
        """Read text in pictures from now on, or no more; what was indexed without is due again."""
        if languages == self.manifest.ocr:
            return
        with writing(self.root):
            self._keep(ocr=languages)
            if not languages:
                return
            space = self.manifest.space
            unread = (a.path for a in self.catalog.assets(space) if a.kind == Kind.IMAGE or _has_scans(a))
            self.catalog.unencode(space, list(unread))
            scans = [f.path for f in self.catalog.failures() if f.path.lower().endswith(".pdf")]
            self.catalog.clear_failures(scans)

    def targets(self, paths: Sequence[str | Path]) -> list[tuple[Source, str | None]]:
        """(source, the part of it to look at) for what was named, with the sources inside it; what is new
        becomes a source."""
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

    def selection(
        self, include: Sequence[str] = (), exclude: Sequence[str] = ()
    ) -> tuple[Selection, Callable[[], list[str]]]:
        """What the walk looks at, and a function that afterwards warns of what was left out."""
        kinds = _Kinds(self.manifest.images)
        apart = frozenset(source.path for source in self.catalog.sources())

        def left_out() -> list[str]:
            message = f"{kinds.left_out} pictures were left out: {self.manifest.encoder} encodes text only"
            return [message] if kinds.left_out else []

        return Selection(kinds, include, exclude, apart), left_out

    def ingest(self, options: Options) -> Ingest:
        """What brings files into the active space."""
        options = replace(options, keep_thumbnail=self.thumbs.keep, ocr=self.ocr())
        return Ingest(
            self.catalog,
            self.manifest.space,
            lambda: self.store,
            lambda: self.encoder,
            options,
            self.manifest.chunking,
        )

    def ocr(self) -> Ocr | None:
        """What reads text in pictures, where that is asked for. Raises `BadInput` where it cannot."""
        return Ocr(self.manifest.ocr) if self.manifest.ocr else None

    def sweep_tombstones(self, *, erase: bool = False) -> None:
        """Under the write lock: take what was forgotten out of the store of every space, with `erase` to the
        last byte."""

        def out(space: str, ids: list[str]) -> None:
            self.catalog.jobs.owe_refresh(space)
            if not erase:
                self.store_of(space).delete(ids)
                return
            self.store_of(space).erase(ids)
            shutil.rmtree(self.root / FAISS / space, ignore_errors=True)  # `refresh` builds it again

        gone = self.catalog.forgotten(sweep_tombstones(self.catalog, out))
        self.thumbs.drop(gone)
        if erase:
            self.catalog.drop_ratings(gone)
            self.catalog.vacuum()

    def refresh(self) -> None:
        """Under the write lock, after a change: compact, measure what neutral queries find, bring the
        accelerator up to date."""
        from searchkit.stores.lance import give_back

        give_back()  # what encoding took, so that what follows does not come on top of it
        self.store.asked_language = read_manifest(self.root).language or None  # it may be another by now
        self.store.compact()
        self.measure()
        if self.adapter is not None:
            self.measure(self.adapter)
        give_back()
        self.accelerate()
        record = next((r for r in self.catalog.spaces() if r.space.key == self.manifest.space), None)
        if record is not None and record.golden is None:  # a collection from before these were kept
            self.catalog.set_golden(record.space.key, golden(self.encoder).tobytes())
        self.catalog.jobs.refreshed(self.manifest.space)
        give_back()

    def accelerate(self, *, wait: bool = False) -> None:
        """Bring the accelerator up to date. Where a large one has to be built anew that takes minutes and
        goes on in the background while searches are answered without it; `wait` for it, or `close` does."""
        self.accelerator.refresh()
        if self._building is not None and not self._building.is_alive():
            self._building = None
        if self._building is None and self.accelerator.is_due():
            self._building = threading.Thread(target=self._build, name="accelerator")
            self._building.start()
        if wait and self._building is not None:
            self._building.join()
            self._building = None

    def _build(self) -> None:
        try:
            self.accelerator.rebuild(neutral_vectors(self.encoder, self.root / NEUTRAL))
        except Exception:  # searches are answered without it
            logger.exception("the accelerator could not be built")

    def measure(self, adapter: Adapter | None = None) -> None:
        """Keep what neutral queries find now, as they are or through an adapter: confidence follows it."""
        references = measure(self.encoder, self.store, self.root / NEUTRAL, adapter=adapter)
        key = adapter.key if adapter else self.manifest.space
        for (asked_with, kind), reference in {**references, RULE: made_today()}.items():
            self.catalog.set_reference(key, asked_with, kind, reference)
        self._known_references.clear()

    # read

    @_answers
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
        rerank: Reranker | None = None,
        trace: Trace | None = None,
    ) -> list[Hit]:
        """The k best hits for a text, a picture file, both together, or a vector; the most confident first.

        `positives` are more that is wanted, `negatives` what is to be avoided: texts, or `Part`s with a
        weight, a picture, or an item (which is then no hit itself). A text is only ever text: it is not
        opened, fetched or looked up as a path. `kind` is "image" or "passage"; `filter` an expression over
        the store's columns, `label` a label that pictures got, `since` and `until` ISO dates of when a
        picture was taken or a file changed: all applied before the search. `vector` is (dim,), of any length
        but 0. `min_confidence` (0 to 1) leaves out what is less sure. `collapse` makes copies one hit
        ("exact"), bursts too ("near"), or neither ("none"); `group="document"` makes a document one, with its
        best passages. `hybrid` lets the exact words of `text`, in passages and file names, count as much as
        its meaning; `rerank` looks at the best again. `sort="date"` puts the hits in order of that date, the
        newest first, instead of "confidence". `trace` is filled with how the search went.
        Raises `BadInput`, `Unreadable` (a picture), `NothingIndexed`; `ModelMissing` and `SpaceMismatch`
        where the encoder cannot be loaded; `CollectionError` for a damaged adapter.
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
        if self.accelerator.version is None and self.store.count() == 0:
            raise NothingIndexed(f"{self.root} holds nothing yet", hint="searchkit index FOLDER")
        asking = {part.item for part in (*query.positives, *query.negatives) if part.item is not None}
        if any(re.fullmatch(ID, one) is None for one in asking):  # a store puts ids into its queries
            raise BadInput("what is to be like or unlike is no item", hint="give the id of a hit's item")
        asked_with = self._asked_with(query.positives)
        where = expression(filter, label=label, since=since, until=until)
        if hybrid and text is None:
            raise BadInput("there are no words to look for", hint="hybrid search needs a text")
        with timed(trace, "encode"):
            asked = self._vector_of(query)
        # an adapter knows texts and pictures, not both together, and a vector is taken at its word
        adapter = self.adapter if len(asked_with) == 1 else None
        how = _How(where, text if hybrid else None, rerank, trace, adapter)
        if not asking:
            return self._find(query, asked, asked_with or ["image"], how)
        more = replace(query, k=query.k + len(asking))
        return _without(self._find(more, asked, asked_with, how), lambda hit: hit.item.id in asking)[:k]

    def _asked_with(self, positives: Sequence[Part]) -> list[str]:
        """Of "text" and "image", what a question is made of; an item is what it holds."""
        ids = [part.item for part in positives if part.item is not None]
        held = {
            "text" if item.kind is Kind.PASSAGE else "image" for item in (self.store.get(ids) if ids else ())
        }
        said = {"image" if part.text is None else "text" for part in positives if part.item is None}
        return sorted(held | said)

    def _stored_vector(self, item: str) -> np.ndarray:
        try:
            found: np.ndarray = self.store.vectors([item])[0]
        except KeyError:
            raise BadInput(
                "what is to be like or unlike the results is not in the collection any more",
                hint="ask again, without it",
            ) from None
        return found

    def _vector_of(self, query: Query) -> np.ndarray:
        """A vector that is given needs no encoder."""
        if query.vector is not None and not (query.positives or query.negatives):
            return checked(query.vector, self._space.dim)
        return vector_of(query, self.encoder, _picture, self._stored_vector)

    def _find(
        self,
        query: Query,
        vector: np.ndarray,
        asked_with: Sequence[str],
        how: _How = _How(),
    ) -> list[Hit]:
        def moved(kind: Kind) -> np.ndarray:
            if how.adapter is None:
                return vector
            found: np.ndarray = how.adapter(vector[None], asked_with[0], kind)[0]
            return found

        def search(vector: np.ndarray, k: int, kind: Kind) -> list[Candidate]:
            with timed(how.trace, "nearest"):
                found, plan = self._planner.search(moved(kind), k, kind=kind, where=how.filter)
            if how.trace is not None:
                how.trace.plan[kind.value] = plan()
            return found

        def words(k: int) -> list[list[Scored]]:
            assert how.words is not None
            lists = []
            with timed(how.trace, "words"):
                for column in FULL_TEXT:
                    found = self.store.match(how.words, k, column=column, kind=query.kind, where=how.filter)
                    if how.trace is not None:
                        how.trace.leg(column, found)
                    lists.append(scored(self.store, found, moved))
            return lists

        space, hybrid = self.manifest.space, words if how.words else None
        references = self._references(how.adapter.key if how.adapter else space)
        sources = Sources(search, self.store.vectors, references, space, hybrid, how.rerank)
        return find(query, vector, asked_with, sources, how.trace)

    def _references(self, key: str) -> Mapping[tuple[str, str], Reference]:
        """Read again after a second at the latest: another process may have measured anew."""
        read, known = self._known_references.get(key, (-SEEN_FOR, {}))
        now = time.monotonic()
        if now - read >= SEEN_FOR:
            known = self.catalog.references(key)
            self._known_references[key] = now, known
        return known

    @_answers
    def similar(self, path: str | Path | Hit, *, k: int = 10, kind: str | None = None) -> list[Hit]:
        """What is like this file, or like the picture or passage of a hit, itself left out. What is indexed
        costs no encoding; a document that is not raises `BadInput`."""
        if isinstance(path, Hit):
            like = self.store.vectors([path.item.id])[0]
            found = self._find(
                Query(vector=like.tolist(), kind=_kind(kind), k=k + 1), like, [path.kind.value]
            )
            return _without(found, lambda hit: hit.item.id == path.item.id)[:k]
        wanted = _absolute(path)
        known = next((a for a in self.assets(under=wanted) if a.path == wanted), None)
        if known is None or not known.encoded:
            if not indexable(os.path.splitext(wanted)[1].lower()):
                raise BadInput(
                    f"{wanted} is not a picture or an indexed file", hint="see what is: searchkit ls"
                )
            return _without(self.search(image=wanted, k=k, kind=kind), lambda hit: hit.path == wanted)
        items = self.store.get(ids_of(Content(known.path, known.encoded, known.items)))
        # a document is its text, without the pictures inside, unless these are all it has; a picture is a
        # picture, whatever is written on it
        kinds = [Kind.IMAGE, Kind.PASSAGE] if known.kind == Kind.IMAGE else [Kind.PASSAGE, Kind.IMAGE]
        kind_of_it = next(one for one in kinds if any(item.kind is one for item in items))
        vectors = self.store.vectors([item.id for item in items if item.kind is kind_of_it])
        mean = vectors.mean(axis=0)
        asked_with = ["text" if kind_of_it is Kind.PASSAGE else "image"]
        query = Query(vector=mean.tolist(), kind=_kind(kind), k=k + known.items)
        hits = self._find(query, self._vector_of(query), asked_with)
        return _without(hits, lambda hit: hit.path == wanted)[:k]

    @_follows
    def around(self, hit: Hit, *, passages: int = 1, page: bool = False) -> Passage:
        """The passage of a hit with its neighbours, or with its whole page, as one stretch of the document:
        what a language model should read. Raises `BadInput` for a picture."""
        item = hit.item
        return around(
            item,
            self.store.get,
            lambda place: item_id(item.path, item.sha256, place),
            passages=passages,
            page=page,
        )

    @_follows
    def assets(self, *, under: str | Path | None = None) -> Iterator[Asset]:
        """Every indexed file, or those at or below a path, in order of path."""
        return self.catalog.assets(self.manifest.space, under=_absolute(under) if under else None)

    def failures(self) -> list[Failure]:
        return self.catalog.failures()

    @_follows
    def status(self) -> Status:
        """What it holds, in numbers."""
        from searchkit.collection.status import status

        return status(self)

    def close(self) -> None:
        """Wait for what goes on in the background, and let go of the catalog, which is shared with what
        `current` gave."""
        for one in (self, self._successor):
            if one._building is not None:
                one._building.join()
                one._building = None
        if self._warming is not None:
            self._warming[1].join()
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


def _create(root: Path, encoder: Encoder, catalog: str, chunking: Chunking) -> Manifest:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if any(not entry.name.startswith(UNFINISHED) for entry in root.iterdir()):
            raise BadInput(
                f"{root} is not empty and not a collection",
                hint="name an empty or a new folder for the collection with -c",
            )
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


def _absolute(path: str | Path) -> str:
    """As the user sees it: absolute, without `..`, links left as they are."""
    return os.path.abspath(os.path.expanduser(path))


def _has_scans(asset: Asset) -> bool:
    return "pages_without_text" in (asset.left_out or "")


def _kind(name: str | None) -> Kind | None:
    if name is None:
        return None
    try:
        return Kind(name)
    except ValueError:
        raise BadInput(f"kind is {name!r}", hint="one of: image, passage") from None


def _without(hits: Sequence[Hit], asked: Callable[[Hit], bool]) -> list[Hit]:
    """The hits that are not what was asked with, ranked anew."""
    kept = [hit for hit in hits if not asked(hit)]
    return [hit._replace(rank=rank) for rank, hit in enumerate(kept, start=1)]


def _picture(path: str, pixels: int) -> Image:
    return decode_file(path, at_least=enough(pixels)).image
