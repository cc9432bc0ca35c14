"""The teachers of `searchkit reinforce`: encoders of the registry, and networks that give features alone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from searchkit.errors import BadInput
from searchkit.protocols import Encoder
from searchkit.registry import AUTO, load_encoder
from searchkit.training.recipe import FEATURES, Teacher
from searchkit.training.reinforce import StoredTeacher
from searchkit.training.teacher import TFLiteTeacher
from searchkit.types import Runtime


class EncoderTeacher:
    """Both towers of an encoder. Raises `BadInput` for one that takes no pictures."""

    def __init__(self, encoder: Encoder) -> None:
        record = encoder.record
        if not record.pixels:
            raise BadInput(
                f"{record.name} takes no pictures: it cannot be a teacher of them",
                hint="see which take both: searchkit models",
            )
        self.encoder, self.name, self.pixels = encoder, record.name, record.pixels
        self.identity = encoder.space.key

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return self.encoder.encode_images([self.encoder.prepare_image(picture) for picture in pictures])

    def texts(self, texts: Sequence[str]) -> np.ndarray | None:
        return self.encoder.encode_text([self.encoder.record.as_passage(text) for text in texts])


class FeatureTeacher:
    """A quantised TFLite network, which reads no text; each thread has one of its own."""

    def __init__(self, folder: Path, spec: Teacher, threads: int = 2) -> None:
        self.name, self.pixels = FEATURES, spec.pixels
        self.folder, self.spec = folder, spec
        self._pool = ThreadPoolExecutor(threads)
        self._of_thread = threading.local()
        self._network()  # so that a missing file is an error at once
        digest = hashlib.sha256((folder / spec.file).read_bytes()).hexdigest()
        self.identity = f"{Path(spec.file).name} {digest[:16]} tensor {spec.tensor}"

    def _network(self) -> TFLiteTeacher:
        if not hasattr(self._of_thread, "network"):
            self._of_thread.network = TFLiteTeacher(self.folder, self.spec)
        network: TFLiteTeacher = self._of_thread.network
        return network

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return np.stack(list(self._pool.map(lambda picture: self._network()(np.asarray(picture)), pictures)))

    def texts(self, texts: Sequence[str]) -> np.ndarray | None:
        return None


def stored_teachers(
    names: Sequence[str], folder: Path, spec: Teacher, *, runtime: Runtime = AUTO, threads: int = 2
) -> list[StoredTeacher]:
    """The teachers of these names: "features" is the recipe's own, from its file in `folder`, all others
    encoders.

    Raises `BadInput` for no names, one given twice, and an encoder that takes no pictures.
    """
    if not names or len(set(names)) < len(names):
        raise BadInput("--teachers wants names, each once", hint=f"--teachers {FEATURES},pocket")
    return [
        FeatureTeacher(folder, spec, threads)
        if name == FEATURES
        else EncoderTeacher(load_encoder(name, runtime))
        for name in names
    ]
