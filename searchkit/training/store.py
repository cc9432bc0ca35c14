"""Read the stores that `reinforce` writes: pictures whose views are replayed, and what the teachers saw."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from torch import Tensor

from searchkit.errors import BadInput
from searchkit.ingest.images import decode_bytes
from searchkit.training.augment import from_numbers
from searchkit.training.data import Pictures
from searchkit.training.recipe import FEATURES, PictureFile
from searchkit.training.reinforce import CHECKED, FORMAT, MANIFEST, content_of, replay, shard_path

log = logging.getLogger(__name__)

AGAIN = "make it again: searchkit reinforce"


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a store, in memory."""

    tensors: Mapping[str, Tensor]
    texts: Sequence[str]
    checksum: str

    def texts_of(self, place: int) -> tuple[list[str], list[str]]:
        """The real and the synthetic texts of a picture."""
        ends = self.tensors["ends"]
        first = int(ends[place - 1]) if place else 0
        texts = [self.texts[row] for row in self.tensors["rows"][first : int(ends[place])]]
        real = int(self.tensors["real"][place])
        return texts[:real], texts[real:]


class Store:
    """A store of a data set: a folder that `searchkit reinforce` has finished.

    Raises `BadInput` for one that is unfinished or of another format.
    """

    def __init__(self, folder: Path) -> None:
        if not (folder / MANIFEST).is_file():
            raise BadInput(f"{folder} is no reinforced data set: it has no {MANIFEST}", hint=AGAIN)
        self.folder = folder
        self.manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        if self.manifest["format"] != FORMAT:
            raise BadInput(f"{folder} has format {self.manifest['format']}, not {FORMAT}", hint=AGAIN)
        self.teachers = [str(teacher["name"]) for teacher in self.manifest["teachers"]]
        self.shards: list[Shard] = []
        while (path := shard_path(folder, len(self.shards))).is_file():
            self.shards.append(_read(path))
        contents = [bytes(row) for shard in self.shards for row in shard.tensors["content"].numpy()]
        self.places = {content: divmod(i, int(self.manifest["shard"])) for i, content in enumerate(contents)}
        if _digest(contents) != self.manifest["pictures"]:
            raise BadInput(f"{folder} is not finished, or a shard of it is lost", hint=AGAIN)

    def check(self, images: Mapping[bytes, bytes]) -> int:
        """Replay the first picture of every shard that is among `images`, by content; return how many there
        were.

        Raises `BadInput` where other pixels come out than the teachers saw.
        """
        checked = 0
        for number, shard in enumerate(self.shards):
            content = bytes(shard.tensors["content"][0].numpy())
            if content not in images or not shard.tensors["good"][0]:
                continue
            drawn = [from_numbers(row.numpy()) for row in shard.tensors["augmentation"][0]]
            if replay(decode_bytes(images[content]), drawn, CHECKED) != shard.checksum:
                raise BadInput(
                    f"{shard_path(self.folder, number)}: its pictures do not come out as they were",
                    hint=f"it was made with Pillow {self.manifest['pillow']}; install that, or {AGAIN}",
                )
            checked += 1
        return checked

    def vectors_of_texts(self, teacher: int) -> dict[str, np.ndarray]:
        """The vector, (dim,) float32, that a teacher gives to each text; empty for one that reads no text."""
        name = f"text.{teacher}"
        vectors: dict[str, np.ndarray] = {}
        for shard in self.shards:
            if name in shard.tensors:
                vectors |= zip(shard.texts, shard.tensors[name].float().numpy(), strict=True)
        return vectors


class ReinforcedPictures:
    """A data set, as `Pictures`, with what a store holds of it: the views are the store's augmentations.

    `texts` are the real ones, `synthetic` those of a captioner. Pictures that the store does not have, or
    could not decode, are left out. Half of the augmentations are mirror images.
    """

    def __init__(self, pictures: Pictures, store: Store) -> None:
        self.name, self.store = pictures.name, store
        self.views = int(store.manifest["augmentations"])
        images = {content_of(image): image for image in pictures.images}
        store.check(images)
        self._kept: list[tuple[int, int]] = []
        self.images: list[bytes] = []
        self.texts: list[tuple[str, ...]] = []
        self.synthetic: list[tuple[str, ...]] = []
        for image, texts in zip(pictures.images, pictures.texts, strict=True):
            place = store.places.get(content_of(image))
            if place is None or not store.shards[place[0]].tensors["good"][place[1]]:
                continue
            self._kept.append(place)
            self.images.append(image)
            self.texts.append(tuple(texts))
            self.synthetic.append(tuple(store.shards[place[0]].texts_of(place[1])[1]))
        self.left_out = len(pictures) - len(self.images)
        if not self.images:
            raise BadInput(f"{store.folder} holds none of the pictures of {self.name}", hint=AGAIN)

    def __len__(self) -> int:
        return len(self.images)

    def view(self, row: int, view: int, pixels: int) -> np.ndarray:
        """What the teachers saw, at another size: (pixels, pixels, 3) uint8."""
        numbers = self._of("augmentation", row)[view].numpy()
        return from_numbers(numbers)(decode_bytes(self.images[row]), pixels)

    def seen(self, teacher: int) -> Seen:
        """The vectors that a teacher gave, like an array of (n, views, dim)."""
        return Seen(self, f"image.{teacher}")

    def _of(self, name: str, row: int) -> Tensor:
        shard, place = self._kept[row]
        return self.store.shards[shard].tensors[name][place]


class Seen:
    """A teacher's vectors: `seen[row, view]` is (dim,) float32, converted when it is asked for."""

    def __init__(self, pictures: ReinforcedPictures, name: str) -> None:
        self._pictures, self._name = pictures, name

    def __getitem__(self, place: tuple[int, int]) -> np.ndarray:
        row, view = place
        vector: np.ndarray = self._pictures._of(self._name, int(row))[int(view)].float().numpy()
        return vector


def reinforced_pictures(
    pictures: Pictures, spec: PictureFile, *folders: Path
) -> Pictures | ReinforcedPictures:
    """The data set with its store, where the recipe names one. Raises `BadInput` where it is in none of the
    folders."""
    if not spec.reinforced:
        return pictures
    for folder in folders:
        if (folder / spec.reinforced / MANIFEST).is_file():
            reinforced = ReinforcedPictures(pictures, Store(folder / spec.reinforced))
            if reinforced.left_out:
                log.warning(
                    "%s: %d pictures of %s are not in it",
                    spec.reinforced,
                    reinforced.left_out,
                    reinforced.name,
                )
            return reinforced
    raise BadInput(
        f"{spec.reinforced} is not there", hint=f"searchkit reinforce {spec.file} --teachers {FEATURES}"
    )


def stored_features(pictures: object) -> Seen | None:
    """The features of the recipe's own teacher, where a store has them; else None."""
    if isinstance(pictures, ReinforcedPictures) and FEATURES in pictures.store.teachers:
        return pictures.seen(pictures.store.teachers.index(FEATURES))
    return None


def _read(path: Path) -> Shard:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return Shard(tensors, json.loads(metadata["texts"]), metadata["checksum"])


def _digest(contents: Sequence[bytes]) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()
