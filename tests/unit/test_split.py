"""Nothing that is measured was learned from: by contents, and by likeness."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.encoders.hashing import Hashing
from searchkit.finetuning.pairs import Pair, Pairs, Side, read_pairs
from searchkit.finetuning.prepared import encode_sides, split


def made(pairs: list[tuple[int, int]], sides: int) -> Pairs:
    texts = [Side(text=f"side {n}") for n in range(sides)]
    return Pairs("made", texts, [f"{n}" for n in range(sides)], [Pair(q, p) for q, p in pairs])


def vectors(sides: int, seed: int = 0) -> np.ndarray:
    rows = np.random.default_rng(seed).standard_normal((sides, 32)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sides_of(pairs: object) -> set[int]:
    return {side for pair in pairs for side in (pair.query, pair.positive)}  # type: ignore[attr-defined]


@pytest.mark.parametrize("seed", range(3))
def test_pairs_that_share_a_side_stay_together_and_all_are_used(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = made([(n, 300 + int(rng.integers(0, 150))) for n in range(300)], 450)
    parts = split(found, vectors(450), seed=seed)
    apart = [sides_of(part) for part in (parts.train, parts.dev, parts.held_out)]
    assert all(not apart[a] & apart[b] for a, b in ((0, 1), (0, 2), (1, 2)))
    assert len(parts.train) + len(parts.dev) + len(parts.held_out) == 300 and parts.removed == 0
    assert 30 <= len(parts.held_out) <= 45 and 30 <= len(parts.dev) <= 45
    assert split(found, vectors(450), seed=seed) == parts
    assert split(found, vectors(450), seed=seed + 1) != parts


def test_what_is_nearly_the_same_as_something_measured_is_removed_and_counted() -> None:
    found = made([(n, 200 + n) for n in range(200)], 400)
    rows = vectors(400)
    rows[1:100:2] = rows[0:100:2] + 0.002  # half of the questions come in two nearly equal wordings
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    parts = split(found, rows)
    measured = sides_of(parts.held_out)
    assert parts.removed > 5
    assert len(parts.train) + len(parts.dev) + len(parts.held_out) + parts.removed == 200
    for others in (parts.train, parts.dev):
        assert (rows[sorted(sides_of(others))] @ rows[sorted(measured)].T).max() < 0.98
    assert split(found, rows, near=1.1).removed == 0


def test_a_side_is_encoded_once_and_a_broken_picture_is_named(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (200, 0, 0)).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    rows = [{"text": "red", "image": "red.png"}, {"text": "gone", "image": "broken.png"}]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pairs, encoder = read_pairs(tmp_path / "pairs.jsonl"), Hashing()
    found = encode_sides(pairs, encoder)
    assert [(bad.row, "broken.png" in bad.reason) for bad in pairs.bad] == [(2, True)]
    assert len(pairs.pairs) == 2
    np.testing.assert_array_equal(found.asked[0], encoder.encode_text(["red"])[0])

    known = np.ones(64, np.float32) / 8
    again = encode_sides(read_pairs(tmp_path / "pairs.jsonl"), encoder, {pairs.keys[1]: known}.get)
    np.testing.assert_array_equal(again.found[1], known)  # what the collection has is not encoded
