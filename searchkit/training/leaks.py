"""Leaks: nothing that is measured on may be learned from, no such photo, no near-duplicate, no caption.

Two pictures are near-duplicates when their perceptual hashes (the signs of the 8 × 8 lowest frequencies of
the grey picture, 63 bits) differ in at most `BITS`, and thumbnails of both correlate to at least `ALIKE`;
mirror images count. Either alone takes plain skies and dark rooms for copies of each other.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from searchkit.errors import BadInput
from searchkit.ingest.images import decode_bytes
from searchkit.training.data import Pictures, read_bank
from searchkit.training.recipe import Withheld

log = logging.getLogger(__name__)

BITS = 12
ALIKE = 0.95
SIDE = 32
THUMB = 8
_ANGLES = np.pi / SIDE * np.outer(np.arange(8), np.arange(SIDE) + 0.5)
_COSINES = np.cos(_ANGLES).astype(np.float32)  # (8, 32): the first rows of the DCT


@dataclass(frozen=True, slots=True)
class Prints:
    """What n pictures are compared by."""

    signs: np.ndarray
    """(n, 63) float32, ±1: the perceptual hashes."""
    thumbs: np.ndarray
    """(n, 192) float32 of unit length: 8 × 8 colours without their mean."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A near-duplicate: row `train` of a training set, and row `withheld` of what is measured on."""

    train: int
    withheld: int
    bits: int
    alike: float


def prints(images: Sequence[bytes], *, mirrored: bool = False, threads: int = 2) -> Prints:
    """The prints of encoded pictures, or of their mirror images."""

    def one(data: bytes) -> tuple[np.ndarray, np.ndarray]:
        image = decode_bytes(data)
        if mirrored:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        image = image.resize((SIDE, SIDE), Image.Resampling.BOX, reducing_gap=2.0)
        waves = _COSINES @ np.asarray(image.convert("L"), np.float32) @ _COSINES.T
        low = waves.ravel()[1:]  # the first is the brightness
        thumb = np.asarray(image.resize((THUMB, THUMB), Image.Resampling.BOX), np.float32).ravel()
        thumb = thumb - thumb.mean()
        return np.where(low > np.median(low), 1.0, -1.0), thumb / (np.linalg.norm(thumb) + 1e-6)

    with ThreadPoolExecutor(threads) as pool:
        both = list(pool.map(one, images))
    signs, thumbs = zip(*both, strict=True) if both else ((), ())
    return Prints(
        np.array(signs, np.float32).reshape(-1, 63), np.array(thumbs, np.float32).reshape(-1, 3 * THUMB**2)
    )


def near_duplicates(train: Prints, withheld: Prints, *, block: int = 4096) -> list[Leak]:
    """Every pair of pictures that are near-duplicates, in order of the training rows."""
    leaks = []
    for start in range(0, len(train.signs), block):
        rows = slice(start, start + block)
        bits = (63 - train.signs[rows] @ withheld.signs.T) / 2  # (block, n)
        for row, other in zip(*np.nonzero(bits <= BITS), strict=True):
            alike = float(train.thumbs[start + row] @ withheld.thumbs[other])
            if alike >= ALIKE:
                leaks.append(Leak(int(start + row), int(other), round(float(bits[row, other])), alike))
    return leaks


def same_words(sentence: str) -> str:
    """The words of a sentence, the same for sentences that differ in case and punctuation only."""
    return " ".join(re.findall(r"\w+", sentence.lower()))


@dataclass(frozen=True, slots=True)
class Guard:
    """The photos and captions that a recipe measures on."""

    images: Sequence[bytes]
    captions: frozenset[str]
    near: Prints
    """The prints of the pictures, then of their mirror images."""

    def without(self, pictures: Pictures, work: Path) -> Pictures:
        """The pictures without near-duplicates of the photos, and without sentences that describe those.

        Which pictures are near-duplicates is kept in the folder `work`.
        """
        digest = hashlib.sha256(b"".join(_sums([*pictures.images, *self.images]))).hexdigest()[:16]
        store = work / f"leaks-{pictures.name}-{digest}.npy"
        if not store.is_file():
            np.save(store, self.rows(pictures.images))
        gone = set(np.load(store).tolist())
        kept = [row for row in range(len(pictures)) if row not in gone]
        if gone:
            log.info("%s: %d of %d are near what is measured on", pictures.name, len(gone), len(pictures))
        texts = [self.unsaid(pictures.texts[row]) for row in kept]
        return replace(pictures, images=[pictures.images[row] for row in kept], texts=texts)

    def rows(self, images: Sequence[bytes]) -> np.ndarray:
        """The rows of the encoded pictures that are near-duplicates of the photos."""
        leaks = near_duplicates(prints(images), self.near)
        return np.array(sorted({leak.train for leak in leaks}), np.int64)

    def unsaid(self, sentences: Iterable[str]) -> tuple[str, ...]:
        """The sentences that are no caption of the photos."""
        return tuple(text for text in sentences if same_words(text) not in self.captions)


def guard(withheld: Sequence[Withheld], folder: Path) -> Guard | None:
    """Read the photos and captions of these splits; None without any. Raises `BadInput` for a missing
    file."""
    if not withheld:
        return None
    images: list[bytes] = []
    captions: set[str] = set()
    for part in withheld:
        path = folder / part.file
        if not path.is_file():
            raise BadInput(f"the withheld {path} is missing", hint="put it into the folder of --data")
        table = pq.read_table(path, filters=[("split", "in", list(part.splits))])
        images += table.column("image").to_pylist()
        if "captions" in table.column_names:
            captions |= {same_words(text) for texts in table.column("captions").to_pylist() for text in texts}
    straight, mirrored = prints(images), prints(images, mirrored=True)
    near = Prints(
        np.concatenate([straight.signs, mirrored.signs]), np.concatenate([straight.thumbs, mirrored.thumbs])
    )
    return Guard(images, frozenset(captions), near)


def read_sentences(bank_file: str, folder: Path, kept: Guard | None) -> tuple[str, ...]:
    """The bank of sentences in a file, without captions of photos that are measured on; "" is none."""
    sentences = read_bank(folder / bank_file) if bank_file else []
    return kept.unsaid(sentences) if kept else tuple(sentences)


def _sums(images: Sequence[bytes]) -> list[bytes]:
    return [hashlib.sha256(image).digest() for image in images]
