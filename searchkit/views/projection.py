"""The map of a collection: its items as points in a plane, similar ones near each other."""

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
"""The most items that are drawn; of more, so many evenly spread."""
METHODS = ("pca", *(("umap",) if find_spec("umap") else ()))
"""The projections that there are: UMAP where umap-learn is installed."""


@dataclass(frozen=True, slots=True)
class Point:
    """An item and its place in [-1, 1]²."""

    x: float
    y: float
    item: Item


def project(
    library: Collection | OpenSpace, *, kind: str | None = None, most: int = MOST, method: str = "pca"
) -> list[Point]:
    """At most `most` items, evenly spread over the collection, as points in [-1, 1]².

    Raises `NothingIndexed`, and `BadInput` for an unknown method.
    """
    if method not in METHODS:
        raise BadInput(f"there is no map by {method!r}", hint=f"one of: {', '.join(METHODS)}")
    store = library.current.store
    wanted = Kind(kind) if kind else None
    total = store.count(kind=wanted)
    if not total:
        raise NothingIndexed(f"{library.root} holds nothing of that kind", hint="searchkit index FOLDER")
    rows = np.unique(np.linspace(0, total - 1, min(most, total)).astype(int))
    ids: list[str] = []
    parts: list[Vectors] = []
    before = 0
    for batch, vectors in store.scan(kind=wanted):
        chosen = rows[(rows >= before) & (rows < before + len(batch))] - before
        ids += [batch[row] for row in chosen]
        parts.append(vectors[chosen])
        before += len(batch)
    places = dict(zip(ids, (_umap if method == "umap" else pca)(np.concatenate(parts)), strict=True))
    items = store.get(ids)
    return [Point(float(places[item.id][0]), float(places[item.id][1]), item) for item in items]


def typical(library: Collection | OpenSpace, items: Sequence[Item]) -> list[Hit]:
    """Picked items as hits, the nearest to their mean first.

    The score of a hit is its cosine with the mean; its confidence is 1, since a person picked it.
    """
    active = library.current
    if not items:
        return []
    vectors = active.store.vectors([item.id for item in items])
    mean = vectors.mean(axis=0)
    scores = vectors @ mean / (np.linalg.norm(mean) + 1e-12)  # (n, dim) @ (dim,) -> (n,)
    order = np.argsort(-scores, kind="stable")
    return [
        Hit(rank, float(scores[row]), 1.0, items[row], active.manifest.space)
        for rank, row in enumerate(order, start=1)
    ]


def pca(vectors: Vectors) -> np.ndarray:
    """The (n, dim) rows along the two directions in which they differ most: (n, 2) in [-1, 1], of fixed sign.

    >>> pca(np.float32([[0, 0, 1], [0, 0, -3], [0.1, 0, 1], [-0.1, 0, 1]]))[1].tolist()
    [-1.0, 0.0]
    """
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)  # ascending
    plane = directions[:, :-3:-1]  # (dim, 2)
    plane = plane * np.sign(plane[np.abs(plane).argmax(axis=0), range(plane.shape[1])])
    return _scaled(centred @ plane)


def _umap(vectors: Vectors) -> np.ndarray:
    import umap

    return _scaled(umap.UMAP(metric="cosine", random_state=0).fit_transform(vectors))


def _scaled(points: np.ndarray) -> np.ndarray:
    scaled: np.ndarray = points / (np.abs(points).max(axis=0) + 1e-12)
    return scaled
