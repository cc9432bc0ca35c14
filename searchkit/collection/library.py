"""The main path: open a collection, add to it, search it.

library = Collection.open("./library")
library.add("./photos", "./papers")
for hit in library.search("two dogs on a beach", k=5): print(hit.confidence, hit.path)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Unpack

from searchkit.catalog.catalog import Asset, Catalog
from searchkit.collection import indexing, upkeep
from searchkit.collection.active import Active
from searchkit.collection.labels import Labelled, label
from searchkit.collection.making import Settings, find_or_make
from searchkit.collection.manifest import Manifest, absolute, resolve
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.parts import Shared
from searchkit.collection.status import Status, status
from searchkit.ingest.run import Options
from searchkit.ingest.thumbs import Thumbs
from searchkit.registry import AUTO
from searchkit.types import (
    Chunking,
    Failure,
    Hit,
    IndexReport,
    Passage,
    Progress,
    Runtime,
    SearchOptions,
    SearchRequest,
)

if TYPE_CHECKING:
    from searchkit.protocols import Encoder, Reranker, VectorStore
    from searchkit.search.adapter import Adapter
    from searchkit.search.trace import Trace
    from searchkit.stores.faiss import Accelerator


class Collection:
    """A stable handle on a collection, which follows when another process changes its model. Any number of
    processes may search; one at a time may write."""

    def __init__(self, shared: Shared, manifest: Manifest) -> None:
        self.root = shared.root
        self._active = Active(shared, manifest)

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
        shared, manifest = find_or_make(
            resolve(where),
            model=model,
            encoder=encoder,
            create=create,
            runtime=runtime,
            catalog=catalog,
            settings=Settings(chunking, language, ocr),
        )
        return cls(shared, manifest)

    # which space is meant, and what it is made of

    @property
    def current(self) -> OpenSpace:
        """The space that is active: what begins with it ends with it, whatever becomes active meanwhile."""
        return self._active.current

    @property
    def answering(self) -> OpenSpace:
        """`current`, or the space before it for as long as the model of `current` is being loaded."""
        return self._active.answering

    @property
    def manifest(self) -> Manifest:
        return self.current.manifest

    @property
    def catalog(self) -> Catalog:
        return self.current.catalog

    @property
    def encoder(self) -> Encoder:
        """The encoder of the active space. Raises `SpaceMismatch` when its weights are not those any more."""
        return self.current.encoder

    @property
    def store(self) -> VectorStore:
        return self.current.store

    def store_of(self, space: str) -> VectorStore:
        """The store of any space that the collection holds."""
        return self.current.store_of(space)

    @property
    def thumbs(self) -> Thumbs:
        return self.current.thumbs

    @property
    def accelerator(self) -> Accelerator:
        return self.current.accelerator

    @property
    def adapter(self) -> Adapter | None:
        """What questions go through, if one is in use. Raises `CollectionError` for one that is damaged."""
        return self.current.adapter

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
        options = Options(batch_size, threads, prune, retry_failed, on_progress, stop)
        return indexing.add(self.current, paths, options, include=include, exclude=exclude)

    def remove(self, *paths: str | Path) -> int:
        """Take files, folders or whole sources out of every space of the collection, so that no byte of their
        text or vectors is left in its files; the disk is not touched.

        Returns how many assets went. Raises `BadInput` for a path that the collection knows nothing of.
        """
        return indexing.remove(self.current, paths)

    def label(
        self, labels: Sequence[str], *paths: str | Path, min_confidence: float = 0.1
    ) -> Iterator[Labelled]:
        """Give every indexed picture at or below the paths (all, without any) the label that fits best, or
        none where its share among all labels and "none of these" is below `min_confidence`
        (`benchmarks/labels.py`).

        Zero-shot, from the vectors that are there; labels from before are replaced. Written as they are
        yielded. Raises `BadInput`, `NothingIndexed`, `CollectionLocked`.
        """
        return label(
            self.current, labels, under=[absolute(path) for path in paths], min_confidence=min_confidence
        )

    def refresh(self) -> None:
        """Under the write lock, after a change: compact, measure, bring the accelerator up to date."""
        upkeep.refresh(self.current)

    def measure(self, adapter: Adapter | None = None) -> None:
        """Keep what neutral queries find, as they are or through an adapter: confidence follows it."""
        upkeep.measure(self.current, adapter)

    def accelerate(self, *, wait: bool = False) -> None:
        """Bring the accelerator up to date, a large one in the background; `wait` for it, or `close` does."""
        upkeep.accelerate(self.current, wait=wait)

    # read

    def search(
        self,
        text: str | None = None,
        *,
        rerank: Reranker | None = None,
        trace: Trace | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[Hit]:
        """The k best hits for a text, a picture file, both together, or a vector; the most confident first.

        `image` is a picture file to ask with, `vector` is (dim,), of any length but 0. `positives` are more
        that is wanted, `negatives` what is to be avoided: texts, or `Part`s with a weight, a picture, or an
        item (which is then no hit itself). A text is only ever text: it is not opened, fetched or looked up
        as a path. `k` is how many hits at most (10). `kind` is "image" or "passage"; `filter` an expression
        over the store's columns, `label` a label that pictures got, `since` and `until` ISO dates of when a
        picture was taken or a file changed: all applied before the search. `min_confidence` (0 to 1) leaves
        out hits below it. `collapse` makes copies one hit ("exact"), bursts too ("near"), or neither
        ("none"); `group="document"` makes a document one, with its best passages. `hybrid` lets the exact
        words of `text`, in passages and file names, count as much as its meaning; `rerank` looks at the best
        again. `sort="date"` puts the hits in order of that date, the newest first, instead of "confidence".
        `trace` is filled with how the search went.
        Raises `BadInput`, `Unreadable` (a picture), `NothingIndexed`; `ModelMissing` and `SpaceMismatch`
        where the encoder cannot be loaded; `CollectionError` for a damaged adapter.
        """
        return self.answering.search(text, rerank=rerank, trace=trace, **options)

    def answer(
        self, request: SearchRequest, *, rerank: Reranker | None = None, trace: Trace | None = None
    ) -> list[Hit]:
        """The hits for a request, as `search` gives them."""
        return self.answering.answer(request, rerank=rerank, trace=trace)

    def similar(self, path: str | Path | Hit, *, k: int = 10, kind: str | None = None) -> list[Hit]:
        """What is like this file, or like the picture or passage of a hit, itself left out. What is indexed
        costs no encoding; a document that is not raises `BadInput`."""
        return self.answering.similar(path, k=k, kind=kind)

    def around(self, hit: Hit, *, passages: int = 1, page: bool = False) -> Passage:
        """The passage of a hit with its neighbours, or with its whole page, as one stretch of the document:
        what a language model should read. Raises `BadInput` for a picture."""
        return self.current.around(hit, passages=passages, page=page)

    def assets(self, *, under: str | Path | None = None) -> Iterator[Asset]:
        """Every indexed file, or those at or below a path, in order of path."""
        return self.current.assets(under=under)

    def failures(self) -> list[Failure]:
        """The files that could not be indexed, with the reason of each."""
        return self.current.failures()

    def status(self) -> Status:
        """What it holds, in numbers."""
        return status(self.current)

    def close(self) -> None:
        """Wait for what goes on in the background, and let go of the catalog."""
        self._active.close()

    def __enter__(self) -> Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
