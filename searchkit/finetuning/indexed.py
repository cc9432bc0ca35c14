"""What a collection's index knows that learning needs: vectors of pictures, other items, passages near
questions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from searchkit.catalog.catalog import Content
from searchkit.finetuning.negatives import LOOK
from searchkit.finetuning.prepared import Stored
from searchkit.ingest.ids import ids_of
from searchkit.types import Kind, Vectors

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

DISTRACTORS = 5000
"""The most items of the collection that held-out questions are put to beside their answers."""


def stored_vectors(library: Collection | OpenSpace) -> Stored:
    """A function that gives the vector of a picture that is indexed, by the sha256 of its file."""
    contents = library.catalog.contents(library.manifest.space)

    def stored(sha256: str) -> np.ndarray | None:
        known = contents.get(sha256)
        if known is None or known.items != 1:
            return None
        (item,) = ids_of(Content(known.path, known.sha256, 1))
        try:
            vector: np.ndarray = library.store.vectors([item])[0]
        except KeyError:  # the catalog is ahead of the store, which doctor mends
            return None
        return vector

    return stored


def distractors(library: Collection | OpenSpace, kind: Kind, answers: Vectors, near: float) -> Vectors:
    """Up to DISTRACTORS items of a kind, (m, dim), evenly spread, none of them nearly the same as an
    answer."""
    total = library.store.count(kind=kind)
    rows = np.unique(np.linspace(0, total - 1, min(DISTRACTORS, total)).astype(int))
    kept, before = [np.zeros((0, answers.shape[1]), np.float32)], 0
    for ids, vectors in library.store.scan(kind=kind):
        chosen = vectors[rows[(rows >= before) & (rows < before + len(ids))] - before]
        before += len(ids)
        if len(chosen):
            kept.append(chosen[(chosen @ answers.T).max(axis=1) < near])
    return np.concatenate(kept)


def passages_near(library: Collection | OpenSpace, questions: Vectors, most: int) -> dict[str, str]:
    """Id and text of every passage that one of the questions, (n, dim), finds; `most` questions are asked."""
    asked = questions[:: -(-len(questions) // most) or 1]
    hits = (hit for question in asked for hit in library.store.search(question, LOOK, kind=Kind.PASSAGE))
    return {hit.item.id: hit.item.text or "" for hit in hits}
