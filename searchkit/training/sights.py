"""What frozen stages make of every view of a data set: maps that are computed once and kept, and what later
stages make of those."""

from __future__ import annotations

import hashlib
import logging
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from searchkit.encoders.vision import preprocess
from searchkit.ingest.images import decode_bytes
from searchkit.models.inverted import InvertedTower
from searchkit.training.data import Pictures, crop_box

log = logging.getLogger(__name__)

BATCH = 16
SAVE_EVERY = 512
"""Views, after which what is done is noted down."""


def shown(image: bytes, view: int, pixels: int) -> np.ndarray:
    """(pixels, pixels, 3) uint8: the picture (0), its mirror image (1), then parts of it, every other one
    mirrored. Which part depends on the picture and the number alone."""
    picture, box = decode_bytes(image), None
    if view > 1:
        rng = np.random.default_rng([zlib.crc32(image), view])
        box = crop_box(rng, picture.width, picture.height)
    seen = np.asarray(picture.resize((pixels, pixels), Image.Resampling.BICUBIC, box=box))
    return seen[:, ::-1].copy() if view % 2 else seen


@dataclass(frozen=True, slots=True)
class Sights:
    """What the frozen stages see of one data set: `maps` (n·views, h, w, c) float16, the views of a picture
    one behind the other."""

    pictures: Pictures
    maps: np.ndarray

    def of(self, rows: Sequence[int] | np.ndarray, views: Sequence[int] | np.ndarray) -> Tensor:
        """(b, c, h, w) of these pictures' views."""
        found = np.asarray(self.maps[np.asarray(rows) * self.pictures.views + np.asarray(views)])
        return torch.from_numpy(found.astype(np.float32)).permute(0, 3, 1, 2)


@torch.inference_mode()
def look(tower: InvertedTower, frozen: int, *, pictures: Pictures, pixels: int, work: Path) -> Sights:
    """The maps behind the first `frozen` stages, kept in `work`; a run that was killed goes on."""
    store, done_file = work / f"maps-{pictures.name}.npy", work / f"maps-{pictures.name}.done"
    total = len(pictures) * pictures.views
    digest = hashlib.sha256(b"".join(hashlib.sha256(one).digest() for one in pictures.images)).hexdigest()
    identity = f"{digest} {frozen} {pixels} {pictures.views}"
    known, _, of = done_file.read_text().partition(" ") if done_file.is_file() else ("0", "", "")
    done = int(known) if of == identity and store.is_file() else 0
    if done == total:
        return Sights(pictures, np.load(store, mmap_mode="r"))
    normalise, kept = preprocess(tower.config).normalise, None

    def view(number: int) -> np.ndarray:
        return shown(pictures.images[number // pictures.views], number % pictures.views, pixels)

    for numbers, pixels_of in _ahead(view, range(done, total)):
        x = tower.stemmed(normalise(torch.from_numpy(pixels_of)))
        for stage in tower.stages[:frozen]:
            x = stage(x)
        seen = x.permute(0, 2, 3, 1).to(torch.float16).numpy()
        if kept is None:
            shape = (total, *seen.shape[1:])
            kept = np.lib.format.open_memmap(store, "r+" if done else "w+", np.float16, shape)
        kept[numbers] = seen
        if (numbers[-1] + 1) // SAVE_EVERY != numbers[0] // SAVE_EVERY or numbers[-1] + 1 == total:
            kept.flush()
            done_file.write_text(f"{numbers[-1] + 1} {identity}")
            log.info("%s: looked at %d of %d views", pictures.name, numbers[-1] + 1, total)
    return Sights(pictures, np.load(store, mmap_mode="r"))


def _ahead(view: object, numbers: range) -> Iterator[tuple[list[int], np.ndarray]]:
    """Batches of views, of which a thread makes the next while one is looked at."""
    parts = [list(numbers[first : first + BATCH]) for first in range(0, len(numbers), BATCH)]

    def made(part: list[int]) -> np.ndarray:
        return np.stack([view(number) for number in part])  # type: ignore[operator]

    with ThreadPoolExecutor(1) as decoder:
        waiting = [decoder.submit(made, part) for part in parts[:2]]
        for place, part in enumerate(parts):
            seen = waiting.pop(0).result()
            if place + 2 < len(parts):
                waiting.append(decoder.submit(made, parts[place + 2]))
            yield part, seen


def later(tower: InvertedTower, frozen: int, maps: Tensor) -> Tensor:
    """(b, c, h, w) behind the frozen stages → (b, width), the tower's feature."""
    x = maps.contiguous(memory_format=torch.channels_last)
    for stage in tower.stages[frozen:]:
        x = stage(x)
    return tower.pooled(x)


@torch.inference_mode()
def features(tower: InvertedTower, frozen: int, sights: Sights) -> Tensor:
    """(n·views, width) of all views of a data set."""
    seen = []
    for first in range(0, len(sights.maps), 4 * BATCH):
        part = torch.from_numpy(sights.maps[first : first + 4 * BATCH].astype(np.float32))
        seen.append(later(tower, frozen, part.permute(0, 3, 1, 2)))
    return torch.cat(seen)
