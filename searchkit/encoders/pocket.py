"""`pocket`: MiniLM's text tower and a small ViT of our own in MiniLM's 384-dimensional space.

The bundled image tower, and any folder that `searchkit train` wrote, are the same class with other weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL.Image import Image

from searchkit.encoders.minilm import SHA256, WINDOW, MiniLM
from searchkit.encoders.vision import ViTTower
from searchkit.types import EncoderRecord, Space, Vectors

PREPROCESSING = 1


def bundled_folder() -> Path:
    return Path(str(resources.files("searchkit") / "weights" / "pocket"))


class Pocket:
    """Both towers; each is read when it is first needed, so that a text query never loads the image tower."""

    def __init__(self, folder: Path, name: str) -> None:
        self._text = MiniLM()
        self._images = ViTTower(folder)
        self.record = EncoderRecord(
            name=name,
            dim=self._images.config.dim,
            licence="Apache-2.0",
            languages="English",
            text_window=WINDOW,
            pixels=self._images.config.pixels,
            megabytes=round((folder / "model.safetensors").stat().st_size / 1e6 + 90.9, 1),
            family=self._images.family,
            source="bundled" if folder == bundled_folder() else str(folder),
        )
        both = hashlib.sha256(f"{SHA256} {self._images.sha256}".encode()).hexdigest()
        self.space = Space(name, both, PREPROCESSING, self.record.dim)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self._text.encode(texts)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        return self._images.encode(pixels)

    def prepare_image(self, image: Image) -> np.ndarray:
        return self._images.prepare(image)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._text.token_offsets(text)
