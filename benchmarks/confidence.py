"""What confidence is worth, on a collection of photos and meetings: does a question about a photo bring a
photo first, and one about a meeting a passage; does nonsense find nothing, and does a right hit count?

    python benchmarks/confidence.py --data FOLDER [--model pocket] [--out benchmarks/results/confidence.json]

FOLDER holds `flickr8k.parquet` and `qmsum/`, as for main_job.py. The photos and meetings are the test
splits'; nothing about confidence was chosen on them. `--choose` says, of the development photos, between
which margins nine in ten of nonsense stay below 0.5 and four in five right photos reach it: a new encoder
wants the middle.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from main_job import write_meetings, write_photos
from report import Arguments, as_text, machine, write

from searchkit import Collection, Hit
from searchkit.search.confidence import margin
from searchkit.types import Kind

CAPTIONS, NONSENSE = 200, 200
SEED = 5
EACH = 2
"""How many captions of every photo are asked for the last figure."""


def main() -> None:
    parser = Arguments(__doc__, result="confidence.json", data="flickr8k.parquet and qmsum/")
    parser.add_argument("--model", default="pocket")
    parser.add_argument("--choose", action="store_true")
    options = parser.parsed()
    if options.choose:
        print(as_text(choose(options.data, options.model)))
        return
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        photos, meetings = (
            write_photos(options.data, root / "photos"),
            write_meetings(options.data, root / "meetings"),
        )
        with Collection.open(root / "library", model=options.model) as library:
            library.add(photos, meetings)
            results = {"machine": machine(), "model": options.model, **measure(library, options.data)}
    print(as_text(results))
    write(results, options.out)


def measure(library: Collection, data: Path) -> dict[str, Any]:
    captions = read_captions(data)
    step = len(captions) // CAPTIONS
    spread = [some[number % len(some)] for number, some in enumerate(list(captions.values())[::step])]
    questions = read_questions(data)
    of_captions = [both(library, caption) for caption in spread]
    of_questions = [both(library, question) for question in questions]
    of_nonsense = [both(library, words) for words in nonsense(list(captions.values()), questions)]
    right = [
        hit.confidence
        for name, some in captions.items()
        for caption in some[:EACH]
        for hit in library.search(caption, kind="image", k=1)
        if Path(hit.path).stem == name
    ]
    return {
        "photos": library.store.count(kind=None) - passages(library),
        "passages": passages(library),
        "captions that bring a photo first": {
            "of": len(spread),
            "by confidence": share([photo.confidence > text.confidence for photo, text in of_captions]),
            "by cosine": share([photo.score > text.score for photo, text in of_captions]),
        },
        "questions about meetings that bring a passage first": {
            "of": len(questions),
            "by confidence": share([text.confidence > photo.confidence for photo, text in of_questions]),
            "by cosine": share([text.score > photo.score for photo, text in of_questions]),
        },
        "nonsense below 0.5": {
            "of": len(of_nonsense),
            "photos": share([photo.confidence < 0.5 for photo, _ in of_nonsense]),
            "passages": share([text.confidence < 0.5 for _, text in of_nonsense]),
            "both": share([max(p.confidence, t.confidence) < 0.5 for p, t in of_nonsense]),
        },
        "right photos at rank 1 above 0.5": {"of": len(right), "share": share([c > 0.5 for c in right])},
    }


def choose(data: Path, model: str) -> dict[str, float]:
    """Measure, on the development photos, between which margins confidence means what it should."""
    captions = read_captions(data, "dev")
    with (
        tempfile.TemporaryDirectory() as scratch,
        Collection.open(Path(scratch) / "library", model=model) as library,
    ):
        library.add(write_photos(data, Path(scratch) / "photos", "dev"))

        level = margin(library.encoder.record, Kind.IMAGE)

        def first(words: str) -> Hit:
            return library.search(words, kind="image", k=1)[0]

        wrong = [deviations(first(words), level) for words in nonsense(list(captions.values()), [])]
        hits = [(name, first(caption)) for name, some in captions.items() for caption in some[:EACH]]
    right = [deviations(hit, level) for name, hit in hits if Path(hit.path).stem == name]
    least, most = float(np.quantile(wrong, 0.9)), float(np.quantile(right, 0.2))
    shares = {
        "nonsense below": share([one < level for one in wrong]),
        "right above": share([one > level for one in right]),
    }
    return {"from": round(least, 2), "to": round(most, 2), "margin": level, **shares}


def deviations(hit: Hit, level: float) -> float:
    """Return the deviations of a confidence, which is Φ(deviations − level); beyond eight it is 1 to the
    last digit."""
    return NormalDist().inv_cdf(min(max(hit.confidence, 1e-12), 1 - 1e-12)) + level


def both(library: Collection, text: str) -> tuple[Hit, Hit]:
    """Return the best photo and the best passage."""
    return library.search(text, kind="image", k=1)[0], library.search(text, kind="passage", k=1)[0]


def passages(library: Collection) -> int:
    return sum(asset.items for asset in library.assets() if asset.kind == "passage")


def share(of: Sequence[bool]) -> float:
    return round(sum(of) / len(of), 4)


def read_captions(data: Path, split: str = "test") -> dict[str, list[str]]:
    """Return the captions of a split's photos by the name of the file that main_job writes."""
    wanted = [("split", "==", split)]
    table = pq.read_table(data / "flickr8k.parquet", columns=["id", "captions"], filters=wanted)
    return {Path(row["id"]).stem: row["captions"] for row in table.to_pylist()}


def read_questions(data: Path) -> list[str]:
    with (data / "qmsum" / "qrels" / "test.tsv").open() as file:
        wanted = {row[0] for row in list(csv.reader(file, delimiter="\t"))[1:]}
    with gzip.open(data / "qmsum" / "queries.jsonl.gz", "rt") as lines:
        every = [json.loads(line) for line in lines]
    return [one["text"] for one in every if one["_id"] in wanted]


def nonsense(captions: Sequence[Sequence[str]], questions: Sequence[str]) -> list[str]:
    """Return queries of two to six words thrown together. The words are those of the questions and captions,
    so the queries are harder to refuse than words that the collection does not hold."""
    text = " ".join([*questions, *(caption for some in captions for caption in some)]).lower()
    words = sorted(set(re.findall("[a-z]{3,10}", text)))
    chooser = random.Random(SEED)
    return [" ".join(chooser.choices(words, k=chooser.randint(2, 6))) for _ in range(NONSENSE)]


if __name__ == "__main__":
    main()
