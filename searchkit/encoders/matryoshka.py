"""Shorter vectors of encoders that were trained for them: the first components, normalised again.

    v' = v₁…d / ‖v₁…d‖

That works for the dimensions that a checkpoint names alone: other encoders do not order their components by
importance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from searchkit.encoders.image import ImageTower
from searchkit.encoders.text import TextTower
from searchkit.encoders.towers import TEMPERATURE, TwoTowers
from searchkit.errors import BadInput
from searchkit.types import EncoderRecord, Space, TokenVectors, Vectors


class Matryoshka(TwoTowers):
    """Two towers whose vectors may be cut to one of `dimensions`: see `truncated`."""

    def __init__(
        self,
        record: EncoderRecord,
        space: Space,
        text: TextTower,
        images: ImageTower | None,
        temperature: Callable[[], float] = lambda: TEMPERATURE,
        *,
        dimensions: Sequence[int],
    ) -> None:
        super().__init__(record, space, text, images, temperature)
        self.dimensions = tuple(sorted(dim for dim in dimensions if dim <= space.dim))


class _Truncated(TwoTowers):
    def __init__(self, whole: TwoTowers, dim: int) -> None:
        super().__init__(
            replace(whole.record, name=f"{whole.record.name}:{dim}", dim=dim),
            replace(whole.space, encoder=f"{whole.space.encoder}:{dim}", dim=dim),
            whole.text,  # the same towers: what one of the two encoders has read, the other has
            whole.images,
            lambda: whole.temperature,
        )

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return shortened(super().encode_text(texts), self.space.dim)

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        whole = super().token_vectors(texts)
        return [replace(tokens, vectors=tokens.vectors[:, : self.space.dim]) for tokens in whole]

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        return shortened(super().encode_images(pixels), self.space.dim)


def truncated(encoder: TwoTowers, dim: int) -> TwoTowers:
    """The encoder with vectors of `dim` components, in a space of its own; with all, the encoder itself.

    Raises `BadInput` for a dimension that the encoder was not trained for, with the list of those it was.
    """
    if dim == encoder.space.dim:
        return encoder
    dimensions = encoder.dimensions if isinstance(encoder, Matryoshka) else ()
    if dim not in dimensions:
        raise BadInput(
            f"{encoder.record.name} has no vectors of {dim} numbers",
            hint=f"one of: {', '.join(map(str, sorted({*dimensions, encoder.space.dim})))}",
        )
    return _Truncated(encoder, dim)


def shortened(vectors: Vectors, dim: int) -> Vectors:
    """The first components of (n, width) rows as (n, dim) float32, unit rows."""
    cut = vectors[:, :dim]
    # a row of zeros has no direction and stays as it is
    out: Vectors = cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), np.finfo(np.float32).tiny)
    return out
