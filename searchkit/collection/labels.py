"""Zero-shot labels: of some names, the one that fits each picture best, written where search can filter."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from searchkit.collection.lock import writing
from searchkit.collection.manifest import NEUTRAL
from searchkit.collection.open_space import OpenSpace
from searchkit.collection.upkeep import accelerate
from searchkit.errors import BadInput, NothingIndexed
from searchkit.search.zeroshot import Classifier
from searchkit.types import Item, Kind

BATCH = 1000


@dataclass(frozen=True, slots=True)
class Labelled:
    """One picture and its label; None where no label has the share that was asked for."""

    path: str
    label: str | None
    confidence: float


def label(
    space: OpenSpace, labels: Sequence[str], *, under: Sequence[str], min_confidence: float
) -> Iterator[Labelled]:
    """Give every picture at or below the paths of `under` (all, without any) its best label, and yield it;
    none where the label's share is below `min_confidence`.

    Labels from before are replaced; without labels they are taken away. Costs no encoding of pictures: the
    vectors are there. What was yielded is written. Raises `BadInput` for paths that hold no picture.
    """
    names = list(dict.fromkeys(name.strip() for name in labels if name.strip()))
    if space.store.count(kind=Kind.IMAGE) == 0:
        raise NothingIndexed(f"{space.root} holds no pictures", hint="searchkit index FOLDER")
    with writing(space.root):
        ids = [id for batch, _ in space.store.scan(kind=Kind.IMAGE) for id in batch]
        classifier = Classifier(space.encoder, names, cache=space.root / NEUTRAL) if names else None
        pictures = 0
        for start in range(0, len(ids), BATCH):
            batch = space.store.get(ids[start : start + BATCH])
            items = [item for item in batch if _is_under(item.path, under)]
            if items:
                yield from _write(space, items, classifier, min_confidence)
            pictures += len(items)
        if pictures:
            space.store.compact()
            accelerate(space)
    if not pictures:
        raise BadInput(f"no indexed picture at or below {', '.join(under)}", hint="searchkit index FOLDER")


def _write(
    space: OpenSpace, items: Sequence[Item], classifier: Classifier | None, min_confidence: float
) -> Iterator[Labelled]:
    vectors = space.store.vectors([item.id for item in items])
    if classifier is None:
        labels: list[tuple[str | None, float]] = [(None, 0.0)] * len(items)
    else:
        best, shares = classifier(vectors)
        labels = [
            (classifier.labels[place] if share >= min_confidence else None, float(share))
            for place, share in zip(best, shares, strict=True)
        ]
    labelled = [
        item._replace(label=name, label_confidence=None if name is None else share)
        for item, (name, share) in zip(items, labels, strict=True)
    ]
    space.store.write(labelled, vectors)
    for item, (name, share) in zip(items, labels, strict=True):
        yield Labelled(item.path, name, share)


def _is_under(path: str, roots: Sequence[str]) -> bool:
    return not roots or any(path == root or path.startswith(root.rstrip(os.sep) + os.sep) for root in roots)
