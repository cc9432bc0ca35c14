"""Two encoders, or an encoder and an adapter of it, measured on the same pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from searchkit.evaluation.compare import Difference, Scores, compare
from searchkit.finetuning.gate import retrieval
from searchkit.finetuning.pairs import read_pairs
from searchkit.finetuning.prepared import SideVectors, encode_sides
from searchkit.protocols import Encoder
from searchkit.registry import AUTO, load_encoder
from searchkit.search.adapter import CARD, Adapter, load_adapter, read_card
from searchkit.types import Runtime


def load_side(name: str, runtime: Runtime = AUTO) -> tuple[Encoder, Adapter | None]:
    """An encoder by name; or the folder of an adapter, with the encoder whose questions it moves.

    Raises as `load_encoder` and `load_adapter` do.
    """
    folder = Path(name)
    if not (folder / CARD).is_file():
        return load_encoder(name, runtime), None
    encoder = load_encoder(str(read_card(folder).get("encoder", "")), runtime)
    return encoder, load_adapter(folder, encoder.space.key)


def compare_on_pairs(
    path: Path,
    first: str,
    second: str,
    runtime: Runtime = AUTO,
    *,
    on_progress: Callable[[int, int], object] = lambda done, total: None,
) -> dict[str, dict[str, Difference]]:
    """The metrics of both on the pairs of a file: way of searching → metric → difference.

    All questions are put to all answers of their kind. Raises as `read_pairs` does.
    """
    pairs = read_pairs(path)
    known: dict[str, SideVectors] = {}
    scores: list[dict[str, Scores]] = []
    for name in (first, second):
        encoder, adapter = load_side(name, runtime)
        vectors = known.get(encoder.space.key) or encode_sides(pairs, encoder, on_progress=on_progress)
        known[encoder.space.key] = vectors
        scores.append({})  # way of searching -> question -> metrics
        for direction in sorted({pairs.direction(pair) for pair in pairs.pairs}, key=str):
            own = [pair for pair in pairs.pairs if pairs.direction(pair) == direction]
            task = retrieval(own, [], vectors, np.zeros((0, encoder.space.dim), np.float32))
            asked = task.queries
            moved = asked if adapter is None else adapter(asked, direction.asked_with, direction.kind)
            scores[-1][str(direction)] = task.scores(moved)
    before, after = scores
    return {way: compare(before[way], after[way]) for way in before if way in after}
