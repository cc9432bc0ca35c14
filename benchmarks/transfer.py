"""What the encoders that come along find in test photos, in photos held out, and in pictures of kinds that
they did not learn from; and how pictures that are not square are best made so.

    python benchmarks/transfer.py --data FOLDER [--models pocket pocket-large] [--out FILE]

FOLDER is that of the recipes: Flickr8k's test photos with their captions, and labels of the photos that
recipes hold out. Photos of the source pacs-photo are in no data of `pocket-large` (`pocket` saw
nine tenths of them): their labels, by prompts. Products are in no data of `pocket-large` (`pocket` saw
pictures of others, without a word): names of the test split, and which picture is found by them. Photos of
Caltech-101 that recipes hold out and that are a fifth longer than wide, or wider than long: the same labels,
of the picture squashed to a square, of its middle, of the whole with grey margins, and of the mean of the
first two's vectors.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageOps
from report import publish

from searchkit.evaluation import evaluate_captions, load_captions
from searchkit.evaluation.labels import evaluate_labels, held_out_labels, load_labels
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.search.zeroshot import TEMPLATES, label_vectors
from searchkit.types import Vectors

OBLONG = 1.2
"""Longer side by shorter side of pictures by which fits are compared."""
ROUNDS = 7
WAYS = ("text_to_image", "image_to_text")
SOURCES = ("caltech-101", "tf-flowers")
GREY = (124, 116, 104)
CUTS = (1, 10, 50)


def middle(image: Image.Image) -> Image.Image:
    return ImageOps.fit(image, (min(image.size),) * 2)


def letterboxed(image: Image.Image) -> Image.Image:
    return ImageOps.pad(image, (max(image.size),) * 2, color=GREY)


FITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "squashed": lambda image: image,
    "its middle": middle,
    "whole, with margins": letterboxed,
}


def encoded(encoder: Encoder, images: Sequence[Image.Image]) -> Vectors:
    parts = [
        encoder.encode_images([encoder.prepare_image(one) for one in images[first : first + 64]])
        for first in range(0, len(images), 64)
    ]
    return np.concatenate(parts)


def speed(encoder: Encoder, data: Path) -> dict[str, Any]:
    """Of the tower alone, on one thread: other work on the machine only ever adds."""
    side = encoder.record.pixels
    shown = list(np.random.default_rng(0).integers(0, 256, (16, side, side, 3), dtype=np.uint8))
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        encoder.encode_images(shown)
        took.append(time.process_time() - began)
    return {"cpu ms a picture": round(1e3 * min(took) / len(shown), 1), "megabytes": encoder.record.megabytes}


def captions(encoder: Encoder, data: Path) -> dict[str, Any]:
    found = evaluate_captions(encoder, load_captions(data / "flickr8k.parquet", "test")).metrics
    return {way: {name: round(value, 4) for name, value in found[way].items()} for way in WAYS}


def held_out(encoder: Encoder, data: Path) -> dict[str, Any]:
    found = {}
    for source in SOURCES:
        task = held_out_labels(load_labels(data / "photos.parquet", source=source), 10)
        found[source] = evaluate_labels(encoder, task).metrics
    return found


def strangers(encoder: Encoder, data: Path) -> dict[str, Any]:
    found = evaluate_labels(encoder, load_labels(data / "photos.parquet", source="pacs-photo"))
    return {"photos": found.queries, "top-1, ensemble": round(found.metrics["ensemble"]["top1"], 3)}


def products(encoder: Encoder, data: Path) -> dict[str, Any]:
    table = pq.read_table(data / "fashion.parquet", filters=[("split", "=", "test")])
    names = table.column("title").to_pylist()
    images = encoded(encoder, [decode_bytes(one) for one in table.column("image").to_pylist()])
    scores = encoder.encode_text(names) @ images.T
    rank = (scores > scores.diagonal()[:, None]).sum(axis=1)
    return {"names": len(names), **{f"recall@{cut}": round(float((rank < cut).mean()), 4) for cut in CUTS}}


def fits(encoder: Encoder, data: Path) -> dict[str, Any]:
    task = held_out_labels(load_labels(data / "photos.parquet", source="caltech-101"), 10)
    (group,) = task.sources.values()
    photos = [decode_bytes(one) for one in group.images]
    rows = [i for i, one in enumerate(photos) if max(one.size) >= OBLONG * min(one.size)]
    vectors = {name: encoded(encoder, [fit(photos[i]) for i in rows]) for name, fit in FITS.items()}
    vectors["mean of the first two"] = vectors["squashed"] + vectors["its middle"]
    labels = label_vectors(encoder, group.classes, TEMPLATES)
    wanted = np.array([group.classes.index(group.labels[i]) for i in rows])
    right = {
        name: round(float(((some @ labels.T).argmax(1) == wanted).mean()), 3)
        for name, some in vectors.items()
    }
    return {"photos": len(rows), "right": right}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="*", default=["pocket", "pocket-large"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/transfer.json"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    parts = {
        "speed": speed,
        "flickr8k": captions,
        "held out": held_out,
        "strangers": strangers,
        "products": products,
        "fits": fits,
    }
    found = {}
    for model in options.models:
        encoder = load_encoder(model)
        found[model] = {name: part(encoder, options.data) for name, part in parts.items()}
        print(model, found[model], flush=True)
    publish(found, options.out)


if __name__ == "__main__":
    main()
