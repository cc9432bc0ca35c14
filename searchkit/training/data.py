"""Training pictures with their texts, and views of them that can be repeated to the pixel."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from searchkit.errors import BadInput
from searchkit.evaluation.labels import held_out
from searchkit.ingest.images import decode_bytes
from searchkit.training.recipe import PictureFile

TEXTS = ("captions", "label", "none")
"""Values of `text` in a `[[data]]` table: the column with the texts of the pictures, or none."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """One data set in memory; `texts[i]` are the texts of picture i, empty where it has none."""

    name: str
    images: Sequence[bytes]
    texts: Sequence[tuple[str, ...]]
    views: int

    def __len__(self) -> int:
        return len(self.images)

    def view(self, row: int, view: int, pixels: int) -> np.ndarray:
        """View number `view` of picture `row`, the same at every call: (pixels, pixels, 3) uint8."""
        box_source = np.random.default_rng([zlib.crc32(self.name.encode()), row, view])
        image = decode_bytes(self.images[row])
        box = crop_box(box_source, image.width, image.height)
        return np.asarray(image.resize((pixels, pixels), Image.Resampling.BICUBIC, box=box))


def crop_box(rng: np.random.Generator, width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a random crop: 40 to 100 % of the area, sides 3:4 to 4:3 of the
    picture's."""
    area = rng.uniform(0.4, 1.0)
    ratio = np.exp(rng.uniform(np.log(3 / 4), np.log(4 / 3)))
    w = min(1.0, np.sqrt(area * ratio)) * width
    h = min(1.0, np.sqrt(area / ratio)) * height
    left, top = rng.uniform(0, width - w), rng.uniform(0, height - h)
    return left, top, left + w, top + h


def load_pictures(folder: Path, spec: PictureFile, templates: Sequence[str]) -> Pictures:
    """Read one file of a recipe. Raises `BadInput` naming the file and what it lacks."""
    path = folder / spec.file
    if not path.is_file():
        raise BadInput(f"training data {path} is missing", hint="put it into the folder of --data")
    names = pq.read_schema(path).names
    needed = ["image"] if spec.text == "none" else ["image", spec.text]
    if spec.text not in TEXTS or not set(needed) <= set(names):
        raise BadInput(
            f"{path} has columns {', '.join(names)}; needs {' and '.join(needed)}",
            hint=f"`text` of a data set is one of: {', '.join(TEXTS)}",
        )
    wanted: list[tuple[str, str, Any]] = [("split", "=", spec.split)] if spec.split else []
    wanted += [("source", "not in", list(spec.without))] if spec.without else []
    table = pq.read_table(path, filters=wanted or None)
    images = table.column("image").to_pylist()
    texts: list[tuple[str, ...]] = [()] * len(images)
    if spec.text == "captions":
        texts = [tuple(captions) for captions in table.column("captions").to_pylist()]
    elif spec.text == "label":
        texts = [_prompts(label, templates) for label in table.column("label").to_pylist()]
    if spec.hold_out:
        kept = [i for i, image in enumerate(images) if not held_out(image, spec.hold_out)]
        images, texts = [images[i] for i in kept], [texts[i] for i in kept]
    if spec.limit is not None and spec.limit < len(images):
        chosen = np.random.default_rng(0).permutation(len(images))[: spec.limit]
        images, texts = [images[i] for i in chosen], [texts[i] for i in chosen]
    return Pictures(Path(spec.file).stem, images, texts, spec.views)


def text_column(path: Path) -> str:
    """The column of a parquet that describes its pictures: "captions" or "label". Raises `BadInput` for
    neither."""
    if not path.is_file():
        raise BadInput(f"{path} is not there", hint="name a parquet of captioned or labelled images")
    names = pq.read_schema(path).names
    for wanted in ("captions", "label"):
        if wanted in names:
            return wanted
    raise BadInput(f"{path} has columns {', '.join(names)}; needs image, and captions or label")


def read_bank(path: Path) -> list[str]:
    """The sentences of a gzipped file, one a line."""
    if not path.is_file():
        raise BadInput(f"the bank of sentences {path} is missing", hint="put it into the folder of --data")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines if line.strip()]


def _prompts(label: str, templates: Sequence[str]) -> tuple[str, ...]:
    """The captions of a label. WordNet lists synonyms behind commas: the first two count, underscores as
    spaces."""
    names = [name.strip().replace("_", " ") for name in label.split(",") if name.strip()][:2]
    return tuple(template.format(label=name) for name in names for template in templates)
