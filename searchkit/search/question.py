"""A request becomes one vector."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from searchkit.errors import BadInput
from searchkit.protocols import Encoder
from searchkit.search.compose import AVOID, compose
from searchkit.search.language import warning_for
from searchkit.types import Part, SearchRequest, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)


OpenPicture = Callable[[str, int], "Image"]
"""(path, the side that the tower reads) → an upright RGB picture, or `Unreadable`."""


StoredVector = Callable[[str], np.ndarray]
"""(an item's id) → its vector, or `BadInput`."""


def vector_of(
    request: SearchRequest, encoder: Encoder, open_picture: OpenPicture, stored: StoredVector
) -> np.ndarray:
    """(dim,) of unit length. Raises `BadInput`, and what `open_picture` does."""
    parts = [*request.positives, *request.negatives]
    if request.vector is not None:
        if parts:
            raise BadInput("a vector is a whole question", hint="search with the vector alone")
        return unit(request.vector, encoder.space.dim)
    if not request.positives:
        raise BadInput("the query is empty", hint="give a text, a picture, or a vector")
    vectors = [_encoded(part, encoder, open_picture, stored) for part in parts]
    if len(parts) == 1:
        return vectors[0]
    signs = [1.0] * len(request.positives) + [-AVOID] * len(request.negatives)
    return compose(np.stack(vectors), [sign * part.weight for sign, part in zip(signs, parts, strict=True)])


def _encoded(part: Part, encoder: Encoder, open_picture: OpenPicture, stored: StoredVector) -> np.ndarray:
    if not part.weight > 0:
        raise BadInput(f"a weight is {part.weight}", hint="above 0, also for what is to be avoided")
    if sum(one is not None for one in (part.text, part.image, part.item)) > 1:
        raise BadInput("a part is a text, a picture or an item, not both", hint="give two parts")
    if part.item is not None:
        return stored(part.item)
    if part.image is not None:
        picture = open_picture(part.image, encoder.record.pixels)
        return _row(encoder.encode_images([encoder.prepare_image(picture)]))
    if part.text is None or not part.text.strip():
        raise BadInput("the query is empty", hint="write what the picture or the passage is about")
    clean = part.text.encode("utf-8", "replace").decode()  # an argument may hold stray bytes
    warning = warning_for(encoder.record, clean)
    if warning is not None:
        _warn_once(warning)
    return _row(encoder.encode_text([encoder.record.as_query(clean)]))


def _row(vectors: Vectors) -> np.ndarray:
    first: np.ndarray = vectors[0]
    return first


@cache
def _warn_once(warning: str) -> None:
    logger.warning(warning)


def unit(given: Sequence[float], dim: int) -> np.ndarray:
    """(dim,) float32 of unit length. Raises `BadInput`."""
    vector = np.asarray(given, np.float32)
    length = math.sqrt(float(vector @ vector)) if vector.shape == (dim,) else 0.0
    if not 0 < length < math.inf:
        raise BadInput(f"the vector has shape {vector.shape}; needs ({dim},), finite, not zero")
    normalised: np.ndarray = vector / np.float32(length)
    return normalised
