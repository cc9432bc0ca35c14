"""A large FAISS index: inverted lists of 4-bit codes, with 8-bit codes to decide, tuned on the collection.

How many lists must be looked into depends on how the vectors lie: made-up ones need eight of five hundred,
sentences a hundred. So it is measured, on questions of both sorts that a collection is asked: its own
items (likeness), and texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from searchkit.stores.shelf import Batches, Tuning, faiss
from searchkit.types import Vectors

TARGET = 0.96
"""recall@10 on the held-out questions, at the least, of each sort."""
DEPTH = 10
SAMPLE = 48
"""Vectors a list that the lists and codes are learned from."""
ITEMS = 256
"""Items of the collection that are asked for what is like them."""


def form(dim: int, count: int) -> str:
    """FAISS' name of the index for so many vectors: 4√n lists, four numbers of a vector to a code of 4 bits.

    >>> form(512, 1_000_000)
    'IVF4096,PQ128x4fsr,Refine(SQ8)'
    """
    lists = 2 ** round(math.log2(4 * math.sqrt(count)))
    codes = f"PQ{dim // 4}x4fsr" if dim % 4 == 0 else "RaBitQfs"
    return f"IVF{lists},{codes},Refine(SQ8)"


def trained(dim: int, count: int, scan: Iterator[Vectors], seed: int = 0) -> tuple[Any, Vectors]:
    """An empty index that has learned from a sample of the vectors, and ITEMS of the sample."""
    index = faiss.index_factory(dim, form(dim, count), faiss.METRIC_INNER_PRODUCT)
    lists = faiss.extract_index_ivf(index)
    share = min(1.0, SAMPLE * lists.nlist / count)
    random = np.random.default_rng(seed)
    sample = np.concatenate([some[random.random(len(some)) < share] for some in scan])
    index.train(sample)
    return index, sample[random.choice(len(sample), min(ITEMS, len(sample)), replace=False)]


class Truth:
    """The exact answers to questions, gathered while the vectors pass by."""

    def __init__(self, items: Vectors, texts: Vectors) -> None:
        self.questions = np.ascontiguousarray(np.concatenate([items, texts]))
        self.items = len(items)
        """So many of the questions, the first, are items: they find themselves."""
        self._best = faiss.ResultHeap(len(self.questions), DEPTH + 1, keep_max=True)
        self._seen = 0

    def watching(self, batches: Batches) -> Batches:
        for rows, items, vectors in batches:
            scores, places = faiss.knn(self.questions, vectors, DEPTH + 1, metric=faiss.METRIC_INNER_PRODUCT)
            places[places >= 0] += self._seen
            self._best.add_result(scores, places)
            self._seen += len(vectors)
            yield rows, items, vectors
        self._best.finalize()

    def recall(self, found: np.ndarray) -> float:
        """Of (q, DEPTH + 1) places found: recall@10, of both sorts the lower; an item finds itself first."""
        sorts = []
        for some, first in ((slice(0, self.items), 1), (slice(self.items, None), 0)):
            pairs = zip(self._best.I[some], found[some], strict=True)
            hits = [len(set(true[first : first + DEPTH]) & set(mine)) / DEPTH for true, mine in pairs]
            sorts += [float(np.mean(hits))] if hits else []
        return min(sorts, default=1.0)


def tuned(index: Any, truth: Truth) -> Tuning:
    """The least work that reaches TARGET; the most that was tried where nothing does."""
    lists = faiss.extract_index_ivf(index).nlist
    name = form(index.d, index.ntotal)
    best = Tuning(name, lists, 1, 0.0)
    for k_factor in (16, 32, 64, 128):
        nprobe = 8
        while True:
            parameters = faiss.IndexRefineSearchParameters(
                k_factor=k_factor, base_index_params=faiss.SearchParametersIVF(nprobe=nprobe)
            )
            _, found = index.search(truth.questions, DEPTH + 1, params=parameters)
            recall = truth.recall(found)
            if recall > best.recall + 0.002:
                best = Tuning(name, nprobe, k_factor, round(recall, 4))
            if recall >= TARGET:
                return best
            if nprobe >= min(lists, 512) or (recall < best.recall + 0.002 and nprobe > best.nprobe * 2):
                break  # the codes, not the lists, are what keeps it from more
            nprobe = min(lists, nprobe * 3 // 2)
    return best
