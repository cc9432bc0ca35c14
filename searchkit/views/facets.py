"""Facets: the numbers of items and files by what a search can be limited to."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from searchkit.types import Kind

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

FOLDERS = 100
"""The number of folders that are kept, the fullest: a longer list is of no use."""


@dataclass(frozen=True, slots=True)
class Facets:
    """The numbers of items of each kind and with each label, and of files in each folder at any depth."""

    kinds: dict[str, int]
    labels: dict[str, int]
    folders: dict[str, int]
    first: float | None
    """The time of the oldest item: when it was taken, or else changed, in seconds since the epoch."""
    last: float | None
    """The time of the newest item, likewise."""


def facets(library: Collection | OpenSpace) -> Facets:
    """The facets of the active space.

    It reads every row of the catalog: a hundred thousand files take about a second.
    """
    active = library.current
    kinds = {kind.value: active.store.count(kind=kind) for kind in Kind}
    labels, first, last = active.store.labels_and_times()
    by_folder = Counter((os.path.dirname(asset.path), asset.source) for asset in library.assets())
    folders: Counter[str] = Counter()
    for (folder, source), files in by_folder.items():
        while len(folder) >= len(source):
            folders[folder] += files
            folder, below = os.path.dirname(folder), folder
            if folder == below:
                break
    return Facets(kinds, labels, dict(sorted(folders.most_common(FOLDERS))), first, last)
