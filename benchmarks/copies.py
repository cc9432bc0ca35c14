"""Which copies of a photo `--collapse near` takes for the photo, and how many photos have a stranger so near.

    python benchmarks/copies.py --data FOLDER [--model pocket] [--out benchmarks/results/copies.json]

FOLDER holds flickr8k.parquet (image, split). Each of a few hundred photos of the development split is saved
anew, made smaller or brighter, cropped, turned or mirrored, and encoded beside all photos of that split.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageEnhance, ImageOps
from report import Arguments, publish

from searchkit.catalog.catalog import Reference
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.search.confidence import UNRELATED
from searchkit.search.fold import near_level
from searchkit.types import Kind, Vectors

ROOT = Path(__file__).resolve().parents[1]


def saved(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=40)
    return Image.open(file).convert("RGB")


def cropped(part: float) -> Callable[[Image.Image], Image.Image]:
    """Cut this share of the width and of the height away, at the right and below."""
    return lambda image: image.crop((0, 0, round((1 - part) * image.width), round((1 - part) * image.height)))


COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "saved as JPEG of quality 40": saved,
    "of half the width": lambda image: image.resize((image.width // 2, image.height // 2)),
    "a fifth brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "3 % cropped": cropped(0.03),
    "6 % cropped": cropped(0.06),
    "turned by 3 degrees": lambda image: image.rotate(3, fillcolor=(128, 128, 128)),
    "mirrored": ImageOps.mirror,
}


def measure(data: Path, model: str, count: int) -> dict[str, Any]:
    rows = pq.read_table(data, columns=["image"], filters=[("split", "=", "dev")]).column("image").to_pylist()
    photos = [Image.open(io.BytesIO(row)).convert("RGB") for row in rows]
    encoder = load_encoder(model)
    known = encoded(encoder, photos)
    alike = known @ known.T
    np.fill_diagonal(alike, -1.0)
    pairs = alike[np.triu_indices(len(known), 1)]
    level = near_level(Reference(float(np.quantile(pairs, UNRELATED)), 0.1, len(pairs)), Kind.IMAGE)
    taken = {}
    for name, copy in COPIES.items():
        cosines = (known[:count] * encoded(encoder, [copy(photo) for photo in photos[:count]])).sum(1)
        taken[name] = round(float((cosines >= level).mean()), 3)
    return {
        "photos": len(photos),
        "copied": count,
        "unrelated pairs reach": round(float(np.quantile(pairs, UNRELATED)), 3),
        "near from": round(level, 3),
        "taken for the photo": taken,
        "photos with a stranger as near": round(float((alike.max(1) >= level).mean()), 4),
    }


def encoded(encoder: Encoder, images: Sequence[Image.Image]) -> Vectors:
    parts = [images[first : first + 64] for first in range(0, len(images), 64)]
    return np.concatenate(
        [encoder.encode_images([encoder.prepare_image(one) for one in part]) for part in parts]
    )


def main() -> None:
    parser = Arguments(__doc__, result="copies.json", data="flickr8k.parquet")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--photos", type=int, default=300, help="That are copied.")
    options = parser.parsed("flickr8k.parquet")
    file = options.data / "flickr8k.parquet"
    publish({"model": options.model, **measure(file, options.model, options.photos)}, options.out)


if __name__ == "__main__":
    main()
