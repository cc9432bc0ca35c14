"""Dataset reinforcement, as MobileCLIP has it: teachers look at every picture once, in several augmentations
that can be repeated, and what they saw is kept beside the data. Training then reads instead of asking them.

A store is a folder: `manifest.json`, and shards of some hundred pictures,

    augmentation  (n, A, 9) float32   see `augment.Augmentation.numbers`
    image.k       (n, A, dim) bf16    of teacher k
    text.k        (t, dim) bf16       of teacher k, where it reads text, for the shard's distinct texts
    content       (n, 16) uint8       of each picture's sha256, the first half
    ends, rows    int64               the texts of picture i are `rows[ends[i-1]:ends[i]]`
    real          (n,) int64          number of its texts that were there: a captioner wrote the others
    good          (n,) bool           whether it could be decoded

and in a shard's metadata its texts, and the sha256 of the replayed pixels of its first picture. A shard is
there as a whole or not at all, so a run that was killed goes on with the next.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import PIL
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from searchkit.errors import BadInput, Unreadable
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Captioner
from searchkit.training.augment import Augmentation, draw
from searchkit.training.data import Pictures

log = logging.getLogger(__name__)

FORMAT = 1
MANIFEST = "manifest.json"
SHARD = 256
CHUNK = 16
"""Number of pictures that are decoded at once, with their augmentations in memory."""
CHECKED = 64
"""Side of the replayed pictures that give a shard's checksum."""


class StoredTeacher(Protocol):
    """A teacher whose vectors of augmented pictures are stored; `texts` gives None from one that reads
    none."""

    name: str
    identity: str
    """A name that changes when the teacher's vectors do."""
    pixels: int
    """Side of the pictures that the teacher is shown."""

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray: ...

    def texts(self, texts: Sequence[str]) -> np.ndarray | None: ...


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a store was made from: it is continued, and read, only where all of this is the same."""

    teachers: Sequence[Mapping[str, str]]
    """Name and identity of each teacher."""
    augmentations: int
    captioner: str
    """The captioner's name, and what else its captions depend on; "" without one."""
    seed: int
    shard: int
    pictures: str
    """sha256 of the contents of all pictures in order."""
    pillow: str = PIL.__version__
    format: int = FORMAT


def content_of(image: bytes) -> bytes:
    """The 16 bytes that name a picture in a store: half of its sha256."""
    return hashlib.sha256(image).digest()[:16]


def augmentation_of(content: bytes, view: int, seed: int) -> Augmentation:
    """Augmentation number `view` of a picture, which depends on its content, not on its place."""
    return draw(np.random.default_rng([seed, int.from_bytes(content[:8], "little"), view]))


def replay(image: Image.Image, augmentations: Sequence[Augmentation], pixels: int) -> str:
    """The sha256 of the pixels that these augmentations make, in hexadecimal."""
    made = np.stack([augmentation(image, pixels) for augmentation in augmentations])
    return hashlib.sha256(made.tobytes()).hexdigest()


def reinforce(
    pictures: Pictures,
    teachers: Sequence[StoredTeacher],
    out: Path,
    *,
    augmentations: int = 10,
    captioner: tuple[str, Captioner] | None = None,
    seed: int = 0,
    shard: int = SHARD,
    threads: int = 2,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> Path:
    """Write the store of a data set into `out`, or go on with one that was begun.

    Raises `BadInput` where `out` holds a store of something else.
    """
    contents = [content_of(image) for image in pictures.images]
    manifest = Manifest(
        [{"name": t.name, "identity": t.identity} for t in teachers],
        augmentations,
        captioner[0] if captioner else "",
        seed,
        shard,
        hashlib.sha256(b"".join(contents)).hexdigest(),
    )
    _begin(manifest, out)
    work = _Work(pictures, contents, teachers, captioner[1] if captioner else None, manifest)
    with ThreadPoolExecutor(threads) as pool:
        for number, first in enumerate(range(0, len(pictures), shard)):
            path = shard_path(out, number)
            rows = range(first, min(first + shard, len(pictures)))
            if not path.is_file():
                tensors, metadata = work.shard(rows, pool)
                scratch = path.with_suffix(".tmp")
                save_file(tensors, scratch, metadata)
                scratch.chmod(0o644)
                scratch.replace(path)
            on_progress(rows.stop, len(pictures))
    return out


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"shard-{number:05}.safetensors"


def _begin(manifest: Manifest, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    wanted = asdict(manifest)
    path = out / MANIFEST
    if path.is_file():
        kept = json.loads(path.read_text())
        differs = sorted(key for key in wanted.keys() | kept.keys() if wanted.get(key) != kept.get(key))
        if differs:
            raise BadInput(
                f"{out} was begun with another {', '.join(differs)}", hint="name another folder with --out"
            )
        return
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(wanted, indent=2) + "\n")
    scratch.replace(path)


@dataclass(frozen=True, slots=True)
class _Work:
    """What a shard is made from."""

    pictures: Pictures
    contents: Sequence[bytes]
    teachers: Sequence[StoredTeacher]
    captioner: Captioner | None
    manifest: Manifest

    def shard(self, rows: range, pool: ThreadPoolExecutor) -> tuple[dict[str, Tensor], dict[str, str]]:
        """The tensors and the metadata of the shard with these rows."""
        views = [self._augmentations(row) for row in rows]
        vectors: list[list[np.ndarray]] = [[] for _ in self.teachers]
        texts: list[list[str]] = [list(self.pictures.texts[row]) for row in rows]
        real = [len(own) for own in texts]
        good: list[bool] = []
        checksum = ""
        for start, images in self._decoded(rows, pool):
            shown = [image or Image.new("RGB", (8, 8)) for image in images]
            good += [image is not None for image in images]
            drawn = views[start : start + len(shown)]
            checksum = checksum or replay(shown[0], drawn[0], CHECKED)
            for teacher, parts in zip(self.teachers, vectors, strict=True):
                parts.append(self._shown(teacher, shown, drawn, pool))
            if self.captioner is not None:
                for place, written in enumerate(self.captioner(shown)):
                    texts[start + place] += [text for text in written if images[place] is not None]
        numbers = {text: i for i, text in enumerate(dict.fromkeys(t for own in texts for t in own))}
        tensors = {
            "augmentation": torch.from_numpy(np.stack([[a.numbers() for a in row] for row in views])),
            "content": torch.tensor([list(self.contents[row]) for row in rows], dtype=torch.uint8),
            "ends": torch.tensor(np.cumsum([len(own) for own in texts])),
            "rows": torch.tensor([numbers[text] for own in texts for text in own], dtype=torch.int64),
            "real": torch.tensor(real),
            "good": torch.tensor(good),
        }
        for k, (teacher, parts) in enumerate(zip(self.teachers, vectors, strict=True)):
            tensors[f"image.{k}"] = torch.from_numpy(np.concatenate(parts)).bfloat16()
            text_vectors = teacher.texts(list(numbers))
            if text_vectors is not None:
                tensors[f"text.{k}"] = torch.from_numpy(text_vectors).bfloat16()
        return tensors, {"texts": json.dumps(list(numbers)), "checksum": checksum}

    def _augmentations(self, row: int) -> list[Augmentation]:
        count, seed = self.manifest.augmentations, self.manifest.seed
        return [augmentation_of(self.contents[row], view, seed) for view in range(count)]

    def _decoded(
        self, rows: range, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[int, list[Image.Image | None]]]:
        """Each chunk's place in the shard with its pictures; None for one that cannot be decoded."""

        def decode(row: int) -> Image.Image | None:
            try:
                return decode_bytes(self.pictures.images[row])
            except Unreadable as error:
                log.warning("picture %d of %s is left out: %s", row, self.pictures.name, error)
                return None

        for start in range(0, len(rows), CHUNK):
            yield start, list(pool.map(decode, rows[start : start + CHUNK]))

    def _shown(
        self,
        teacher: StoredTeacher,
        images: Sequence[Image.Image],
        views: Sequence[Sequence[Augmentation]],
        pool: ThreadPoolExecutor,
    ) -> np.ndarray:
        """The vectors that one teacher gives to n pictures in A augmentations: (n, A, dim) float32."""
        jobs = [(image, view) for image, own in zip(images, views, strict=True) for view in own]
        made = list(pool.map(lambda job: job[1].picture(job[0], teacher.pixels), jobs))
        vectors = teacher.images(made)
        return vectors.reshape(len(images), self.manifest.augmentations, -1).astype(np.float32)
