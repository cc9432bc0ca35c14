"""What each part of reinforced training is worth: one row a part, all at one budget, on dev photos.

    python benchmarks/ablation.py --data FOLDER [--work FOLDER] [--device cuda] [--steps N] [--photos N]

Rows build on one another: captions alone; with the teacher's features; with labelled photos; with these, held
to the teacher's maps as well. Then without maps, reinforced, that is in several stored augmentations; and so
with λ at 0.5, 0.7 and 1. A row that is in the results with the same budget is not run again, and one that was
interrupted goes on where it was.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from report import Arguments, earlier, machine, write
from towers import TOWERS

from searchkit.encoders.minilm import minilm
from searchkit.evaluation import evaluate_captions, load_captions
from searchkit.registry import load_encoder
from searchkit.training.data import load_pictures
from searchkit.training.loop import train
from searchkit.training.recipe import FEATURES, PictureFile, Recipe, TeacherMap, load_recipe
from searchkit.training.reinforce import reinforce
from searchkit.training.stored_teachers import stored_teachers
from searchkit.types import Runtime

ROWS = (
    "captions",
    "+ features",
    "+ labels",
    "+ labels and maps",
    "+ reinforcement, λ = 0",
    "λ = 0.5",
    "λ = 0.7",
    "λ = 1",
)
ALIKE = {ROWS[0]: "captions", ROWS[1]: "captions", ROWS[2]: "labels", ROWS[3]: "maps"}
"""The rows that see the same data; all others see it reinforced."""
KEPT = ("*.reinforced", "*.npy", "*.done", "head-*.pt", "*.pixels")
SMALL = "inverted 16…96, 96 px"
MAPS = (TeacherMap(tensor=156, width=96, side=14), TeacherMap(tensor=170, width=320, side=7))
"""Maps of the recipe's teacher that the last stages of the small tower learn."""


def main() -> None:
    options = parsed()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    options.work /= f"{options.steps}-{options.batch}-{options.photos}-{options.augmentations}-{options.full}"
    options.work.mkdir(parents=True, exist_ok=True)
    whole = load_recipe("pocket-reinforced")
    budget = {
        "steps": options.steps,
        "batch": options.batch,
        "captioned photos": options.photos,
        "labelled photos": options.photos,
        "augmentations": options.augmentations,
        "steps of the teacher's head": options.head_steps,
        "tower": "the recipe's" if options.full else SMALL,
        "split": "dev",
    }
    results = earlier(options.out)
    if results.get("budget") != budget:
        results = {"budget": budget, "rows": {}}
    results["machine"] = {**machine(), "device": options.device}
    for name in options.rows or ROWS:
        if name not in results["rows"]:
            results["rows"][name] = measure(name, row_recipe(name, whole, options), options)
            print(name, results["rows"][name], flush=True)
            write(results, options.out)


def parsed() -> argparse.Namespace:
    parser = Arguments(__doc__, result="ablation.json", data="the recipe's data")
    parser.add_argument("--work", type=Path, default=Path(".train/ablation"))
    parser.add_argument("--rows", nargs="*", choices=ROWS)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--photos", type=int, default=6000, help="Of the captioned and of the labelled set.")
    parser.add_argument("--augmentations", type=int, default=5)
    parser.add_argument("--head-steps", type=int, default=1500, help="That fit the teacher's head.")
    parser.add_argument("--full", action="store_true", help="The recipe's tower, not a small one.")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--processes", type=int, default=0, help="That render all views first.")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    return parser.parsed()


def row_recipe(name: str, whole: Recipe, options: argparse.Namespace) -> Recipe:
    """Return the recipe of one row, at the budget."""
    captions, labels = (
        replace(spec, limit=options.photos, reinforced="", share=0.6 if spec.text == "captions" else 0.4)
        for spec in whole.data[:2]
    )
    data: tuple[PictureFile, ...] = (captions,) if name in ROWS[:2] else (captions, labels)
    if name in ROWS[4:]:
        data = tuple(replace(spec, reinforced=_store(spec)) for spec in data)
        for spec in data:
            reinforced_once(spec, whole, options)
    plain = name == ROWS[0]
    optimisation = replace(
        whole.optimisation,
        steps=options.steps,
        batch=options.batch,
        warmup=max(1, options.steps // 10),
        rate=1e-3,
        bank=2048,
        average=0.99,
        feature_weight=0.0 if plain else 1.0,
        space_weight=0.0 if plain else 1.0,
        map_weight=2.0 if name == ROWS[3] else 0.0,
        distil=float(name.split("=")[1]) if "λ" in name else 0.0,
    )
    return replace(
        whole,
        name="ablation",
        tower=whole.tower if options.full else TOWERS[SMALL],
        teacher=replace(
            whole.teacher,
            head_steps=options.head_steps,
            maps=MAPS if name == ROWS[3] else (),
        ),
        data=data,
        optimisation=optimisation,
        bank_file="",
    )


def _store(spec: PictureFile) -> str:
    return f"{Path(spec.file).stem}.reinforced"


def reinforced_once(spec: PictureFile, whole: Recipe, options: argparse.Namespace) -> None:
    """Reinforce the limited data set, so that a small budget does not wait for the whole one."""
    pictures = load_pictures(options.data, replace(spec, reinforced=""), whole.templates)
    teachers = stored_teachers([FEATURES], options.data, whole.teacher, threads=options.threads)
    out = options.work / "shared-reinforced" / _store(spec)
    reinforce(
        pictures, teachers, out, augmentations=options.augmentations, seed=whole.seed, threads=options.threads
    )


def measure(name: str, recipe: Recipe, options: argparse.Namespace) -> dict[str, Any]:
    work = options.work / name.replace(" ", "").replace("+", "and-").replace("=", "-").replace(",", "-")
    work.mkdir(parents=True, exist_ok=True)
    shared = options.work / f"shared-{ALIKE.get(name, 'reinforced')}"
    _lend(shared, work)
    began = time.monotonic()
    folder = train(
        recipe,
        options.data,
        work,
        work / "out",
        minilm().encode,
        device=options.device,
        processes=options.processes,
    )
    _keep(work, shared)
    encoder = load_encoder(str(folder), Runtime(device=options.device, dtype="float32", offline=True))
    metrics = evaluate_captions(encoder, load_captions(options.data / "flickr8k.parquet", "dev")).metrics
    ways = {way: {key: round(value, 4) for key, value in metrics[way].items()} for way in metrics}
    return {**ways, "minutes": round((time.monotonic() - began) / 60, 1)}


def _lend(shared: Path, work: Path) -> None:
    """Give a row what all rows have in common: stores, the teacher's features and head, vectors of texts,
    notes of leaks."""
    shared.mkdir(parents=True, exist_ok=True)
    for pattern in KEPT:
        for file in shared.glob(pattern):
            if not (work / file.name).exists():
                (work / file.name).symlink_to(file.resolve())


def _keep(work: Path, shared: Path) -> None:
    for pattern in KEPT:
        for file in work.glob(pattern):
            if not file.is_symlink():
                file.replace(shared / file.name)
                file.symlink_to((shared / file.name).resolve())


if __name__ == "__main__":
    main()
