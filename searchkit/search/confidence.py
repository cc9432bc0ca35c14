"""Confidence: how a score compares with the best that queries which should find nothing reach here.

Cosines of text with text and of text with pictures live on different scales, and both move with the
collection: ten thousand photos hold something near to any sentence. So for each way of asking and each
kind of item, neutral queries (phrases about nothing in particular, and words thrown together) are put to
this collection, and of each the best score is kept:

    confidence(s) = Φ((s − μ) / σ − m),   μ and σ the mean and deviation of those best scores

m = `MARGIN`: 0.5 is a level that few unrelated queries reach. The normal curve stands in for the
percentile so that scores beyond every neutral query still differ.

When a picture asks, pictures of the collection take the neutral queries' place. Their best scores with
passages count; with pictures their best is often a true likeness, so there it is the score that only one
other picture in twenty exceeds.
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.protocols import Encoder, VectorStore
from searchkit.search.adapter import Adapter
from searchkit.types import EncoderRecord, Kind, Vectors

SAMPLE = 200
"""Items of each kind that stand for all."""
MARGIN = 3.2
"""Deviations above the mean at which confidence is 0.5. The middle of those with which, on the development
photos of Flickr8k, nine in ten of 200 strings of random words stay below it (from 2.5) and four in five of
the captions that find their photo first reach it (to 3.8); `benchmarks/confidence.py --choose`."""
MIN_DEVIATION = 1e-3
"""The least deviation of a reference: scores of equal items have none."""
PAIRS = "pairs"
"""The key, in place of what asks, of the reference of items with one another: its level is the cosine that
one in a thousand pairs of items reaches."""
RULE = "rule", ""
"""The key of a reference that holds the rule by which the others were measured."""
UNRELATED = 0.999
"""The part of pairs of items that are taken to be unrelated."""
UNLIKE = 0.95
"""The part of a collection's pictures that a picture is taken to be unlike."""


def neutral_queries() -> list[str]:
    """Short texts about nothing that a collection is likely to hold, and strings of random words."""
    text = (resources.files("searchkit.search") / "neutral_queries.txt").read_text("utf-8")
    return text.split("\n")[:-1]


def confidence(score: float, reference: Reference | None) -> float:
    """The confidence of a score, in [0, 1], increasing with it; 0.5 without a reference.

    >>> confidence(0.3, Reference(level=0.3, deviation=0.1, queries=100))
    0.5
    >>> round(confidence(0.5, Reference(level=0.3, deviation=0.1, queries=100)), 3)
    0.977
    """
    if reference is None:
        return 0.5
    return 0.5 * math.erfc(-z_score(score, reference) / math.sqrt(2))


def z_score(score: float, reference: Reference) -> float:
    """The z-score: deviations above the level of confidence 0.5. It tells apart what confidence calls 1."""
    return (score - reference.level) / reference.deviation


def neutral_vectors(encoder: Encoder, cache: Path | None) -> Vectors:
    """The (n, dim) vectors of the neutral queries; encoded once for a space when `cache` may keep them."""
    queries = [encoder.record.as_query(query) for query in neutral_queries()]
    if cache is None:
        return encoder.encode_text(queries)
    digest = hashlib.sha256("\n".join(queries).encode()).hexdigest()[:12]
    file = cache / f"{encoder.space.key}-{digest}.npz"  # which has a sum of what it holds
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            kept: Vectors = arrays["vectors"]
    except (OSError, EOFError, ValueError, KeyError, BadZipFile, zlib.error):  # not there yet, or damaged
        kept = encoder.encode_text(queries)
        cache.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".tmp.npz")
        np.savez(scratch, vectors=kept)
        scratch.replace(file)
    return kept


def measure(
    encoder: Encoder, store: VectorStore, cache: Path | None = None, *, adapter: Adapter | None = None
) -> dict[tuple[str, str], Reference]:
    """The references of a store as it is, by what asks ("text" or "image") and kind of item, of questions
    that go through the adapter where there is one.

    Asking with pictures needs two of them, since a picture is not compared with itself.
    """

    def asked(vectors: Vectors, asked_with: str, kind: Kind) -> Vectors:
        return vectors if adapter is None else adapter(vectors, asked_with, kind)

    samples = {kind: _sample(store, kind, dim=encoder.space.dim) for kind in Kind}
    images = samples[Kind.IMAGE]
    texts = neutral_vectors(encoder, cache)
    references = {}
    for kind in Kind:
        best = _best(asked(texts, "text", kind), store, kind)
        if best is not None:
            references["text", kind.value] = _fit(best, margin(encoder.record, kind))
        if len(samples[kind]) > 1:
            pairs = (samples[kind] @ samples[kind].T)[np.triu_indices(len(samples[kind]), k=1)]
            level, deviation = float(np.quantile(pairs, UNRELATED)), max(MIN_DEVIATION, float(pairs.std()))
            references[PAIRS, kind.value] = Reference(level, deviation, len(pairs))
    if len(images) > 1:
        references["image", Kind.IMAGE.value] = _fit(_likeness(asked(images, "image", Kind.IMAGE), images))
        best = _best(asked(images, "image", Kind.PASSAGE), store, Kind.PASSAGE)
        if best is not None:
            references["image", Kind.PASSAGE.value] = _fit(best)
    return references


def margin(record: EncoderRecord, kind: Kind) -> float:
    """The deviations above the mean at which confidence is 0.5 where a text asks; an encoder may have its
    own for pictures."""
    return record.margin if record.margin and kind is Kind.IMAGE else MARGIN


def is_current(references: Mapping[tuple[str, str], Reference]) -> bool:
    """Whether there are references, and they were measured by the rule of this version."""
    return RULE in references and references[RULE].queries == rule()


def made_today() -> Reference:
    """The reference that goes with a set of references under `RULE`."""
    return Reference(0.0, 1.0, rule())


def rule() -> int:
    """A number that differs when the neutral queries do, or what is made of their scores."""
    parts = (neutral_queries(), SAMPLE, MARGIN, MIN_DEVIATION, UNRELATED, UNLIKE)
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:7], 16)  # fits SQL's integers


def _sample(store: VectorStore, kind: Kind, *, dim: int) -> Vectors:
    """The (n, dim) vectors of up to SAMPLE items of a kind, evenly spread over the store."""
    total = store.count(kind=kind)
    rows = np.unique(np.linspace(0, max(0, total - 1), min(SAMPLE, total)).astype(int))
    picked, before = [], 0
    for ids, vectors in store.scan(kind=kind):
        here = rows[(rows >= before) & (rows < before + len(ids))] - before
        picked.append(vectors[here])
        before += len(ids)
    return np.concatenate(picked) if picked else np.zeros((0, dim), np.float32)


def _best(queries: Vectors, store: VectorStore, kind: Kind) -> np.ndarray | None:
    """The (q,) best score of each query over a kind; None where the store has none of it."""
    best: np.ndarray | None = None
    for _, vectors in store.scan(kind=kind):
        here = (queries @ vectors.T).max(axis=1, initial=-1.0)  # (q, n) -> (q,)
        best = here if best is None else np.maximum(best, here)
    return best


def _likeness(asked: Vectors, images: Vectors) -> np.ndarray:
    """The (n,) score that UNLIKE of the other pictures stay below, for each picture that asks."""
    scores = asked @ images.T
    others = scores[~np.eye(len(images), dtype=bool)].reshape(len(images), -1)  # (n, n - 1)
    below: np.ndarray = np.quantile(others, UNLIKE, axis=1)
    return below


def _fit(best: Iterable[float], margin: float = 0.0) -> Reference:
    values = np.asarray(best, np.float64)
    deviation = max(MIN_DEVIATION, float(values.std()))
    return Reference(float(values.mean()) + margin * deviation, deviation, len(values))
