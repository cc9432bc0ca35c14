"""What towers learn from: texts that go with texts, or with pictures; and batches, each of one data set."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from searchkit.errors import BadInput
from searchkit.finetuning.pairs import Pair, Pairs, Side, read_pairs
from searchkit.finetuning.plan import DataSet
from searchkit.finetuning.vectors import SideVectors
from searchkit.ingest.images import decode_bytes
from searchkit.types import Kind, Vectors


@dataclass(frozen=True)
class Couples:
    """One data set: text i goes with answer i, a text or a picture (a path, or bytes)."""

    name: str
    texts: Sequence[str]
    answers: Sequence[str] | Sequence[Path | bytes]
    negatives: Sequence[Sequence[str]] = ()
    """Of each text, what does not go with it; empty where there are none at all."""
    share: float = 1.0
    text_vectors: Vectors | None = None
    answer_vectors: Vectors | None = None
    """(n, dim) of each text, and of each answer, where they are known."""
    text_keys: np.ndarray = field(init=False)
    answer_keys: np.ndarray = field(init=False)
    """(n,) numbers, equal for equal texts or answers: these are no negatives of each other."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "text_keys", _numbered(self.texts))
        object.__setattr__(self, "answer_keys", _numbered(self.answers))

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def has_pictures(self) -> bool:
        return len(self.answers) > 0 and not isinstance(self.answers[0], str)

    @property
    def fingerprint(self) -> str:
        """sha256 of what it says."""
        digest = hashlib.sha256()
        for row, (text, answer) in enumerate(zip(self.texts, self.answers, strict=True)):
            digest.update(text.encode("utf-8", "replace") + b"\0")
            digest.update(answer.encode("utf-8", "replace") if isinstance(answer, str) else _data(answer))
            digest.update("\0".join(self.negatives[row] if self.negatives else ()).encode("utf-8", "replace"))
        return digest.hexdigest()

    def same(self, rows: np.ndarray) -> np.ndarray:
        """(b, b) bool: whose texts or answers are equal."""
        texts, answers = self.text_keys[rows], self.answer_keys[rows]
        found: np.ndarray = (texts[:, None] == texts) | (answers[:, None] == answers)
        return found


def pixels_of(answers: Sequence[Any], prepare: Any, threads: int = 2) -> np.ndarray:
    """(b, p, p, 3) uint8 of pictures as paths or bytes."""
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(lambda one: prepare(decode_bytes(_data(one))), answers)))


def couples_of(
    pairs: Pairs, some: Sequence[Pair], vectors: SideVectors | None = None, *, share: float = 1.0
) -> tuple[Couples, Couples]:
    """Of some pairs those of two texts, and those of a text and its picture; two pictures are neither."""

    def text(side: int) -> str:
        return pairs.sides[side].text or ""

    words = [p for p in some if _is_text(pairs.sides[p.query]) and _is_text(pairs.sides[p.positive])]
    shown = [
        p for p in some if pairs.direction(p).asked_with == "text" and pairs.direction(p).kind is Kind.IMAGE
    ]
    wrong = [[text(n) for n in pair.negatives] for pair in words]
    return (
        Couples(
            f"{pairs.name} text",
            [text(p.query) for p in words],
            [text(p.positive) for p in words],
            wrong if any(wrong) else (),
            share,
        ),
        Couples(
            f"{pairs.name} images",
            [text(p.query) for p in shown],
            [_picture(pairs.sides[p.positive]) for p in shown],
            (),
            share,
            None if vectors is None else vectors.asked[[p.query for p in shown]],
            None if vectors is None else vectors.found[[p.positive for p in shown]],
        ),
    )


def load_couples(folder: Path, spec: DataSet, *, pictures: bool) -> Couples:
    """One data set of a plan. Raises `BadInput` naming the file and what it lacks."""
    path = folder / spec.file
    if not path.is_file():
        raise BadInput(f"training data {path} is missing", hint="put it into the folder of --data")
    if pictures and path.suffix == ".parquet" and "captions" in pq.read_schema(path).names:
        table = pq.read_table(
            path, columns=["image", "captions"], filters=[("split", "=", spec.split)] if spec.split else None
        )
        both = zip(table["image"].to_pylist(), table["captions"].to_pylist(), strict=True)
        rows = [(caption, image) for image, captions in both for caption in captions]
        found = Couples(path.stem, [t for t, _ in rows], [i for _, i in rows], share=spec.share)
    else:
        pairs = read_pairs(path)
        found = couples_of(pairs, pairs.pairs, share=spec.share)[1 if pictures else 0]
    if not len(found):
        kind = "of texts with pictures" if pictures else "of texts with texts"
        raise BadInput(f"{path} has no pairs {kind}", hint="columns: text and image, or text and text2")
    if spec.limit is not None and spec.limit < len(found):
        chosen = np.random.default_rng(0).permutation(len(found))[: spec.limit]
        found = Couples(
            found.name,
            [found.texts[i] for i in chosen],
            [found.answers[i] for i in chosen],
            [found.negatives[i] for i in chosen] if found.negatives else (),
            found.share,
        )
    return found


class Sampler:
    """Batches of row numbers: a data set by its share, of which no row comes again before all have come.

    Equal seeds and positions give equal batches; `positions` is all that a resumed run needs.
    """

    def __init__(self, sets: Sequence[Couples], batch: int, seed: int) -> None:
        self.sets, self.batch, self.seed = sets, batch, seed
        self.positions = [0] * len(sets)
        """Rows of each data set that have been drawn."""
        self._orders: dict[tuple[int, int], np.ndarray] = {}

    def draw(self, step: int) -> tuple[Couples, np.ndarray] | None:
        """The data set and rows of a step; None where there are no data sets, or an empty one was drawn."""
        if not self.sets:
            return None
        shares = np.array([one.share for one in self.sets])
        at = int(np.random.default_rng([self.seed, step]).choice(len(self.sets), p=shares / shares.sum()))
        total, first = len(self.sets[at]), self.positions[at]
        if not total:
            return None
        rows = [self._order(at, n // total)[n % total] for n in range(first, first + min(self.batch, total))]
        self.positions[at] = first + len(rows)
        return self.sets[at], np.array(rows, np.int64)

    def _order(self, at: int, round_: int) -> np.ndarray:
        """The order of the rows of a data set, the first time through, the second…"""
        if (at, round_) not in self._orders:
            rng = np.random.default_rng([self.seed, at, round_, 1])
            self._orders = {
                key: order for key, order in self._orders.items() if key[0] != at or key[1] >= round_ - 1
            }
            self._orders[at, round_] = rng.permutation(len(self.sets[at]))
        return self._orders[at, round_]


def _numbered(values: Sequence[Any]) -> np.ndarray:
    known: dict[Any, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _is_text(side: Side) -> bool:
    return side.text is not None


def _picture(side: Side) -> Path | bytes:
    return side.path if side.path is not None else side.data or b""


def _data(picture: Any) -> bytes:
    data: bytes = picture.read_bytes() if isinstance(picture, Path) else picture
    return data
