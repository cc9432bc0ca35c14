"""Confidence: how a score compares with the best that queries which should find nothing reach here.

Cosines of text with text and of text with pictures live on different scales, and both move with the
collection: ten thousand photos hold something near to any sentence. So for each way of asking and each
kind of item, neutral queries are put to this collection, and of each the best score is kept:

    confidence(s) = Φ((s − μ) / σ),   μ and σ the mean and deviation of those best scores

0.5 means: as good as the best that an unrelated query finds here. The normal curve stands in for the
percentile so that scores beyond every neutral query still differ.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

import numpy as np

from searchkit.catalog.catalog import Reference
from searchkit.protocols import Encoder, VectorStore
from searchkit.types import Kind, Vectors

SAMPLE = 200
MIN_DEVIATION = 1e-3


def neutral_queries() -> list[str]:
    """Short texts about nothing that a collection is likely to hold."""
    text = (resources.files("searchkit.search") / "neutral_queries.txt").read_text("utf-8")
    return text.split("\n")[:-1]


def confidence(score: float, reference: Reference | None) -> float:
    """In [0, 1]; increases with the score. Without a reference, nothing is known: 0.5.

    >>> confidence(0.3, Reference(mean=0.3, deviation=0.1, queries=100))
    0.5
    >>> round(confidence(0.5, Reference(mean=0.3, deviation=0.1, queries=100)), 3)
    0.977
    """
    if reference is None:
        return 0.5
    z = (score - reference.mean) / reference.deviation
    return 0.5 * math.erfc(-z / math.sqrt(2))


def neutral_vectors(encoder: Encoder, cache: Path | None) -> Vectors:
    """(n, dim) vectors of the neutral queries; encoded once a space when they may be kept in `cache`."""
    queries = neutral_queries()
    if cache is None:
        return encoder.encode_text(queries)
    digest = hashlib.sha256("\n".join(queries).encode()).hexdigest()[:12]
    file = cache / f"{encoder.space.key}-{digest}.npy"
    try:
        kept: Vectors = np.load(file)
    except (OSError, EOFError, ValueError):  # not there yet, or damaged
        kept = encoder.encode_text(queries)
        cache.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(".tmp.npy")
        np.save(scratch, kept)
        scratch.replace(file)
    return kept


def measure(
    encoder: Encoder, store: VectorStore, cache: Path | None = None
) -> dict[tuple[str, str], Reference]:
    """The references of a store as it is now, by (asked with "text" or "image", kind of item).

    Asking with pictures needs two of them, since a picture is not compared with itself.
    """
    images, image_rows = _sample(store, Kind.IMAGE, dim=encoder.space.dim)
    texts = neutral_vectors(encoder, cache)
    found = {}
    for kind in Kind:
        best = _best(texts, store, kind, own_rows=None)
        if best is not None:
            found["text", kind.value] = _fit(best)
        best = _best(images, store, kind, own_rows=image_rows if kind is Kind.IMAGE else None)
        if best is not None and len(best) > 1:
            found["image", kind.value] = _fit(best)
    return found


def _sample(store: VectorStore, kind: Kind, *, dim: int) -> tuple[Vectors, np.ndarray]:
    """Up to SAMPLE vectors of a kind, evenly spread over the store, and their rows in the order of `scan`."""
    total = store.count(kind=kind)
    rows = np.unique(np.linspace(0, max(0, total - 1), min(SAMPLE, total)).astype(int))
    picked, before = [], 0
    for ids, vectors in store.scan(kind=kind):
        here = rows[(rows >= before) & (rows < before + len(ids))] - before
        picked.append(vectors[here])
        before += len(ids)
    return (np.concatenate(picked) if picked else np.zeros((0, dim), np.float32)), rows


def _best(
    queries: Vectors, store: VectorStore, kind: Kind, *, own_rows: np.ndarray | None
) -> np.ndarray | None:
    """(q,) best score of each query over a kind; `own_rows` are the queries' own rows, left out."""
    best: np.ndarray | None = None
    before = 0
    for ids, vectors in store.scan(kind=kind):
        scores = queries @ vectors.T  # (q, n)
        if own_rows is not None:
            mine = (own_rows >= before) & (own_rows < before + len(ids))
            scores[np.flatnonzero(mine), own_rows[mine] - before] = -1.0
        here = scores.max(axis=1, initial=-1.0)
        best = here if best is None else np.maximum(best, here)
        before += len(ids)
    return best


def _fit(best: Iterable[float]) -> Reference:
    values = np.asarray(best, np.float64)
    return Reference(float(values.mean()), max(MIN_DEVIATION, float(values.std())), len(values))
