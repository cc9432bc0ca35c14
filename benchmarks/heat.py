"""Whether the heat map of a picture points at what the words say.

    python benchmarks/heat.py --data FOLDER [--tries 50] [--model pocket] [--out benchmarks/results/heat.json]

FOLDER holds flickr8k.parquet (image, captions, split). A photo of the development split is put beside
another picture of the same size, left or right by lot, and its first caption is looked for in both: the map
is right where the photo's half is warmer on the whole. Beside noise and grey there is nothing to be found;
beside another photo there is something.
"""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image
from report import Arguments, publish

from searchkit.collection import Collection
from searchkit.types import Kind
from searchkit.views.relevance import CELLS, heat

ROOT = Path(__file__).resolve().parents[1]
SIDE = 192
SEED = 1

Beside = Callable[[np.random.Generator], Image.Image]


def photos(file: Path, tries: int) -> list[tuple[Image.Image, str]]:
    table = pq.read_table(file, columns=["split", "captions", "image"]).to_pylist()
    rows = [row for row in table if row["split"] == "dev"]
    chosen = np.random.default_rng(SEED).permutation(len(rows))[: 2 * tries]
    return [(_square(Image.open(io.BytesIO(rows[n]["image"]))), rows[n]["captions"][0]) for n in chosen]


def _square(image: Image.Image) -> Image.Image:
    return image.convert("RGB").resize((SIDE, SIDE))


def noise(rng: np.random.Generator) -> Image.Image:
    return Image.fromarray(rng.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8))


def blotches(rng: np.random.Generator) -> Image.Image:
    return _square(Image.fromarray(rng.integers(0, 255, (24, 24, 3), dtype=np.uint8)))


def grey(rng: np.random.Generator) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), (128, 128, 128))


def made(known: list[tuple[Image.Image, str]], folder: Path) -> Iterator[tuple[str, str, bool, Path]]:
    """Yield (what is beside the photo, caption, whether the photo is on the left, file) of every try."""
    rng = np.random.default_rng(SEED)
    half = len(known) // 2
    others: dict[str, Beside | None] = {"noise": noise, "blotches": blotches, "grey": grey, "photo": None}
    for name, other in others.items():
        for n, (photo, caption) in enumerate(known[:half]):
            second = known[half + n][0] if other is None else other(rng)
            left = bool(rng.integers(2))
            both = Image.new("RGB", (2 * SIDE, SIDE))
            both.paste(photo, (0 if left else SIDE, 0))
            both.paste(second, (SIDE if left else 0, 0))
            file = folder / f"{name}-{n}.png"
            both.save(file)
            yield name, caption, left, file


def measure(data: Path, tries: int, model: str) -> dict[str, Any]:
    right: dict[str, list[bool]] = {}
    took = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "pictures"
        folder.mkdir()
        drawn = list(made(photos(data / "flickr8k.parquet", tries), folder))
        with Collection.open(Path(scratch) / "library", model=model) as library:
            library.add(folder)
            ids = {one.path: one.id for ids, _ in library.store.scan() for one in library.store.get(ids)}
            for name, caption, left, file in drawn:
                item = library.store.get([ids[str(file)]])[0]
                assert item.kind is Kind.IMAGE
                began = time.process_time()
                grid = heat(library, item, caption)
                took.append(time.process_time() - began)
                warmer = grid[:, : CELLS // 2].mean() > grid[:, CELLS // 2 :].mean()
                right.setdefault(name, []).append(bool(warmer) == left)
    shares = {
        f"right beside {name}": round(float(np.mean(tries_right)), 3) for name, tries_right in right.items()
    }
    return {"tries": tries, **shares, "CPU milliseconds, median": round(1000 * float(np.median(took)))}


def main() -> None:
    parser = Arguments(__doc__, result="heat.json", data="flickr8k.parquet")
    parser.add_argument("--tries", type=int, default=50)
    parser.add_argument("--model", default="pocket")
    options = parser.parsed("flickr8k.parquet")
    publish({"model": options.model, **measure(options.data, options.tries, options.model)}, options.out)


if __name__ == "__main__":
    main()
