"""Views rendered once, by all cores, into one file, for a GPU that would otherwise wait for decoding."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np

PART = 64
"""Number of pictures that one process renders at once."""


class Views(Protocol):
    """A data set with views: what `Pictures` and `ReinforcedPictures` have in common."""

    @property
    def name(self) -> str: ...

    @property
    def images(self) -> Sequence[bytes]: ...

    @property
    def texts(self) -> Sequence[tuple[str, ...]]: ...

    @property
    def views(self) -> int: ...

    def __len__(self) -> int: ...

    def view(self, row: int, view: int, pixels: int) -> np.ndarray: ...


_shown: Views | None = None
"""The data set that is rendered, inherited by the processes that render."""


class RenderedViews:
    """All views of a data set, (n, views, pixels, pixels, 3) uint8 in a file of `work`, rendered if
    missing."""

    def __init__(
        self,
        pictures: Views,
        pixels: int,
        work: Path,
        *,
        processes: int,
        on_progress: Callable[[int, int], object] = lambda done, total: None,
    ) -> None:
        # what a view is follows from the pictures and from how many views there are of what sort
        known = [bytes(pictures.view(0, view, 16)) for view in range(pictures.views)]
        known += [hashlib.sha256(image).digest() for image in pictures.images]
        digest = hashlib.sha256(b"".join(known)).hexdigest()[:16]
        path = work / f"{pictures.name}-{pixels}-{digest}.pixels"
        shape = (len(pictures), pictures.views, pixels, pixels, 3)
        if not path.is_file():
            _render(pictures, path, shape, processes, on_progress)
        self._pixels = np.memmap(path, np.uint8, "r", shape=shape)

    def __call__(self, row: int, view: int) -> np.ndarray:
        pixels: np.ndarray = self._pixels[row, view]
        return pixels


def _render(
    pictures: Views,
    path: Path,
    shape: tuple[int, ...],
    processes: int,
    on_progress: Callable[[int, int], object],
) -> None:
    global _shown
    scratch = path.with_suffix(".tmp")
    file = np.memmap(scratch, np.uint8, "w+", shape=shape)
    _shown = pictures
    try:
        with ProcessPoolExecutor(processes, mp_context=get_context("fork")) as pool:
            starts = range(0, len(pictures), PART)
            for start, made in zip(starts, pool.map(_part, starts, [shape[2]] * len(starts)), strict=True):
                file[start : start + len(made)] = made
                on_progress(start + len(made), len(pictures))
    finally:
        _shown = None
    file.flush()
    scratch.replace(path)


def _part(start: int, pixels: int) -> np.ndarray:
    pictures = _shown
    assert pictures is not None
    rows = range(start, min(start + PART, len(pictures)))
    return np.stack([[pictures.view(row, view, pixels) for view in range(pictures.views)] for row in rows])
