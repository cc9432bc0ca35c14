"""What it costs to read a reinforced data set, beside decoding its pictures and asking the teacher again.

    python benchmarks/reinforcing.py --data FOLDER [--pictures N]

CPU milliseconds a view, on one thread, of some captioned photos; and what the store takes on disk.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from report import Arguments, as_text, machine, write

from searchkit.ingest.images import decode_bytes
from searchkit.training.data import load_pictures
from searchkit.training.recipe import FEATURES, PictureFile, load_recipe
from searchkit.training.reinforce import augmentation_of, content_of, reinforce
from searchkit.training.rendered import RenderedViews
from searchkit.training.store import ReinforcedPictures, Store
from searchkit.training.stored_teachers import stored_teachers


def main() -> None:
    parser = Arguments(__doc__, result="reinforcing.json", data="the recipe's data")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--augmentations", type=int, default=10)
    options = parser.parsed()
    with tempfile.TemporaryDirectory() as folder:
        results = measure(options, Path(folder))
    print(as_text(results))
    write(results, options.out)


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    recipe = load_recipe("pocket-reinforced")
    spec = PictureFile("flickr8k.parquet", "captions", 1.0, split="train", limit=options.pictures)
    pictures = load_pictures(options.data, spec, ())
    teachers = stored_teachers([FEATURES, "pocket"], options.data, recipe.teacher, threads=1)
    store = reinforce(pictures, teachers, folder / "store", augmentations=options.augmentations, threads=1)
    read = ReinforcedPictures(pictures, Store(store))
    rows = [(row, view) for row in range(len(read)) for view in range(read.views)]
    pixels = recipe.tower.pixels
    images = [decode_bytes(image) for image in read.images]
    drawn = [augmentation_of(content_of(read.images[row]), view, 0) for row, view in rows]
    large = [
        one.picture(images[row], recipe.teacher.pixels)
        for one, (row, _) in zip(drawn[:200], rows[:200], strict=True)
    ]
    shown = RenderedViews(read, pixels, folder, processes=1)
    seen = [read.seen(place) for place in range(2)]
    size = sum(file.stat().st_size for file in store.iterdir())
    return {
        "machine": machine(load=True),
        "pictures": len(read),
        "augmentations": read.views,
        "cpu ms a view": {
            "decode": _each(lambda at: decode_bytes(read.images[rows[at][0]]), len(rows)),
            "replay, decoded": _each(lambda at: drawn[at](images[rows[at][0]], pixels), len(rows)),
            "teacher 'features'": _each(lambda at: teachers[0].images([large[at]]), len(large)),
            "read both teachers' vectors": _each(lambda at: [one[rows[at]] for one in seen], len(rows)),
            "read rendered pixels": _each(lambda at: np.array(shown(*rows[at])), len(rows)),
        },
        "kB a picture": round(size / len(read) / 1e3, 1),
    }


def _each(act: Callable[[int], object], count: int) -> float:
    """Return CPU milliseconds in the least of three rounds, since other work on the machine only ever
    adds."""
    rounds = []
    for _ in range(3):
        began = time.process_time()
        for at in range(count):
            act(at)
        rounds.append(time.process_time() - began)
    return round(1e3 * min(rounds) / count, 4)


if __name__ == "__main__":
    main()
