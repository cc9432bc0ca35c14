"""One space of a collection, open: it answers questions, and never becomes another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from searchkit.catalog.catalog import Asset
from searchkit.collection import answers
from searchkit.collection.manifest import Manifest, absolute
from searchkit.collection.parts import Parts
from searchkit.ingest.chunking import room, settled
from searchkit.types import Chunking, Failure, Hit, Passage, SearchOptions, SearchRequest

if TYPE_CHECKING:
    from searchkit.protocols import Encoder, Reranker
    from searchkit.search.trace import Trace


class OpenSpace(Parts):
    """The files of a collection in the vectors of one encoder. What begins with a space ends with it,
    whatever another process makes the active one meanwhile."""

    @property
    def current(self) -> OpenSpace:
        """This space: a collection and a space are asked in one way for the space that is meant."""
        return self

    def search(
        self,
        text: str | None = None,
        *,
        rerank: Reranker | None = None,
        trace: Trace | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[Hit]:
        """The best hits for a text and these options, as `Collection.search` gives them."""
        return self.answer(answers.request(text, **options), rerank=rerank, trace=trace)

    def answer(
        self, request: SearchRequest, *, rerank: Reranker | None = None, trace: Trace | None = None
    ) -> list[Hit]:
        """The best hits for a request, the most confident first."""
        return answers.answer(self, request, rerank, trace)

    def similar(self, like: str | Path | Hit, *, k: int = 10, kind: str | None = None) -> list[Hit]:
        """What is like a file or a hit, as `Collection.similar` gives it."""
        return answers.similar(self, like, k=k, kind=answers.kind_of(kind))

    def around(self, hit: Hit, *, passages: int = 1, page: bool = False) -> Passage:
        """The passage of a hit with its neighbours, as `Collection.around` gives it."""
        return answers.around_hit(self, hit, passages=passages, page=page)

    def assets(self, *, under: str | Path | None = None) -> Iterator[Asset]:
        """Every indexed file, or those at or below a path, in order of path."""
        return self.catalog.assets(self.manifest.space, under=absolute(under) if under else None)

    def failures(self) -> list[Failure]:
        """The failure ledger of the collection."""
        return self.catalog.failures()

    def with_encoder(self, encoder: Encoder) -> OpenSpace:
        """The same files in the space of another encoder."""
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
        self.shared.encoders[encoder.space.key] = encoder
        return OpenSpace(self.shared, manifest)

    def with_manifest(self, manifest: Manifest) -> OpenSpace:
        """The same files in the space that a manifest names."""
        return OpenSpace(self.shared, manifest)
