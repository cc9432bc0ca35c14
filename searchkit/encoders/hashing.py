"""An encoder without weights, which hashes words and colours to vectors.

It knows no meaning. It is for tests of everything but the encoder, where it is a thousand times faster than a
network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL.Image import Image, Resampling

from searchkit.types import EncoderRecord, Runtime, Space, TokenVectors, Vectors

DIM = 64
WORD = re.compile(r"\w+")


class Hashing:
    """Encodes a text as the sum of its words' random directions, and a picture as the colours of its 4×4
    thumbnail, projected.

    Each dimension is a space of its own.
    """

    temperature = 0.05

    def __init__(self, dim: int = DIM) -> None:
        name = "hashing" if dim == DIM else f"hashing:{dim}"
        self.dim = dim
        self.record = EncoderRecord(
            name, dim, "Apache-2.0", "any", 128, 4, 0.0, "hashing", "computed; for tests"
        )
        self.space = Space(name, hashlib.sha256(b"hashing 1").hexdigest(), 1, dim)
        self._projection = np.random.default_rng(5).standard_normal((48, dim)).astype(np.float32)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for row, text in enumerate(texts):
            for word in WORD.findall(text.lower())[: self.record.text_window]:
                vectors[row] += _direction(word, self.dim)
            if not vectors[row].any():
                vectors[row] = _direction("", self.dim)
        return _unit(vectors)

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        tokens = []
        for text in texts:
            words = list(WORD.finditer(text))[: self.record.text_window]
            vectors = [_direction(word.group().lower(), self.dim) for word in words]
            spans = np.array([word.span() for word in words], np.int64).reshape(-1, 2)
            tokens.append(TokenVectors(np.array(vectors, np.float32).reshape(-1, self.dim), spans))
        return tokens

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        if not len(pixels):
            return np.zeros((0, self.dim), np.float32)
        flat = np.stack(pixels).reshape(len(pixels), -1).astype(np.float32)
        return _unit((flat / 127.5 - 1.0) @ self._projection + 1e-3)

    def prepare_image(self, image: Image) -> np.ndarray:
        return np.asarray(image.resize((4, 4), Resampling.BOX))

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return [match.span() for match in WORD.finditer(text)]


def bundled(name: str, runtime: Runtime) -> Hashing:
    """The encoder; numpy computes it, whatever the device and the dtype."""
    return Hashing()


@lru_cache(maxsize=50_000)
def _direction(word: str, dim: int) -> np.ndarray:
    seed = int.from_bytes(
        hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )
    return np.random.default_rng(seed).standard_normal(dim).astype(np.float32)


def _unit(vectors: np.ndarray) -> Vectors:
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
