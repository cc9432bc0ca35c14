"""Documents ranked by their passages: cutting a corpus, and fusing the scores of a document's passages."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np

from searchkit.errors import BadInput
from searchkit.evaluation.metrics import nearest
from searchkit.ingest.chunking import chunker, room, settled
from searchkit.ingest.late import late_vectors
from searchkit.protocols import Encoder
from searchkit.search.hybrid import CONSTANT, convex, reciprocal_rank
from searchkit.types import Chunking, Document, Item, Kind, Passage, Space, Vectors

OnProgress = Callable[[int, int], None]
"""Called with (number of texts or images encoded so far, number of all)."""

FUSIONS = ("max", "sum", "reciprocal")
TOP = 3
"""The number of a document's best passages whose scores "sum" adds up."""
DEPTH = 100
"""The number of best passages, of all documents, that "reciprocal" ranks."""
HYBRIDS = ("reciprocal", "convex")
PASSAGES = 1000
"""The number of passages that a search for words returns: enough for a hundred documents."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents as they are searched, in rows of passages.

    Row i of `vectors`, (passages, dim), is that of `texts[i]`; the passages of `ids[j]` begin at `starts[j]`.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    starts: np.ndarray
    vectors: Vectors


def encode_texts(
    encoder: Encoder, texts: Sequence[str], *, batch_size: int, on_progress: OnProgress | None = None
) -> Vectors:
    """The vectors of n texts, encoded `batch_size` at a time to report progress: (n, dim) float32."""
    vectors = np.empty((len(texts), encoder.space.dim), np.float32)
    for first in range(0, len(texts), batch_size):
        part = texts[first : first + batch_size]
        vectors[first : first + len(part)] = encoder.encode_text(part)
        if on_progress is not None:
            on_progress(first + len(part), len(texts))
    return vectors


def index(
    encoder: Encoder,
    documents: Mapping[str, Document],
    chunking: Chunking | None,
    *,
    batch_size: int = 2048,
    on_progress: OnProgress | None = None,
) -> Corpus:
    """Cuts and encodes documents. Without `chunking` a document is one text, cut to the encoder's window."""
    if chunking is None:
        cut = [[_whole(document)] for document in documents.values()]
    else:
        cutter = chunker(settled(chunking, encoder), encoder)
        # a blank document has no passages, and still takes its place among the rest
        cut = [list(cutter(document)) or [_whole(document)] for document in documents.values()]
    passages = [passage for document in cut for passage in document]
    starts = np.cumsum([0, *map(len, cut[:-1])])
    if chunking is not None and settled(chunking, encoder).method == "late":
        vectors = _late(encoder, list(documents.values()), cut, on_progress)
    else:
        texts = [encoder.record.as_passage(passage.in_context) for passage in passages]
        vectors = encode_texts(encoder, texts, batch_size=batch_size, on_progress=on_progress)
    return Corpus(list(documents), [passage.in_context for passage in passages], starts, vectors)


def _whole(document: Document) -> Passage:
    return Passage(0, len(document.text), document.text)


def _late(
    encoder: Encoder,
    documents: Sequence[Document],
    cut: Sequence[Sequence[Passage]],
    on_progress: OnProgress | None,
) -> Vectors:
    """The vectors of all passages by late chunking, one document at a time: (passages, dim)."""
    rows: list[Vectors] = []
    total = sum(map(len, cut))
    for document, passages in zip(documents, cut, strict=True):
        rows += [vector for _, vector in late_vectors(encoder, document.text, passages, room=room(encoder))]
        if on_progress is not None:
            on_progress(len(rows), total)
    return np.concatenate(rows)


def by_meaning(
    corpus: Corpus, queries: Vectors, k: int, *, fusion: str = "max"
) -> Iterator[dict[str, float]]:
    """The k best documents of each query with their scores, the best first; `queries` is (n, dim).

    `fusion` makes a document's score of its passages': "max" their best; "sum" the sum of the `TOP` best;
    "reciprocal" Σ 1 / (60 + rank) over those among the `DEPTH` best of all passages.
    """
    if fusion not in FUSIONS:
        raise BadInput(f"fusion is {fusion!r}", hint=f"one of: {', '.join(FUSIONS)}")
    if fusion == "max":
        yield from nearest(queries, corpus.vectors, ids=corpus.ids, k=k, starts=corpus.starts)
        return
    ends = [*corpus.starts[1:], len(corpus.texts)]
    for query in queries:
        scores = corpus.vectors @ query  # (passages, dim) @ (dim,) -> (passages,)
        if fusion == "sum":
            parts = [scores[a:b] for a, b in zip(corpus.starts, ends, strict=True)]
            total = np.array([np.sort(part)[-TOP:].sum() for part in parts])
        else:
            shares = np.zeros(len(scores))
            best = np.argsort(-scores, kind="stable")[:DEPTH]
            shares[best] = 1 / (CONSTANT + 1 + np.arange(len(best)))
            total = np.add.reduceat(shares, corpus.starts)
        order = np.argsort(-total, kind="stable")[:k]
        yield {corpus.ids[n]: float(total[n]) for n in order}


class Words:
    """A search by BM25 over the passages of a corpus, in a temporary store; to be used in a `with`.

    `language` is that of a `LanceStore`: None tells it from the texts, "none" takes words as they are.
    """

    def __init__(self, corpus: Corpus, *, language: str | None = None) -> None:
        from searchkit.stores.lance import LanceStore

        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        ends = [*corpus.starts[1:], len(corpus.texts)]
        owners = np.repeat(np.arange(len(corpus.ids)), np.array(ends) - corpus.starts)
        self._ids = corpus.ids
        self._store = LanceStore(Path(self._folder.name), Space("words", "0" * 12, 1, 1), language=language)
        items = [
            Item(f"{n}", Kind.PASSAGE, "/", "/", "", int(owner), 0.0, text=text)
            for n, (owner, text) in enumerate(zip(owners, corpus.texts, strict=True))
        ]
        self._store.write(items, np.ones((len(items), 1), np.float32))
        self._store.compact()

    def __enter__(self) -> Words:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    def search(self, text: str, k: int) -> dict[str, float]:
        """The k best documents, each scored as its best passage, the best first."""
        best: dict[str, float] = {}
        for candidate in self._store.match(text, max(k, PASSAGES), column="text"):
            best.setdefault(self._ids[candidate.item.ordinal], candidate.score)
        return dict(list(best.items())[:k])


def together(meaning: Mapping[str, float], words: Mapping[str, float], how: str) -> dict[str, float]:
    """Two lists of scored documents as one; `how` is "reciprocal" or "convex".

    "reciprocal" scores Σ 1 / (60 + rank). "convex" scores the mean of both scores, each list's brought to
    [0, 1]; a document that is not in a list has 0 there. Raises `BadInput` for another way.
    """
    if how == "reciprocal":
        return reciprocal_rank([list(meaning), list(words)])
    if how != "convex":
        raise BadInput(f"hybrid is {how!r}", hint=f"one of: {', '.join(HYBRIDS)}")
    return convex([meaning, words])
