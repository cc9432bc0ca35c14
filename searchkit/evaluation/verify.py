"""An encoder against the publisher's own export of the same weights, run by onnxruntime.

Both get the same ids and the same pixels, so this verifies the networks and their weights, and neither the
tokenizer nor the preparation of pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import torch
from PIL import Image

from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TwoTowers
from searchkit.errors import BadInput
from searchkit.evaluation.reference import Reference, Side
from searchkit.protocols import Encoder
from searchkit.types import JSON_SCHEMA

LIMIT = 0.9999
"""The cosine from which on vectors agree: two fp32 runs of one network differ by 1e-6, a wrong slope, norm or
gate by far more than this."""
SENTENCES = (
    "rain",
    "two brown horses",
    "A bicycle leans against a blue door.",
    "How long may a tenant keep the keys after moving out?",
    "Ein Leuchtturm steht auf der Klippe, und unten bricht sich das Meer.",
    "The committee met on 14 March 2019, adopted the report by 11 votes to 3, and set $2,450 aside.",
    "To change the filter, switch the pump off and wait until the needle is at zero; then unscrew the lid "
    "against the clock, lift the old filter out with both hands, wipe the seal, and put the new one in with "
    "its arrow pointing down.",
    "Nobody had opened the cabinet for years. Behind its glass stood jars of seeds, each with a label in a "
    "careful hand: poppy, rye, three kinds of bean, a melon that no longer grows anywhere else. When the "
    "school was sold, the new owner wanted the room for bicycles, and so the jars went to the museum, where "
    "a student counted them, wrote their names in a list, and planted one seed of every kind in the yard. "
    "Most stayed earth. The melon came up in June, and in September there were two of them, striped and "
    "small, which nobody dared to eat.",
)
"""Sentences of one word to a hundred: faults of positions or padding show in the long ones."""


@dataclass(frozen=True, slots=True)
class Row:
    """One input, and the cosine of its two vectors."""

    what: Side
    input: str
    """The beginning of the sentence, or what is on the picture."""
    cosine: float

    @property
    def ok(self) -> bool:
        """Whether the vectors agree."""
        return self.cosine > LIMIT


@dataclass(frozen=True, slots=True)
class Verification:
    """The rows that `verify` compared."""

    encoder: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Whether there are rows, and every cosine is above `LIMIT`."""
        return bool(self.rows) and all(row.ok for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        rows = [asdict(row) for row in self.rows]
        return {"schema": JSON_SCHEMA, "encoder": self.encoder, "ok": self.ok, "limit": LIMIT, "rows": rows}


def verify(encoder: Encoder, text_onnx: Path, vision_onnx: Path | None = None) -> Verification:
    """Compares the vectors of eight fixed sentences and, with `vision_onnx`, of four fixed pictures.

    Both paths may name one file with both networks. Raises `ModelMissing` where onnxruntime or a file is
    missing, `BadInput` for an encoder that does not run in float32 and for a file that is quantised, asks
    for something that is not known, or gives no vector of the encoder's dimension.
    """
    if not isinstance(encoder, TwoTowers):
        raise BadInput(f"{encoder.record.name} does not run on two networks that could be compared")
    if encoder.text.placement.dtype != torch.float32:
        raise BadInput(
            f"{encoder.record.name} runs in {encoder.text.placement.dtype}, the reference in float32",
            hint="give both the same numbers: --dtype float32",
        )
    rows = [*_texts(encoder, Reference(text_onnx, "text", encoder.record.dim))]
    if vision_onnx is not None:
        rows += _images(encoder, Reference(vision_onnx, "image", encoder.record.dim))
    return Verification(encoder.record.name, tuple(rows))


def _texts(encoder: TwoTowers, reference: Reference) -> Iterator[Row]:
    vectors = encoder.encode_text(SENTENCES)  # in one batch, with padding; the reference reads each alone
    blank = _blank_pixels(encoder)
    for sentence, vector in zip(SENTENCES, vectors, strict=True):
        expected = reference(_text_inputs(encoder.text.tokens, sentence) | blank)
        yield Row("text", shorten(sentence, 60, placeholder=" …"), _cosine(vector, expected))


def _images(encoder: TwoTowers, reference: Reference) -> Iterator[Row]:
    if encoder.images is None:
        raise BadInput(f"{encoder.record.name} has no image tower", hint="verify its text alone")
    prepared = {name: encoder.prepare_image(picture) for name, picture in pictures().items()}
    vectors = encoder.encode_images(list(prepared.values()))
    text = _text_inputs(encoder.text.tokens, SENTENCES[0])
    for (name, pixels), vector in zip(prepared.items(), vectors, strict=True):
        normal = encoder.images.preprocess.normalise(torch.from_numpy(pixels[None].copy())).numpy()
        yield Row("image", name, _cosine(vector, reference(text | {"pixel_values": normal})))


def _text_inputs(tokens: Tokens, sentence: str) -> dict[str, np.ndarray]:
    """The inputs of a text network by the names that exports use, each (1, n).

    The task is the first of a model's list: "retrieval.query" for Jina's, whose adapters searchkit merges.
    """
    ids, mask = tokens.padded(tokens.ids([sentence]))
    return {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": np.zeros_like(ids),
        "task_id": np.zeros((1,), np.int64),
    }


def _blank_pixels(encoder: TwoTowers) -> dict[str, np.ndarray]:
    """The input of a blank picture, which a file with both networks needs beside every text."""
    side = encoder.record.pixels
    return {"pixel_values": np.zeros((1, 3, side, side), np.float32)} if side else {}


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    a, b = first.astype(np.float64), second.astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def pictures() -> dict[str, Image.Image]:
    """Four pictures by what is on them: wide, upright, square, and a strip."""
    rows, columns = np.mgrid[0:240, 0:320]
    slope = np.stack([columns * 255 // 319, rows * 255 // 239, 255 - columns * 255 // 319], axis=-1)
    rows, columns = np.mgrid[0:300, 0:180]
    board = np.where((rows // 20 + columns // 20)[..., None] % 2, (240, 240, 230), (120, 30, 30))
    rows, columns = np.mgrid[0:256, 0:256]
    inside = (rows - 110) ** 2 + (columns - 140) ** 2 < 70**2
    disc = np.where(inside[..., None], (250, 200, 40), (30, 60, 140))
    patches = np.random.default_rng(14).integers(0, 256, (6, 24, 3)).repeat(25, 0).repeat(25, 1)
    drawn = {
        "a slope of colours, 320 × 240": slope,
        "a red and white board, 180 × 300": board,
        "a yellow disc on blue, 256 × 256": disc,
        "random patches, 600 × 150": patches,
    }
    return {name: Image.fromarray(pixels.astype(np.uint8)) for name, pixels in drawn.items()}
