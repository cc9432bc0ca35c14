"""A collection as points in a plane: items whose vectors are alike lie near each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from searchkit.errors import BadInput, NothingIndexed
from searchkit.types import Hit, Item, Kind, Vectors

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

MOST = 3000
"""Items that are drawn; of more, so many evenly spread."""
METHODS = ("pca", *(("umap",) if find_spec("umap") else ()))
"""UMAP where umap-learn is installed."""


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float
    item: Item


def project(
    library: Collection | OpenSpace, *, kind: str | None = None, most: int = MOST, method: str = "pca"
) -> list[Point]:
    """At most `most` items, evenly spread over the collection, as points in [-1, 1]².

    Raises `NothingIndexed`, `BadInput` for a method that is not there.
    """
    if method not in METHODS:
        raise BadInput(f"there is no map by {method!r}", hint=f"one of: {', '.join(METHODS)}")
    library = library.current
    wanted = Kind(kind) if kind else None
    total = library.store.count(kind=wanted)
    if not total:
        raise NothingIndexed(f"{library.root} holds nothing of that kind", hint="searchkit index FOLDER")
    rows = np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))
    ids: list[str] = []
    parts: list[Vectors] = []
    before = 0
    for some, vectors in library.store.scan(kind=wanted):
        here = rows[(rows >= before) & (rows < before + len(some))] - before
        ids += [some[row] for row in here]
        parts.append(vectors[here])
        before += len(some)
    places = dict(zip(ids, (_umap if method == "umap" else pca)(np.concatenate(parts)), strict=True))
    items = library.store.get(ids)
    return [Point(float(places[item.id][0]), float(places[item.id][1]), item) for item in items]


def typical(library: Collection | OpenSpace, items: Sequence[Item]) -> list[Hit]:
    """Items that somebody picked, as hits: the nearest to their mean first. Score is the cosine to it, and
    confidence 1, since nobody has to be convinced."""
    library = library.current
    if not items:
        return []
    vectors = library.store.vectors([item.id for item in items])
    middle = vectors.mean(axis=0)
    scores = vectors @ middle / (np.linalg.norm(middle) + 1e-12)  # (n, dim) @ (dim,) -> (n,)
    order = np.argsort(-scores, kind="stable")
    return [
        Hit(rank, float(scores[row]), 1.0, items[row], library.manifest.space)
        for rank, row in enumerate(order, start=1)
    ]


def pca(vectors: Vectors) -> np.ndarray:
    """(n, 2) in [-1, 1]: the two directions in which (n, dim) rows differ most, each with a fixed sign.

    >>> pca(np.float32([[0, 0, 1], [0, 0, -3], [0.1, 0, 1], [-0.1, 0, 1]]))[1].tolist()
    [-1.0, 0.0]
    """
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    first = directions[:, :-3:-1]  # (dim, 2)
    first = first * np.sign(first[np.abs(first).argmax(axis=0), range(first.shape[1])])
    return _scaled(centred @ first)


def _umap(vectors: Vectors) -> np.ndarray:
    import umap

    return _scaled(umap.UMAP(metric="cosine", random_state=0).fit_transform(vectors))


def _scaled(places: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = places / (np.abs(places).max(axis=0) + 1e-12)
    return scaled
