"""Reranking by an image–text matcher, which reads the question together with each picture.

An encoder makes one vector of a picture before any question is known; a matcher reads the picture anew for
each question, through a whole image tower. So it is given the best hits of a search alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from searchkit.errors import BadInput, Unreadable
from searchkit.rerankers.blip import BlipMatcher
from searchkit.types import Item, Kind, SearchRequest

if TYPE_CHECKING:
    from PIL.Image import Image

log = logging.getLogger(__name__)

OpenPicture = Callable[[Item, int], "Image"]
"""Opens the picture of an item, given (item, side), as large as a network of side × side pixels needs.

Raises `Unreadable` for a picture that is gone or has changed since it was indexed."""


class Matcher:
    """A `Reranker` of pictures by the matcher of a BLIP: logit of "fits" + cosine.

    A passage scores NaN, and so does a picture that `open_picture` cannot read: these keep their places. A
    question is one text and nothing else; others raise `BadInput`.
    """

    def __init__(self, network: BlipMatcher, open_picture: OpenPicture) -> None:
        self.network, self._open = network, open_picture

    def __call__(self, request: SearchRequest, items: Sequence[Item]) -> np.ndarray:
        text = question(request)
        scores = np.full(len(items), np.nan)
        readable = {n: pixels for n, item in enumerate(items) if (pixels := self._pixels(item)) is not None}
        judged = self.network(list(readable.values()), [[text]] * len(readable))
        scores[list(readable)] = [float(row.scores[0]) for row in judged]
        return scores

    def _pixels(self, item: Item) -> np.ndarray | None:
        """The pixels of a picture, from the file that was indexed and no other; None where it is none."""
        if item.kind is not Kind.IMAGE:
            return None
        try:
            picture = self._open(item, self.network.pixels)
        except Unreadable as error:
            log.warning("not looked at again: %s", error)
            return None
        return self.network.preprocess(picture)


def question(request: SearchRequest) -> str:
    """The one text of a question. Raises `BadInput` for anything more than that, and for passages."""
    if request.kind is Kind.PASSAGE:
        raise BadInput("a matcher looks at pictures, not at passages", hint="leave out --kind or --rerank")
    text = request.positives[0].text if len(request.positives) == 1 else None
    if text is None or request.negatives or request.vector is not None:
        raise BadInput(
            "a matcher reads one text with each picture, and nothing else",
            hint="ask in words alone, without a picture, --plus or --not; or do not rerank",
        )
    return text
