"""Pairs before anything learns from them: the vectors of their sides, and the three parts that they are split
into."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from searchkit.errors import Unreadable
from searchkit.finetuning.pairs import BadRow, Direction, Pair, Pairs, Side
from searchkit.ingest.images import decode, enough
from searchkit.protocols import Encoder
from searchkit.types import Vectors

BATCH = 64
THREADS = 2
SHARE = 0.15
"""Share of all pairs that the development part gets, and the held-out part too; at most MOST pairs each."""
MOST = 2000
NEAR = 0.98
"""Cosine from which two texts, or two pictures, count as nearly the same."""

OnProgress = Callable[[str, int, int], object]
"""Called with what is being done, how much of it is done, and the whole."""
Stored = Callable[[str], "np.ndarray | None"]
"""Gives the (dim,) vector of a picture that is indexed, by the sha256 of its file; None for any other."""


@dataclass(frozen=True, slots=True)
class SideVectors:
    """The vectors of every side, (n, dim) each: as a question, and as something to be found.

    They differ for the texts of encoders that want a prompt; else both are the same array.
    """

    asked: Vectors
    found: Vectors


@dataclass(frozen=True, slots=True)
class Parts:
    """Pairs to learn from, to choose by, and to be measured on.

    `removed` pairs were nearly the same as some of a part that is measured, and are used for nothing.
    """

    train: Sequence[Pair]
    dev: Sequence[Pair]
    held_out: Sequence[Pair]
    removed: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """The pairs of a file with the vectors of their sides, split into parts."""

    pairs: Pairs
    vectors: SideVectors
    parts: Parts

    def directions(self) -> list[Direction]:
        """The ways of searching that the pairs say something about, in the order of their names."""
        return sorted({self.pairs.direction(pair) for pair in self.pairs.pairs}, key=str)

    def of(self, direction: Direction, pairs: Iterable[Pair]) -> list[Pair]:
        """The pairs among these that belong to one way of searching."""
        return [pair for pair in pairs if self.pairs.direction(pair) == direction]

    def parts_of(self, direction: Direction) -> Parts:
        """The parts with the pairs of one way of searching alone."""
        train, dev, held_out = self.parts.train, self.parts.dev, self.parts.held_out
        return Parts(self.of(direction, train), self.of(direction, dev), self.of(direction, held_out), 0)


def prepare(
    pairs: Pairs,
    encoder: Encoder,
    stored: Stored | None = None,
    *,
    near: float = NEAR,
    seed: int = 0,
    on_progress: OnProgress = lambda what, done, total: None,
) -> Prepared:
    """Encode every side of the pairs once, and split them; see `encode_sides` and `split`."""
    vectors = encode_sides(
        pairs, encoder, stored, on_progress=lambda done, total: on_progress("encode", done, total)
    )
    on_progress("compare", 0, 0)
    return Prepared(pairs, vectors, split(pairs, vectors.found, near=near, seed=seed))


def encode_sides(
    pairs: Pairs,
    encoder: Encoder,
    stored: Stored | None = None,
    *,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> SideVectors:
    """Encode every side once, save the pictures that are `stored` already.

    Pairs with a picture that cannot be decoded, or of an encoder without pictures, go to `pairs.bad`.
    """
    asked = np.zeros((len(pairs.sides), encoder.space.dim), np.float32)
    prompted = encoder.record.query_prompt != encoder.record.passage_prompt
    vectors = SideVectors(asked, asked.copy() if prompted else asked)
    reasons = _encode(pairs, range(len(pairs.sides)), encoder, vectors, stored, on_progress=on_progress)
    _leave_out(pairs, reasons)
    return vectors


def encode_again(
    pairs: Pairs, encoder: Encoder, before: SideVectors, sides: Collection[int], moved: Collection[str]
) -> SideVectors:
    """A copy of the vectors, with some sides encoded anew where their tower, "text" or "images", has moved.

    A picture that cannot be read any more keeps its vector.
    """
    asked = before.asked.copy()
    vectors = SideVectors(asked, asked if before.found is before.asked else before.found.copy())
    rows = [i for i in sorted(sides) if ("images" if pairs.sides[i].text is None else "text") in moved]
    _encode(pairs, rows, encoder, vectors)
    return vectors


def _encode(
    pairs: Pairs,
    rows: Sequence[int],
    encoder: Encoder,
    vectors: SideVectors,
    stored: Stored | None = None,
    *,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[int, str]:
    """Put the vectors of some sides in their rows; return why a side could not be encoded, by its row."""
    record, asked, found = encoder.record, vectors.asked, vectors.found
    reasons: dict[int, str] = {}
    done = 0
    for chunk in _chunks([i for i in rows if pairs.sides[i].text is not None]):
        texts = [_text(pairs.sides[i]) for i in chunk]
        asked[chunk] = encoder.encode_text([record.as_query(text) for text in texts])
        if found is not asked:
            found[chunk] = encoder.encode_text([record.as_passage(text) for text in texts])
        done += len(chunk)
        on_progress(done, len(rows))
    for chunk in _chunks([i for i in rows if pairs.sides[i].text is None]):
        known = {i: stored(pairs.keys[i]) for i in chunk} if stored is not None else {}
        made = {i: vector for i, vector in known.items() if vector is not None}
        made |= _pictures(pairs, [i for i in chunk if i not in made], encoder, reasons)
        for i, vector in made.items():
            asked[i] = found[i] = vector
        done += len(chunk)
        on_progress(done, len(rows))
    return reasons


def _pictures(
    pairs: Pairs, rows: Sequence[int], encoder: Encoder, reasons: dict[int, str]
) -> dict[int, np.ndarray]:
    """The vectors of those pictures that can be encoded, by row; why the others cannot goes to `reasons`."""
    if not encoder.record.pixels:
        reasons.update(dict.fromkeys(rows, f"{encoder.record.name} takes no pictures"))
        return {}

    def prepared(row: int) -> np.ndarray | str:
        side = pairs.sides[row]
        try:
            name = str(side.path or "the picture")
            image = decode(side.picture(), name=name, at_least=enough(encoder.record.pixels)).image
            return encoder.prepare_image(image)
        except (Unreadable, OSError) as error:
            return str(error)

    with ThreadPoolExecutor(THREADS) as threads:
        results = dict(zip(rows, threads.map(prepared, rows), strict=True))
    good = {row: pixels for row, pixels in results.items() if not isinstance(pixels, str)}
    reasons.update({row: reason for row, reason in results.items() if isinstance(reason, str)})
    return dict(zip(good, encoder.encode_images(list(good.values())), strict=True)) if good else {}


def _text(side: Side) -> str:
    return (side.text or "").encode("utf-8", "replace").decode()


def _chunks(rows: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(rows), BATCH):
        yield list(rows[first : first + BATCH])


def _leave_out(pairs: Pairs, reasons: dict[int, str]) -> None:
    """Move the pairs with a side that could not be encoded to the rows that were left out."""
    if not reasons:
        return
    kept = [pair for pair in pairs.pairs if pair.query not in reasons and pair.positive not in reasons]
    lost = [pair for pair in pairs.pairs if pair.query in reasons or pair.positive in reasons]
    rows = {pair.row: reasons.get(pair.query) or reasons[pair.positive] for pair in lost}
    pairs.bad += [BadRow(row, reason) for row, reason in rows.items()]
    pairs.pairs = kept


def split(pairs: Pairs, vectors: Vectors, *, near: float = NEAR, seed: int = 0) -> Parts:
    """Split the pairs so that nothing in one part is nearly the same as something in another.

    Groups of pairs that share a text or a picture stay together; then development pairs near a held-out one
    are removed, and training pairs near either. `vectors` are (n, dim), one a side. Equal seeds split
    equally.
    """
    groups = _groups(pairs)
    order = np.random.default_rng(seed).permutation(len(groups))
    room = min(MOST, int(SHARE * len(pairs.pairs)))
    parts: tuple[list[Pair], list[Pair], list[Pair]] = ([], [], [])  # held out, dev, train
    for number in order:
        group = groups[number]
        place = next((p for p in (0, 1) if len(parts[p]) + len(group) <= room), 2)
        parts[place].extend(group)
    held_out, dev, train = parts
    texts = np.array([side.text is not None for side in pairs.sides])
    near_held_out = _near(_sides(held_out), texts, vectors, near)
    kept_dev = [pair for pair in dev if not _touches(pair, near_held_out)]
    near_either = near_held_out | _near(_sides(kept_dev), texts, vectors, near)
    kept = [pair for pair in train if not _touches(pair, near_either)]
    removed = len(dev) - len(kept_dev) + len(train) - len(kept)
    return Parts(kept, kept_dev, held_out, removed)


def _groups(pairs: Pairs) -> list[list[Pair]]:
    """Pairs joined by equal sides, directly or through others; negatives join nothing."""
    above = list(range(len(pairs.sides)))

    def top(side: int) -> int:
        while above[side] != side:
            above[side] = side = above[above[side]]
        return side

    for pair in pairs.pairs:
        above[top(pair.query)] = top(pair.positive)
    groups: dict[int, list[Pair]] = {}
    for pair in pairs.pairs:
        groups.setdefault(top(pair.query), []).append(pair)
    return list(groups.values())


def _sides(pairs: Iterable[Pair]) -> set[int]:
    return {side for pair in pairs for side in (pair.query, pair.positive)}


def _touches(pair: Pair, sides: set[int]) -> bool:
    return pair.query in sides or pair.positive in sides


def _near(sides: set[int], texts: np.ndarray, vectors: Vectors, near: float) -> set[int]:
    """All sides that are nearly the same as one of `sides`, text as text and picture as picture."""
    close: set[int] = set()
    for kind in (True, False):
        targets = np.array(sorted(side for side in sides if texts[side] == kind), np.int64)
        others = np.flatnonzero(texts == kind)
        for first in range(0, len(others), 2048):
            block = others[first : first + 2048]
            if len(targets):
                close.update(block[(vectors[block] @ vectors[targets].T).max(axis=1) >= near].tolist())
    return close
