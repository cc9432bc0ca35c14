"""The filter of BLIP's CapFilt: captions that a matcher finds unfit for their pictures are left out.

Nothing is deleted: the result is a data set in memory, with the matcher's judgement of every caption.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from searchkit.errors import Unreadable
from searchkit.ingest.images import decode, enough
from searchkit.rerankers.blip import BATCH, BlipMatcher, Judged
from searchkit.training.data import Pictures

log = logging.getLogger(__name__)

UNFIT = 0.5
"""Probability below which a caption is left out, since the matcher finds rather that it does not fit."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """A caption that was left out."""

    row: int
    """Row of its picture."""
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Filtered:
    """A data set with the captions that fit, and how every caption was judged."""

    pictures: Pictures
    """All pictures, also those that have no caption left."""
    judged: Sequence[Judged | None]
    """The judgement of each picture's captions; None for one that cannot be decoded, which keeps them all."""
    dropped: Sequence[Dropped]
    """The captions that were left out, in order of their rows."""


def filtered(pictures: Pictures, matcher: BlipMatcher, *, below: float = UNFIT) -> Filtered:
    """The pictures without the captions of which the matcher says P(fits) < `below`.

    A matcher that has not learned enough says the same of all captions; a warning is logged where more than
    half are left out. Of things that it never saw it is much less sure than of others.
    """
    judged: list[Judged | None] = []
    for start in range(0, len(pictures), BATCH):
        judged += _judged(pictures, range(start, min(start + BATCH, len(pictures))), matcher)
    kept: list[tuple[str, ...]] = []
    dropped: list[Dropped] = []
    for row, (texts, judgement) in enumerate(zip(pictures.texts, judged, strict=True)):
        chances = np.ones(len(texts)) if judgement is None else judgement.probabilities
        kept.append(tuple(text for text, p in zip(texts, chances, strict=True) if p >= below))
        dropped += [Dropped(row, text, float(p)) for text, p in zip(texts, chances, strict=True) if p < below]
    log.info("%d of %d captions of %s are left out", len(dropped), _count(pictures.texts), pictures.name)
    if len(dropped) > _count(kept):
        log.warning("more than half of the captions of %s do not fit, says %s", pictures.name, matcher.name)
    return Filtered(replace(pictures, texts=kept), judged, dropped)


def _count(texts: Sequence[Sequence[str]]) -> int:
    return sum(map(len, texts))


def _judged(pictures: Pictures, rows: range, matcher: BlipMatcher) -> list[Judged | None]:
    shown: dict[int, np.ndarray] = {}
    for row in rows:
        try:
            data, name = pictures.images[row], f"picture {row} of {pictures.name}"
            shown[row] = matcher.preprocess(decode(data, name=name, at_least=enough(matcher.pixels)).image)
        except Unreadable as error:
            log.warning("its captions are not judged: %s", error)
    judgements = dict(
        zip(shown, matcher(list(shown.values()), [pictures.texts[row] for row in shown]), strict=True)
    )
    return [judgements.get(row) for row in rows]
