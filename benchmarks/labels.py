"""How sure a label must be: photos that show what was asked for, and photos that show nothing of it.

    python benchmarks/labels.py --data FOLDER

FOLDER holds `photos.parquet` (image, label, source) and `flickr8k.parquet` (image, split). Some names of
Caltech-101 are drawn as labels, five times; theirs are the photos of them that `pocket` has not learned from,
strangers are the development photos of Flickr8k. By the least share from which a label is given: how many of
theirs get one, how many of these the right one, and how many strangers get one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from report import Arguments, publish

from searchkit.evaluation.labels import held_out
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.search.zeroshot import Classifier
from searchkit.types import Vectors

LEAST = (0.0, 0.05, 0.1, 0.2, 0.5)
NAMES = (5, 20, 100)
DRAWS = 5


def main() -> None:
    parser = Arguments(__doc__, result="labels.json", data="photos.parquet and flickr8k.parquet")
    options = parser.parsed("photos.parquet", "flickr8k.parquet")
    publish(measure(options.data), options.out)


def measure(data: Path) -> dict[str, Any]:
    encoder = load_encoder("pocket")
    photos = pq.read_table(data / "photos.parquet", filters=[("source", "=", "caltech-101")])
    rows = [row for row in photos.to_pylist() if row["label"] and held_out(row["image"], 10)]
    truth = np.array([row["label"] for row in rows])
    theirs = vectors(encoder, [row["image"] for row in rows])
    others = pq.read_table(data / "flickr8k.parquet", filters=[("split", "=", "dev")])
    strangers = vectors(encoder, others["image"].to_pylist())
    rng = np.random.default_rng(0)
    figures: dict[str, Any] = {"photos": len(rows), "strangers": len(strangers), "draws": DRAWS}
    for count in NAMES:
        runs = []
        for _ in range(DRAWS):
            names = sorted(rng.permutation(np.unique(truth))[:count].tolist())
            classifier = Classifier(encoder, names)
            named = np.isin(truth, names)
            best, confidence = classifier(theirs[named])
            right = np.array(names)[best] == truth[named]
            runs.append((right, confidence, classifier(strangers)[1]))
        right, confidence, strange = (np.concatenate(part) for part in zip(*runs, strict=True))
        figures[f"{count} labels"] = {
            f"from {least}": {
                "of theirs labelled": round(float((confidence >= least).mean()), 3),
                "of these right": round(float(right[confidence >= least].mean()), 3),
                "of strangers labelled": round(float((strange >= least).mean()), 3),
            }
            for least in LEAST
        }
    return figures


def vectors(encoder: Encoder, images: list[bytes]) -> Vectors:
    return encoder.encode_images([encoder.prepare_image(decode_bytes(one)) for one in images])


if __name__ == "__main__":
    main()
