"""What towers learn from: texts that belong with texts, or with pictures, column by column."""

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
from searchkit.finetuning.pairs import Direction, Pair, Pairs, read_pairs
from searchkit.finetuning.plan import PairFile
from searchkit.finetuning.prepared import SideVectors
from searchkit.ingest.images import decode_bytes
from searchkit.types import Kind, Vectors

TEXT_TEXT, TEXT_IMAGE = Direction("text", Kind.PASSAGE), Direction("text", Kind.IMAGE)


@dataclass(frozen=True)
class TrainingSet:
    """One training set: text i belongs with answer i, a text or a picture (a path, or bytes)."""

    name: str
    texts: Sequence[str]
    answers: Sequence[str] | Sequence[Path | bytes]
    negatives: Sequence[Sequence[str]] = ()
    """Texts that do not belong with each text: n lists, or none where no text has any."""
    share: float = 1.0
    text_vectors: Vectors | None = None
    answer_vectors: Vectors | None = None
    """(n, dim), one for each answer, as `text_vectors` one for each text; None where they are not known."""
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
        """sha256 of texts, answers and negatives, in hexadecimal."""
        digest = hashlib.sha256()
        for row, (text, answer) in enumerate(zip(self.texts, self.answers, strict=True)):
            digest.update(text.encode("utf-8", "replace") + b"\0")
            digest.update(answer.encode("utf-8", "replace") if isinstance(answer, str) else _data(answer))
            digest.update("\0".join(self.negatives[row] if self.negatives else ()).encode("utf-8", "replace"))
        return digest.hexdigest()

    def same(self, rows: np.ndarray) -> np.ndarray:
        """Whether two of some rows, (b,), have equal texts or answers: (b, b) bool."""
        texts, answers = self.text_keys[rows], self.answer_keys[rows]
        equal: np.ndarray = (texts[:, None] == texts) | (answers[:, None] == answers)
        return equal


def training_sets(
    pairs: Pairs, chosen: Sequence[Pair], vectors: SideVectors | None = None, *, share: float = 1.0
) -> tuple[TrainingSet, TrainingSet]:
    """The chosen pairs of two texts, and those of a text and its picture; pairs of two pictures are in
    neither."""
    words = [pair for pair in chosen if pairs.direction(pair) == TEXT_TEXT]
    shown = [pair for pair in chosen if pairs.direction(pair) == TEXT_IMAGE]

    def text(side: int) -> str:
        return pairs.sides[side].text or ""

    def picture(side: int) -> Path | bytes:
        return pairs.sides[side].path or pairs.sides[side].data or b""

    wrong = [[text(side) for side in pair.negatives] for pair in words]
    texts = TrainingSet(
        f"{pairs.name} text",
        [text(pair.query) for pair in words],
        [text(pair.positive) for pair in words],
        wrong if any(wrong) else (),
        share,
    )
    pictures = TrainingSet(
        f"{pairs.name} images",
        [text(pair.query) for pair in shown],
        [picture(pair.positive) for pair in shown],
        (),
        share,
        None if vectors is None else vectors.asked[[pair.query for pair in shown]],
        None if vectors is None else vectors.found[[pair.positive for pair in shown]],
    )
    return texts, pictures


def load_training_set(folder: Path, spec: PairFile, *, pictures: bool) -> TrainingSet:
    """One file of a plan. Raises `BadInput` naming the file and what it lacks."""
    path = folder / spec.file
    if not path.is_file():
        raise BadInput(f"training data {path} is missing", hint="put it into the folder of --data")
    if pictures and path.suffix == ".parquet" and "captions" in pq.read_schema(path).names:
        data = _captioned(path, spec)
    else:
        pairs = read_pairs(path)
        data = training_sets(pairs, pairs.pairs, share=spec.share)[1 if pictures else 0]
    if not len(data):
        kind = "of texts with pictures" if pictures else "of texts with texts"
        raise BadInput(f"{path} has no pairs {kind}", hint="columns: text and image, or text and text2")
    if spec.limit is None or spec.limit >= len(data):
        return data
    rows = np.random.default_rng(0).permutation(len(data))[: spec.limit]
    return TrainingSet(
        data.name,
        [data.texts[i] for i in rows],
        [data.answers[i] for i in rows],
        [data.negatives[i] for i in rows] if data.negatives else (),
        data.share,
    )


def _captioned(path: Path, spec: PairFile) -> TrainingSet:
    """Every caption of a parquet with columns `image` and `captions`, with its picture."""
    filters = [("split", "=", spec.split)] if spec.split else None
    table = pq.read_table(path, columns=["image", "captions"], filters=filters)
    both = zip(table["image"].to_pylist(), table["captions"].to_pylist(), strict=True)
    rows = [(caption, image) for image, captions in both for caption in captions]
    return TrainingSet(
        path.stem, [caption for caption, _ in rows], [image for _, image in rows], share=spec.share
    )


def pixels_of(answers: Sequence[Any], prepare: Any, threads: int = 2) -> np.ndarray:
    """Pictures, as paths or bytes, decoded and prepared: (b, p, p, 3) uint8."""
    with ThreadPoolExecutor(threads) as pool:
        return np.stack(list(pool.map(lambda picture: prepare(decode_bytes(_data(picture))), answers)))


def _numbered(values: Sequence[Any]) -> np.ndarray:
    known: dict[Any, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def _data(picture: Any) -> bytes:
    data: bytes = picture.read_bytes() if isinstance(picture, Path) else picture
    return data
