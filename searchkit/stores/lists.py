"""A large FAISS index: inverted lists of 4-bit codes, with longer codes to decide, tuned on the collection.

Embeddings lie near a space of fewer dimensions than they have: a sixth to a third of them hold most of how
they differ. The lists and the 4-bit codes are of those alone, turned at random so that none weighs more than
another; codes of all dimensions decide, of 16 bits each where there is room for that, or of 8.

How many lists must be looked into depends on how the vectors lie: out of five hundred, pictures need twenty
and made-up vectors thirty. So it is measured on both sorts of question that a collection gets: its own items
(likeness), and texts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from searchkit.stores.shelf import Batches, Tuning, faiss, parameters
from searchkit.types import Vectors

TARGET = 0.97
"""The least recall@10 on held-out questions of each sort; other questions reach about 0.01 less."""
DEPTH = 10
TIE = 1e-6
"""The difference up to which two cosines count as those of copies."""
SAMPLE = 48
"""Vectors for each list that the lists and codes are learned from."""
ITEMS = 256
"""Items of the collection that serve as questions for what is like them."""
SHARE = 0.87
"""Part of the vectors' variance that lies in the dimensions that are kept. Less needs more candidates, more
takes longer to compare."""
ROUND = 8
"""The number that kept dimensions are a multiple of."""
WORTH = 0.002
"""Gain in recall that is worth more work where no tuning reaches the target."""
MOST = 512
"""Lists that are looked into at most."""
ROOM = 2**28
"""Bytes that codes of 16 bits a number may take. With 8 bits one or two in a hundred of the ten nearest are
lost, and it takes more candidates and lists to find as many; but for a million, 16 would take a gigabyte."""
CANDIDATE = 8
"""4-bit codes of a list that are compared in the time in which one code of all dimensions is, from somewhere
in memory; for each dimension."""


def trained(dim: int, count: int, scan: Iterator[Vectors], seed: int = 0) -> tuple[Any, Vectors]:
    """An empty index of 2√n lists that has learned from a sample of the vectors, and ITEMS of the sample."""
    nlist = 2 ** round(math.log2(2 * math.sqrt(count)))
    share = min(1.0, SAMPLE * nlist / count)
    random = np.random.default_rng(seed)
    sample = np.concatenate([batch[random.random(len(batch)) < share] for batch in scan])
    fewer = _fewer(sample, random)
    codes = f"IVF{nlist},PQ{fewer.d_out}x4fsr"
    lists = faiss.index_factory(fewer.d_out, codes, faiss.METRIC_INNER_PRODUCT)
    lists.train(fewer.apply(sample))
    fits = 2 * dim * count <= ROOM
    bits = faiss.ScalarQuantizer.QT_fp16 if fits else faiss.ScalarQuantizer.QT_8bit
    whole = faiss.IndexScalarQuantizer(dim, bits, faiss.METRIC_INNER_PRODUCT)
    whole.train(sample)
    index = faiss.IndexRefine(faiss.IndexPreTransform(fewer, lists), whole)
    return index, sample[random.choice(len(sample), min(ITEMS, len(sample)), replace=False)]


def _fewer(sample: Vectors, random: np.random.Generator) -> Any:
    """The linear map RVᵀ: V are the dimensions along which the vectors differ most, R turns them at random.

    What all vectors share counts for nothing in V and is not taken off x either: it adds the same to each
    inner product with a question.
    """
    mean = sample.mean(axis=0, dtype=np.float64)
    apart = sample - mean.astype(np.float32)
    spread, along = np.linalg.eigh(apart.T @ apart)
    held = np.cumsum(spread[::-1])
    kept = int(np.searchsorted(held, SHARE * held[-1])) + 1
    kept = min(len(mean), -(-kept // ROUND) * ROUND)
    turn, _ = np.linalg.qr(random.standard_normal((kept, kept)))
    fewer = faiss.LinearTransform(len(mean), kept, False)
    faiss.copy_array_to_vector((turn @ along.T[::-1][:kept]).astype(np.float32).ravel(), fewer.A)
    fewer.is_trained = True
    return fewer


class Truth:
    """The exact answers to (q, dim) questions, gathered while the vectors pass by."""

    def __init__(self, items: Vectors, texts: Vectors) -> None:
        self.questions = np.ascontiguousarray(np.concatenate([items, texts]))
        self.items = len(items)
        """The number of questions, from the first, that are items and find themselves."""
        self._best = faiss.ResultHeap(len(self.questions), DEPTH + 2, keep_max=True)
        self._seen = 0

    def watching(self, batches: Batches) -> Batches:
        """Pass every batch on, and keep each question's nearest."""
        for rows, items, vectors in batches:
            scores, places = faiss.knn(self.questions, vectors, DEPTH + 2, metric=faiss.METRIC_INNER_PRODUCT)
            places[places >= 0] += self._seen
            self._best.add_result(scores, places)
            self._seen += len(vectors)
            yield rows, items, vectors
        self._best.finalize()

    def recall(self, places: np.ndarray) -> float:
        """The recall@10 of (q, DEPTH + 1) places, the lower one of both sorts; an item finds itself first.

        Questions whose last true answer is as near as the next one are left out: which of some copies are
        found does not matter.
        """
        sorts = []
        for sort, first in ((slice(0, self.items), 1), (slice(self.items, None), 0)):
            last = self._best.D[sort, first + DEPTH - 1]
            clear = last - self._best.D[sort, first + DEPTH] > TIE
            pairs = zip(self._best.I[sort][clear], places[sort][clear], strict=True)
            hits = [len(set(true[first : first + DEPTH]) & set(row)) / DEPTH for true, row in pairs]
            sorts += [float(np.mean(hits))] if hits else []
        return min(sorts, default=1.0)


def tuned(index: Any, truth: Truth) -> Tuning:
    """The tuning of least work that reaches TARGET; where none does, the one of most recall."""
    lists = faiss.extract_index_ivf(index)
    whole = "SQfp16" if index.refine_index.sa_code_size() == 2 * index.d else "SQ8"
    name = f"PCAR{lists.d},IVF{lists.nlist},PQ{lists.d}x4fsr,Refine({whole})"
    best, least = None, math.inf
    short = Tuning(name, lists.nlist, 1, 0.0)
    for k_factor in (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128):
        candidates = DEPTH * k_factor * index.d * CANDIDATE
        if candidates >= least:
            break
        nprobe, recall = _enough(index, truth, k_factor)
        work = candidates + nprobe * index.ntotal / lists.nlist * lists.d
        if recall >= TARGET and work < least:
            best, least = Tuning(name, nprobe, k_factor, round(recall, 4)), work
        elif recall > short.recall + WORTH:
            short = Tuning(name, nprobe, k_factor, round(recall, 4))
    return best or short


def _enough(index: Any, truth: Truth, k_factor: int) -> tuple[int, float]:
    """The fewest lists that reach TARGET and their recall; else those from which more add nothing."""
    most = min(faiss.extract_index_ivf(index).nlist, MOST)
    nprobe = min(8, most)
    best = nprobe, 0.0
    while True:
        _, places = index.search(truth.questions, DEPTH + 1, params=parameters(nprobe, k_factor))
        recall = truth.recall(places)
        if recall >= TARGET:
            return nprobe, recall
        if recall > best[1] + WORTH:
            best = nprobe, recall
        if nprobe == most or nprobe > 2 * best[0]:
            return best
        nprobe = min(most, nprobe * 5 // 4)
