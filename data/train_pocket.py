"""Make an encoder as `pocket` is made, in one go: prepare, reinforce, train, evaluate. Meant for a GPU.

    python data/train_pocket.py --data FOLDER --out FOLDER [--device cuda] [--steps N] [--test]

Every part is left out when its result is there, and goes on where it was when it was stopped: a run that
was killed is started again with the same words. OUT/figures.json has the figures, what they cost and what
they were made of. Choose by dev; `--test` is for the last run alone.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from searchkit.encoders.device import placement
from searchkit.encoders.minilm import minilm
from searchkit.evaluation import (
    evaluate_captions,
    evaluate_labels,
    held_out_labels,
    load_captions,
    load_labels,
)
from searchkit.registry import load_encoder
from searchkit.training.data import load_pictures
from searchkit.training.loop import train
from searchkit.training.recipe import FEATURES, Recipe, load_recipe
from searchkit.training.reinforce import reinforce
from searchkit.training.stored_teachers import stored_teachers
from searchkit.types import Runtime

AUGMENTATIONS = {"captions": 10, "label": 4}
ZERO_SHOT = ("caltech-101", "tf-flowers")
Result = TypeVar("Result")
log = logging.getLogger("train_pocket")


class Clock:
    """Minutes of each part."""

    def __init__(self) -> None:
        self.minutes: dict[str, float] = {}

    def __call__(self, part: str, act: Callable[[], Result]) -> Result:
        began = time.monotonic()
        result = act()
        self.minutes[part] = round((time.monotonic() - began) / 60, 2)
        log.info("%s: %.2f minutes", part, self.minutes[part])
        return result


def main() -> None:
    options = parsed()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    recipe, clock = load_recipe(options.recipe), Clock()
    if options.limit:
        recipe = replace(recipe, data=tuple(replace(one, limit=options.limit) for one in recipe.data))
    work: Path = options.work or options.out.with_name(f"{options.out.name}.work")
    work.mkdir(parents=True, exist_ok=True)
    device = placement(Runtime(device=options.device)).device.type
    fingerprints = clock("prepare", lambda: prepare(recipe, options.data))
    clock("reinforce", lambda: reinforce_all(recipe, options.data, work, options.threads))
    folder = clock(
        "train",
        lambda: train(
            recipe,
            options.data,
            work,
            options.out,
            minilm().encode,
            steps=options.steps,
            device=device,
            processes=options.threads,
        ),
    )
    figures = clock("evaluate", lambda: evaluate(recipe, folder, options.data, device, test=options.test))
    hardware = {
        "device": torch.cuda.get_device_name() if device == "cuda" else platform.processor() or device,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
    }
    card = {
        "figures": figures,
        "minutes": clock.minutes,
        "hardware": hardware,
        "steps": options.steps or recipe.optimisation.steps,
        "data": fingerprints,
        "recipe": asdict(recipe),
    }
    (options.out / "figures.json").write_text(json.dumps(card, indent=2) + "\n")
    print(json.dumps({"figures": figures, "minutes": clock.minutes}, indent=2))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--work", type=Path, help="Stores, rendered views, checkpoints. Default: OUT.work")
    parser.add_argument("--recipe", default="pocket-reinforced")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--steps", type=int, help="Instead of the recipe's number.")
    parser.add_argument("--limit", type=int, help="Pictures of each data set, to try it out.")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--test", action="store_true", help="Measure on the test photos too.")
    return parser.parse_args()


def prepare(recipe: Recipe, data: Path) -> dict[str, str]:
    """sha256 of every file that the recipe reads; ends here when one is missing."""
    files = [*(one.file for one in recipe.data if not one.optional), recipe.teacher.file, recipe.bank_file]
    missing = [name for name in files if name and not (data / name).is_file()]
    if missing:
        sys.exit(f"train_pocket: missing in {data}: {', '.join(missing)}")
    found = {}
    for name in filter(None, files):
        with (data / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def reinforce_all(recipe: Recipe, data: Path, work: Path, threads: int) -> None:
    for spec in recipe.data:
        if spec.reinforced and not (data / spec.reinforced).is_dir():
            reinforce(
                load_pictures(data, spec, recipe.templates),
                stored_teachers([FEATURES], data, recipe.teacher, threads=threads),
                work / spec.reinforced,
                augmentations=AUGMENTATIONS[spec.text],
                seed=recipe.seed,
                threads=threads,
                on_progress=lambda done, total, name=spec.file: (  # type: ignore[misc]
                    log.info("reinforce: %s %d/%d", name, done, total) if done % 2048 == 0 else None
                ),
            )


def evaluate(recipe: Recipe, folder: Path, data: Path, device: str, *, test: bool) -> dict[str, Any]:
    """Retrieval among captioned photos, and zero-shot top-1 on the labelled photos that were held out."""
    encoder = load_encoder(str(folder), Runtime(device=device, offline=True))
    found: dict[str, Any] = {}
    captioned, labelled = data / "flickr8k.parquet", data / "photos.parquet"
    for split in ("dev", "test") if test else ("dev",):
        found[f"flickr8k {split}"] = evaluate_captions(encoder, load_captions(captioned, split)).metrics
    held = {one.file: one.hold_out for one in recipe.data}.get(labelled.name, 0)
    for source in ZERO_SHOT if held else ():
        task = held_out_labels(load_labels(labelled, source=source), held)
        found[f"zero-shot {source}, held out"] = evaluate_labels(encoder, task).metrics
    return found


if __name__ == "__main__":
    main()
