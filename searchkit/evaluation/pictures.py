"""Pictures in a parquet: their bytes, and their vectors."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from searchkit.errors import BadInput, Unreadable
from searchkit.evaluation.passages import OnProgress
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.types import Vectors


def image_bytes(cell: Any) -> bytes | None:
    """The picture file in a cell: bytes, or a struct that holds them, as the library datasets writes."""
    data = cell.get("bytes") if isinstance(cell, dict) else cell
    return data if isinstance(data, bytes) and data else None


def encode_pictures(
    encoder: Encoder,
    images: Sequence[bytes],
    *,
    task: str,
    batch_size: int,
    on_progress: OnProgress | None = None,
) -> Vectors:
    """The vectors of n picture files, `batch_size` decoded and encoded at a time: (n, dim) float32.

    Raises `BadInput` naming the picture of `task` that cannot be decoded.
    """

    def pixels(number: int) -> np.ndarray:
        try:
            return encoder.prepare_image(decode_bytes(images[number]))
        except Unreadable as error:
            hint = "mend the picture in the file, or drop its row"
            raise BadInput(f"picture {number + 1} of {task}: {error}", hint=hint) from error

    vectors = np.empty((len(images), encoder.space.dim), np.float32)
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(images), batch_size):
            batch = range(start, min(start + batch_size, len(images)))
            vectors[start : batch.stop] = encoder.encode_images(list(threads.map(pixels, batch)))
            if on_progress is not None:
                on_progress(batch.stop, len(images))
    return vectors
