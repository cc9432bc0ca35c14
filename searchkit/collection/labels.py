"""Zero-shot labels: of some names, the one that fits each picture best, written where search can filter."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from searchkit.collection.lock import writing
from searchkit.errors import BadInput, NothingIndexed
from searchkit.search.zeroshot import Classifier
from searchkit.types import Item, Kind

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture and its label; None where nothing was sure enough."""

    path: str
    label: str | None
    confidence: float


def label(
    library: Collection, labels: Sequence[str], *, under: Sequence[str], min_confidence: float
) -> Iterator[Labelled]:
    """Give every picture at or below the paths of `under` (all, without any) its best label, and yield it;
    none where the label's share is below `min_confidence`.

    Labels from before are replaced; without labels they are taken away. Costs no encoding of pictures: the
    vectors are there. What was yielded is written. Raises `BadInput` for paths that hold no picture.
    """
    names = list(dict.fromkeys(name.strip() for name in labels if name.strip()))
    if library.store.count(kind=Kind.IMAGE) == 0:
        raise NothingIndexed(f"{library.root} holds no pictures", hint="searchkit index FOLDER")
    with writing(library.root):
        ids = [i for some, _ in library.store.scan(kind=Kind.IMAGE) for i in some]
        classifier = Classifier(library.encoder, names, cache=library.root / "neutral") if names else None
        given = 0
        for start in range(0, len(ids), BATCH):
            items = [i for i in library.store.get(ids[start : start + BATCH]) if _is_under(i.path, under)]
            if items:
                yield from _write(library, items, classifier, min_confidence)
            given += len(items)
        if given:
            library.store.compact()
            library.accelerate()
    if not given:
        raise BadInput(f"no indexed picture at or below {', '.join(under)}", hint="searchkit index FOLDER")


def _write(
    library: Collection, items: Sequence[Item], classifier: Classifier | None, min_confidence: float
) -> Iterator[Labelled]:
    vectors = library.store.vectors([item.id for item in items])
    if classifier is None:
        found: list[tuple[str | None, float]] = [(None, 0.0)] * len(items)
    else:
        best, shares = classifier(vectors)
        found = [
            (classifier.labels[place] if share >= min_confidence else None, float(share))
            for place, share in zip(best, shares, strict=True)
        ]
    labelled = [
        item._replace(label=name, label_confidence=sure if name is not None else None)
        for item, (name, sure) in zip(items, found, strict=True)
    ]
    library.store.write(labelled, vectors)
    for item, (name, sure) in zip(items, found, strict=True):
        yield Labelled(item.path, name, sure)


def _is_under(path: str, roots: Sequence[str]) -> bool:
    return not roots or any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
