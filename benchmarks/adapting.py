"""What an adapter is worth: learned from real pairs, chosen on development pairs, measured on test pairs.

    python benchmarks/adapting.py --data FOLDER [--cache FOLDER] [--only PART …]

FOLDER holds `fashion.parquet` (pictures of products with titles) and the BEIR folder `scifact/`. Vectors are
kept in the cache, since encoding takes most of the time and is not what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from main_job import machine

from searchkit.evaluation.beir import BeirTask, load_beir
from searchkit.evaluation.compare import PRIMARY, Retrieval, compare, to_json
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.training.adapter import LARGE, Examples, Fitted, Options, fit_map
from searchkit.training.gate import scorer, verdict
from searchkit.training.generic import Generic
from searchkit.training.pairs import Direction
from searchkit.training.split import NEAR
from searchkit.types import Kind, Vectors

SEED = 0

TEXT_IMAGE, IMAGE_TEXT = Direction("text", Kind.IMAGE), Direction("image", Kind.PASSAGE)
TEXT_TEXT = Direction("text", Kind.PASSAGE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    parser.add_argument("--only", nargs="*", default=["fashion", "scifact"])
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/adapting.json"))
    options = parser.parse_args()
    if not options.data.is_dir():
        sys.exit(f"adapting: {options.data} is not here; --data names the folder of the real data")
    options.cache.mkdir(parents=True, exist_ok=True)
    found = json.loads(options.out.read_text()) if options.out.is_file() else {}
    found |= {"machine": machine(), "encoder": "pocket", "seed": SEED}
    bench = Bench(options.data, options.cache)
    for name in options.only:
        found[name] = {"fashion": bench.fashion, "scifact": bench.scifact}[name]()
        print(json.dumps(found[name], indent=2))
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(found, indent=2) + "\n")


class Bench:
    """The two sets, with the vectors of `pocket`."""

    def __init__(self, data: Path, cache: Path) -> None:
        self.data, self.cache = data, cache
        self.encoder: Encoder = load_encoder("pocket")
        self.generic = Generic(self.encoder, cache)

    def kept(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        file = self.cache / f"{name}.npy"
        if not file.is_file():
            np.save(file, make())
        vectors: np.ndarray = np.load(file)
        return vectors

    def fashion(self) -> dict[str, Any]:
        """Titles find pictures and pictures titles: 20,000 pairs teach, 2,000 each choose and test."""
        table = pq.read_table(self.data / "fashion.parquet")
        parts = np.array(table["split"].to_pylist())
        images = self.kept("fashion-image", lambda: self._images(table["image"].to_pylist()))
        titles = self.kept("fashion-title", lambda: self.encoder.encode_text(table["title"].to_pylist()))
        train, dev, test = (np.flatnonzero(parts == name) for name in ("train", "dev", "test"))
        found: dict[str, Any] = {"pairs": {"train": len(train), "dev": len(dev), "test": len(test)}}
        for direction, asked, items in ((TEXT_IMAGE, titles, images), (IMAGE_TEXT, images, titles)):
            examples = Examples(
                asked[train], items[train], items[:0], [[]] * len(train), np.ascontiguousarray(items[train])
            )
            each = [[i] for i in range(len(dev))]
            tasks = (Retrieval(asked[part], items[part], each[: len(part)]) for part in (dev, test))
            found[str(direction)] = self._run(direction, examples, *tasks, options=LARGE)
        return found

    def scifact(self) -> dict[str, Any]:
        """Claims find abstracts, as the set is split; and without what the two parts share."""
        return {"as it is split": self._scifact(apart=False), "nothing shared": self._scifact(apart=True)}

    def _scifact(self, *, apart: bool) -> dict[str, Any]:
        """A fifth of the 809 training queries, by abstract, chooses; 300 test."""
        train, test = load_beir(self.data / "scifact", "train"), load_beir(self.data / "scifact", "test")
        documents = list(train.documents)
        items = self.kept("scifact-docs", lambda: self.encoder.encode_text(list(train.documents.values())))
        asked = self._queries("scifact-train-q", train)
        right, tested = _right(train, documents), _right(test, documents)
        final = Retrieval(self._queries("scifact-test-q", test), items, tested)
        # claims come in variants: what shares an abstract with a test claim, or nearly is one, is left out
        known = {row for some in tested for row in some}
        near = (asked @ final.queries.T).max(axis=1) >= NEAR
        fresh = [
            not apart or (not one and not known & set(some)) for one, some in zip(near, right, strict=True)
        ]
        asked, right = asked[fresh], [some for some, one in zip(right, fresh, strict=True) if one]
        chosen = np.random.default_rng(SEED).random(len(documents)) < 0.2
        choosing = np.array([any(chosen[row] for row in some) for some in right])
        # an abstract may answer both a query to learn from and one to choose by: those are left out of both
        seen = {row for some, dev in zip(right, choosing, strict=True) if dev for row in some}
        learning = [i for i, some in enumerate(right) if not choosing[i] and not seen & set(some)]
        pairs = [(i, row) for i in learning for row in right[i]]
        examples = Examples(
            asked[[i for i, _ in pairs]],
            items[[row for _, row in pairs]],
            items[:0],
            [[]] * len(pairs),
            items,
        )
        dev = Retrieval(
            asked[choosing], items, [some for some, one in zip(right, choosing, strict=True) if one]
        )
        removed = {"queries to learn from": len(fresh), "removed, near the test": len(fresh) - sum(fresh)}
        return removed | self._run(TEXT_TEXT, examples, dev, final)

    def _queries(self, name: str, task: BeirTask) -> Vectors:
        return self.kept(name, lambda: self.encoder.encode_text(list(task.queries.values())))

    def _images(self, pictures: Sequence[bytes]) -> Vectors:
        with ThreadPoolExecutor(2) as threads:
            parts = [
                self.encoder.encode_images(
                    list(
                        threads.map(
                            lambda data: self.encoder.prepare_image(decode_bytes(data)),
                            pictures[at : at + 256],
                        )
                    )
                )
                for at in range(0, len(pictures), 256)
            ]
        return np.concatenate(parts)

    def _run(
        self,
        direction: Direction,
        examples: Examples,
        dev: Retrieval,
        test: Retrieval,
        options: Options | None = None,
    ) -> dict[str, Any]:
        score = scorer(dev, self.generic.rehearsal(direction))
        began, processor = time.monotonic(), time.process_time()
        fitted = fit_map(
            examples, self.generic.bystanders(direction), score, replace(options or Options(), seed=SEED)
        )
        seconds, processor = time.monotonic() - began, time.process_time() - processor
        found = compare(*_scores(test, fitted))
        check = self.generic.check(direction)
        generic = compare(*_scores(check, fitted))[PRIMARY] if check is not None else None
        accepted, why = verdict(fitted, found[PRIMARY], generic)
        return {
            "questions": len(test.queries),
            "learned in seconds": round(seconds, 1),
            "of processor seconds": round(processor, 1),
            "steps": fitted.steps,
            "strength": 0.0 if fitted.map is None else round(float(fitted.map.strength), 2),
            "dev": {"before": round(fitted.before, 4), "after": round(fitted.score, 4)},
            "test": to_json(found),
            "generic": None if generic is None else generic.to_json(),
            "accepted": accepted,
            "why": why,
        }


def _scores(task: Retrieval, fitted: Fitted) -> tuple[Any, Any]:
    before = task.scores()
    return before, before if fitted.map is None else task.scores(fitted.map(task.queries))


def _right(task: BeirTask, documents: Sequence[str]) -> list[list[int]]:
    place = {document: row for row, document in enumerate(documents)}
    return [[place[d] for d, grade in judged.items() if grade > 0] for judged in task.qrels.values()]


if __name__ == "__main__":
    main()
