"""Made-up items, and what a store of them must answer."""

from __future__ import annotations

import numpy as np

from searchkit.types import Candidate, Item, Kind, Space, Vectors

DIM = 16
SPACE = Space("test", "0" * 64, 1, DIM)


def unit(n: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    vectors: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def item(number: int, kind: Kind = Kind.IMAGE, **fields: object) -> Item:
    plain = Item(f"{number:08x}-0", kind, f"/photos/{number:05}.png", "/photos", f"{number:064x}", 0, 1.7e9)
    return plain._replace(**fields)  # type: ignore[arg-type]


def items(n: int, *, start: int = 0) -> list[Item]:
    """Every third is a passage."""
    return [item(i, Kind.PASSAGE if i % 3 == 0 else Kind.IMAGE) for i in range(start, start + n)]


class Truth:
    """Brute force: what a store must answer."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Item, np.ndarray]] = {}

    def write(self, written: list[Item], vectors: Vectors) -> None:
        self.rows |= {i.id: (i, v) for i, v in zip(written, vectors, strict=True)}

    def delete(self, ids: list[str]) -> None:
        for i in ids:
            self.rows.pop(i, None)

    def search(self, vector: np.ndarray, k: int, kind: Kind | None = None) -> list[tuple[str, float]]:
        scores = [(i, float(vector @ v)) for i, (one, v) in self.rows.items() if kind in (None, one.kind)]
        return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:k]


def same(found: list[Candidate], expected: list[tuple[str, float]]) -> bool:
    ids, scores = [c.item.id for c in found], [c.score for c in found]
    return ids == [i for i, _ in expected] and np.allclose(scores, [s for _, s in expected], atol=1e-5)
