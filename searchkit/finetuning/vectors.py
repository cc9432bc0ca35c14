"""The vectors of all sides of some pairs: taken from the collection where it has them, encoded otherwise."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from searchkit.errors import Unreadable
from searchkit.finetuning.pairs import BadRow, Pairs, Side
from searchkit.ingest.images import decode, enough
from searchkit.protocols import Encoder
from searchkit.types import Vectors

BATCH = 64
THREADS = 2


@dataclass(frozen=True, slots=True)
class SideVectors:
    """(n, dim) each, a row a side: as one that asks, and as one that is to be found. They differ for texts
    of encoders that want a prompt."""

    asked: Vectors
    found: Vectors


def encode_sides(
    pairs: Pairs,
    encoder: Encoder,
    stored: Callable[[str], np.ndarray | None] = lambda sha256: None,
    *,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> SideVectors:
    """Encode every side once. `stored` gives the vector of a picture that is known, by the sha256 of its
    file. Pairs with a picture that cannot be decoded, or of an encoder without pictures, go to
    `pairs.bad`."""
    total = len(pairs.sides)
    asked = np.zeros((total, encoder.space.dim), np.float32)
    texts = [i for i, side in enumerate(pairs.sides) if side.text is not None]
    pictures = [i for i, side in enumerate(pairs.sides) if side.text is None]
    bad: dict[int, str] = {}
    done = 0
    for some in _chunks(texts):
        asked[some] = encoder.encode_text([encoder.record.as_query(_text(pairs.sides[i])) for i in some])
        done += len(some)
        on_progress(done, total)
    found = asked
    if encoder.record.query_prompt != encoder.record.passage_prompt:
        found = asked.copy()
        for some in _chunks(texts):
            found[some] = encoder.encode_text(
                [encoder.record.as_passage(_text(pairs.sides[i])) for i in some]
            )
    for some in _chunks(pictures):
        known = {i: vector for i in some if (vector := stored(pairs.keys[i])) is not None}
        made = dict(_pictures(pairs, [i for i in some if i not in known], encoder, bad))
        for i, vector in (known | made).items():
            asked[i] = found[i] = vector
        done += len(some)
        on_progress(done, total)
    _leave_out(pairs, bad)
    return SideVectors(asked, found)


def encode_again(
    pairs: Pairs, encoder: Encoder, before: SideVectors, some: Collection[int], moved: Collection[str]
) -> SideVectors:
    """The same vectors, with those of some sides encoded anew where their tower, "text" or "images", has
    moved. A picture that cannot be read any more keeps its vector."""
    asked = before.asked.copy()
    found = asked if before.found is before.asked else before.found.copy()
    ordered = sorted(some)
    texts = [i for i in ordered if pairs.sides[i].text is not None and "text" in moved]
    pictures = [i for i in ordered if pairs.sides[i].text is None and "images" in moved]
    record = encoder.record
    for rows in _chunks(texts):
        asked[rows] = encoder.encode_text([record.as_query(_text(pairs.sides[i])) for i in rows])
        if found is not asked:
            found[rows] = encoder.encode_text([record.as_passage(_text(pairs.sides[i])) for i in rows])
    for rows in _chunks(pictures):
        for i, vector in _pictures(pairs, rows, encoder, {}):
            asked[i] = found[i] = vector
    return SideVectors(asked, found)


def _text(side: Side) -> str:
    return (side.text or "").encode("utf-8", "replace").decode()


def _chunks(rows: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(rows), BATCH):
        yield list(rows[first : first + BATCH])


def _pictures(
    pairs: Pairs, rows: Sequence[int], encoder: Encoder, bad: dict[int, str]
) -> Iterator[tuple[int, np.ndarray]]:
    """(row, vector) of the pictures that can be encoded; of the others the reason goes to `bad`."""
    if not encoder.record.pixels:
        bad.update(dict.fromkeys(rows, f"{encoder.record.name} takes no pictures"))
        return

    def prepared(row: int) -> np.ndarray | str:
        side = pairs.sides[row]
        try:
            data = side.path.read_bytes() if side.path is not None else side.data or b""
            name = str(side.path or "the picture")
            return encoder.prepare_image(
                decode(data, name=name, at_least=enough(encoder.record.pixels)).image
            )
        except (Unreadable, OSError) as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as threads:
        results = dict(zip(rows, threads.map(prepared, rows), strict=True))
    good = {row: pixels for row, pixels in results.items() if not isinstance(pixels, str)}
    bad.update({row: reason for row, reason in results.items() if isinstance(reason, str)})
    if good:
        yield from zip(good, encoder.encode_images(list(good.values())), strict=True)


def _leave_out(pairs: Pairs, bad: dict[int, str]) -> None:
    """Move the pairs with a bad side to the list of what was left out."""
    if not bad:
        return
    kept = [pair for pair in pairs.pairs if pair.query not in bad and pair.positive not in bad]
    lost = [pair for pair in pairs.pairs if pair.query in bad or pair.positive in bad]
    rows = {pair.row: bad.get(pair.query) or bad[pair.positive] for pair in lost}
    pairs.bad += [BadRow(row, reason) for row, reason in rows.items()]
    pairs.pairs = kept
