"""What a collection holds, counted by what a search can be limited to."""

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
"""The fullest; more are not to be chosen from a list."""


@dataclass(frozen=True, slots=True)
class Facets:
    """Numbers of items: of each kind, with each label; and of files, in each folder at any depth."""

    kinds: dict[str, int]
    labels: dict[str, int]
    folders: dict[str, int]
    first: float | None
    """Seconds since the epoch of the oldest and of the newest item, …"""
    last: float | None
    """… by when it was taken, or else changed."""


def facets(library: Collection | OpenSpace) -> Facets:
    """Reads every row of the catalog: a hundred thousand files take about a second."""
    library = library.current
    kinds = {kind.value: library.store.count(kind=kind) for kind in Kind}
    labels, first, last = library.store.labels_and_times()
    held = Counter((os.path.dirname(asset.path), asset.source) for asset in library.assets())
    folders: Counter[str] = Counter()
    for (folder, source), files in held.items():
        while len(folder) >= len(source):
            folders[folder] += files
            folder, below = os.path.dirname(folder), folder
            if folder == below:
                break
    return Facets(kinds, labels, dict(sorted(folders.most_common(FOLDERS))), first, last)
