"""Answering a request in one space: the question becomes a vector, and the nearest become hits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

import numpy as np

from searchkit.catalog.catalog import Content
from searchkit.collection.manifest import absolute
from searchkit.collection.parts import Parts
from searchkit.errors import BadInput, NothingIndexed
from searchkit.ingest.ids import ID, ids_of, item_id
from searchkit.ingest.images import decode_file, enough
from searchkit.ingest.load import indexable
from searchkit.search.adapter import Adapter
from searchkit.search.around import around
from searchkit.search.filters import expression
from searchkit.search.find import Sources, find
from searchkit.search.hybrid import Scored, scored
from searchkit.search.question import unit, vector_of
from searchkit.search.trace import Trace, timed
from searchkit.types import FULL_TEXT, Candidate, Hit, Kind, Part, Passage, SearchOptions, SearchRequest

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchkit.protocols import Reranker


class Question(NamedTuple):
    """A request that is ready to be searched for."""

    request: SearchRequest
    vector: np.ndarray
    """(dim,) of unit length."""
    asked_with: Sequence[str]
    """What it is made of: "text", "image", or both."""
    where: str | None = None
    """The filter, as the store reads it."""
    adapter: Adapter | None = None


def request(text: str | None = None, **options: Unpack[SearchOptions]) -> SearchRequest:
    """The request that a text and options make. Raises `BadInput` for an option that cannot be meant."""
    if options.get("hybrid") and text is None:
        raise BadInput("there are no words to look for", hint="hybrid search needs a text")
    kind_of(options.get("kind"))
    return SearchRequest.of(text, **options)


def kind_of(name: str | None) -> Kind | None:
    """The kind of that name. Raises `BadInput` for a name that is none."""
    if name is None:
        return None
    try:
        return Kind(name)
    except ValueError:
        raise BadInput(f"kind is {name!r}", hint="one of: image, passage") from None


def answer(
    space: Parts, request: SearchRequest, rerank: Reranker | None = None, trace: Trace | None = None
) -> list[Hit]:
    """The best hits for a request, the most confident first; `rerank` looks at the best again, and `trace` is
    filled with how the search went.

    Raises `BadInput`, `Unreadable` (a picture), `NothingIndexed`; `ModelMissing` and `SpaceMismatch` where
    the encoder cannot be loaded; `CollectionError` for a damaged adapter.
    """
    if space.accelerator.version is None and space.store.count() == 0:
        raise NothingIndexed(f"{space.root} holds nothing yet", hint="searchkit index FOLDER")
    items = {part.item for part in (*request.positives, *request.negatives) if part.item is not None}
    if any(re.fullmatch(ID, item) is None for item in items):  # a store puts ids into its queries
        raise BadInput("what is to be like or unlike is no item", hint="give the id of a hit's item")
    asked_with = _asked_with(space, request.positives)
    where = expression(request.filter, label=request.label, since=request.since, until=request.until)
    with timed(trace, "encode"):
        vector = _vector(space, request)
    # an adapter knows texts and pictures, not both together, and a vector is taken at its word
    adapter = space.adapter if len(asked_with) == 1 else None
    question = Question(request, vector, asked_with or ["image"], where, adapter)
    if not items:
        return _hits(space, question, rerank, trace)
    wider = question._replace(request=replace(request, k=request.k + len(items)))
    return _without(_hits(space, wider, rerank, trace), lambda hit: hit.item.id in items)[: request.k]


def _asked_with(space: Parts, positives: Sequence[Part]) -> list[str]:
    """What a question is made of, "text" and "image"; an item counts as what it holds."""
    ids = [part.item for part in positives if part.item is not None]
    items = space.store.get(ids) if ids else ()
    held = {"text" if item.kind is Kind.PASSAGE else "image" for item in items}
    given = {"image" if part.text is None else "text" for part in positives if part.item is None}
    return sorted(held | given)


def _vector(space: Parts, request: SearchRequest) -> np.ndarray:
    """The (dim,) vector of a request. One that is given needs no encoder."""
    if request.vector is not None and not (request.positives or request.negatives):
        return unit(request.vector, space.space.dim)

    def stored_vector(item: str) -> np.ndarray:
        try:
            vector: np.ndarray = space.store.vectors([item])[0]
        except KeyError:
            raise BadInput(
                "what is to be like or unlike the results is not in the collection any more",
                hint="ask again, without it",
            ) from None
        return vector

    return vector_of(request, space.encoder, _picture, stored_vector)


def _hits(
    space: Parts, question: Question, rerank: Reranker | None = None, trace: Trace | None = None
) -> list[Hit]:
    request, adapter = question.request, question.adapter

    def moved(kind: Kind) -> np.ndarray:
        if adapter is None:
            return question.vector
        vector: np.ndarray = adapter(question.vector[None], question.asked_with[0], kind)[0]
        return vector

    def nearest(_: np.ndarray, k: int, kind: Kind) -> list[Candidate]:
        with timed(trace, "nearest"):
            candidates, plan = space.planner.search(moved(kind), k, kind=kind, where=question.where)
        if trace is not None:
            trace.plan[kind.value] = plan()
        return candidates

    def matches(words: str, k: int) -> list[list[Scored]]:
        lists = []
        with timed(trace, "words"):
            for column in FULL_TEXT:
                candidates = space.store.match(
                    words, k, column=column, kind=request.kind, where=question.where
                )
                if trace is not None:
                    trace.leg(column, candidates)
                lists.append(scored(space.store, candidates, moved))
        return lists

    words = request.words
    references = space.references(adapter.key if adapter else space.manifest.space)
    by_words = None if words is None else lambda k: matches(words, k)
    sources = Sources(nearest, space.store.vectors, references, space.manifest.space, by_words, rerank)
    return find(request, question.vector, question.asked_with, sources, trace)


def similar(space: Parts, like: str | Path | Hit, *, k: int, kind: Kind | None) -> list[Hit]:
    """What is like a file, or like the picture or passage of a hit, itself left out. Raises `BadInput` for a
    document that is not indexed, and for a file of another kind."""
    if isinstance(like, Hit):
        vector = space.store.vectors([like.item.id])[0]
        request = SearchRequest(vector=vector.tolist(), kind=kind, k=k + 1)
        hits = _hits(space, Question(request, vector, [like.kind.value]))
        return _without(hits, lambda hit: hit.item.id == like.item.id)[:k]
    path = absolute(like)
    assets = space.catalog.assets(space.manifest.space, under=path)
    asset = next((asset for asset in assets if asset.path == path), None)
    if asset is None or not asset.encoded:
        if not indexable(os.path.splitext(path)[1].lower()):
            raise BadInput(f"{path} is not a picture or an indexed file", hint="see what is: searchkit ls")
        request = SearchRequest(positives=(Part(image=path),), k=k, kind=kind)
        return _without(answer(space, request), lambda hit: hit.path == path)
    items = space.store.get(ids_of(Content(asset.path, asset.encoded, asset.items)))
    # a document is its text, without the pictures inside, unless these are all it has; a picture is a
    # picture, whatever is written on it
    kinds = [Kind.IMAGE, Kind.PASSAGE] if asset.kind == Kind.IMAGE else [Kind.PASSAGE, Kind.IMAGE]
    own = next(kind for kind in kinds if any(item.kind is kind for item in items))
    mean = space.store.vectors([item.id for item in items if item.kind is own]).mean(axis=0)
    request = SearchRequest(vector=mean.tolist(), kind=kind, k=k + asset.items)
    asked_with = ["text" if own is Kind.PASSAGE else "image"]
    hits = _hits(space, Question(request, _vector(space, request), asked_with))
    return _without(hits, lambda hit: hit.path == path)[:k]


def around_hit(space: Parts, hit: Hit, *, passages: int, page: bool) -> Passage:
    """The passage of a hit with its neighbours, or with its whole page. Raises `BadInput` for a picture."""
    item = hit.item
    return around(
        item,
        space.store.get,
        lambda place: item_id(item.path, item.sha256, place),
        passages=passages,
        page=page,
    )


def _without(hits: Sequence[Hit], is_asked: Callable[[Hit], bool]) -> list[Hit]:
    """The hits that are not what was asked with, ranked anew."""
    kept = [hit for hit in hits if not is_asked(hit)]
    return [hit._replace(rank=rank) for rank, hit in enumerate(kept, start=1)]


def _picture(path: str, pixels: int) -> Image:
    return decode_file(path, at_least=enough(pixels)).image
