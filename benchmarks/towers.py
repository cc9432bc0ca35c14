"""Image towers side by side on this processor, and what a question costs: accuracy against CPU time.

    python benchmarks/towers.py [--only speed text accuracy] [--rounds N]
    python benchmarks/towers.py --only accuracy --data FOLDER [--work FOLDER] [--steps N] [--towers NAME …]

All towers run fused, in one process, in turns, on one thread of torch, beside CLIP's ViT-B/32 at 256 pixels
with random weights (network.py). A figure is the CPU time of the cheapest of several rounds: other work on
the machine only ever adds. `accuracy` trains each tower for the same number of steps on the same batches
(recipe `pocket`, with the tower exchanged, without the teacher's maps) and measures it on Flickr8k's dev
photos; it says after how many. In one row half of the steps are blockwise distillation.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from network import write_checkpoint
from report import Arguments, as_text, earlier, machine, write
from torch import nn

from searchkit.encoders.device import keep_freed_memory
from searchkit.models.image_towers import image_network, read_config, to_run
from searchkit.registry import load_encoder
from searchkit.training.recipe import AnyTower, InvertedTower, MixerTower, Recipe, Tower, load_recipe
from searchkit.types import Runtime

POCKET = "inverted 24…320, 144 px"
TOWERS: dict[str, AnyTower] = {
    "inverted 16…96, 96 px": InvertedTower(
        "inverted", 96, 16, (16, 24, 40, 56, 96), (1, 2, 3, 2, 2), (2, 2, 2, 1, 2), end=640
    ),
    "inverted 24…192, 144 px": InvertedTower(
        "inverted", 144, 24, (24, 40, 80, 112, 192), (2, 3, 4, 4, 4), (2, 2, 2, 1, 2)
    ),
    POCKET: load_recipe("pocket").tower,
    "inverted 32…256, 192 px": InvertedTower(
        "inverted", 192, 32, (32, 48, 96, 144, 256), (2, 3, 4, 4, 4), (2, 2, 2, 1, 2)
    ),
    "ViT 192 × 12, 128 px": Tower(128, 16, 192, 12, 3, 3.0),
    "ViT 256 × 6, 96 px": Tower(96, 16, 256, 6, 4, 3.0),
    "ViT 256 × 8, 160 px": Tower(160, 16, 256, 8, 4, 3.0),
    "RepMixer 32…256, 128 px": MixerTower("repmixer", 128, (32, 64, 128, 256), (2, 4, 6, 2)),
    "RepMixer 48…384, 128 px": MixerTower("repmixer", 128, (48, 96, 192, 384), (2, 4, 6, 2)),
    "RepMixer 48…384, 192 px": MixerTower("repmixer", 192, (48, 96, 192, 384), (2, 2, 6, 2)),
    "RepMixer 64…512 (as MCi0), 256 px": MixerTower("repmixer", 256, (64, 128, 256, 512), (2, 6, 10, 2)),
}
RIVAL = "CLIP ViT-B/32, 256 px"
BATCH = 16
CPU = Runtime(device="cpu", dtype="float32", offline=True)
QUESTION = "two children playing football in the rain"
ACCURATE = [name for name in TOWERS if "256 px" not in name and "192 px" not in name]
"""Towers that a processor trains in minutes."""
TAUGHT = f"{POCKET}, half of the steps blockwise"


def main() -> None:
    parser = Arguments(__doc__, result="towers.json")
    parser.add_argument("--only", nargs="*", choices=list(PARTS), default=["speed", "text"])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, help="For accuracy: the folder of the recipe's data.")
    parser.add_argument("--work", type=Path, default=Path(".bench-cache/towers"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--towers", nargs="*", choices=[*ACCURATE, TAUGHT], default=[*ACCURATE, TAUGHT])
    options = parser.parsed()
    torch.set_num_threads(1)
    keep_freed_memory()
    for part in options.only:
        figures = PARTS[part](options)
        results = earlier(options.out)
        results[part] = {"machine": machine(load=True), **figures}
        print(as_text({part: figures}), flush=True)
        write(results, options.out)


def network(tower: AnyTower) -> nn.Module:
    torch.manual_seed(0)
    return to_run(image_network(read_config(asdict(tower)))).eval()


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Measure CPU milliseconds a picture and images a CPU second of all towers, in turns."""
    runs: dict[str, tuple[nn.Module, int]] = {name: (network(t), t.pixels) for name, t in TOWERS.items()}
    with tempfile.TemporaryDirectory() as folder:
        write_checkpoint(Path(folder))
        rival = load_encoder(folder, CPU).images.network  # type: ignore[attr-defined]
    runs[RIVAL] = (rival, 256)
    parameters = {name: sum(p.numel() for p in one.parameters()) for name, (one, _) in runs.items()}
    best: dict[str, float] = {}
    with torch.inference_mode():
        for _ in range(options.rounds):
            for name, (one, pixels) in runs.items():
                took = _cpu(partial(one, torch.randn(BATCH, 3, pixels, pixels)))
                best[name] = min(best.get(name, took), took)
    rows = {
        name: {
            "million parameters": round(parameters[name] / 1e6, 2),
            "cpu ms a picture": round(1e3 * seconds / BATCH, 2),
            "images a cpu second": round(BATCH / seconds, 1),
            "times the rival's images": round(best[RIVAL] / seconds, 2),
        }
        for name, seconds in best.items()
    }
    return {"batch": BATCH, "threads": 1, "dtype": "float32", "rival": RIVAL, "towers": rows}


def text(options: argparse.Namespace) -> dict[str, Any]:
    """Measure milliseconds of one question, alone, with the tokenizer: `pocket`'s text tower and
    Text-RepMixer's."""
    from searchkit.models.text_repmixer import TextRepMixer, TextRepMixerConfig

    pocket = load_encoder("pocket", CPU)
    mixer = TextRepMixer(TextRepMixerConfig(fused=True)).eval()
    ids = torch.randint(1, 49408, (1, 12))
    mask = torch.ones_like(ids)
    ways: dict[str, Callable[[], object]] = {
        "pocket (MiniLM), with the tokenizer": lambda: pocket.encode_text([QUESTION]),
        "Text-RepMixer of MobileCLIP-S0's size, fused, 12 tokens": lambda: mixer(ids, mask),
    }
    figures = {}
    with torch.inference_mode():
        for name, way in ways.items():
            way()
            walls, cpus = [], []
            for _ in range(10 * options.rounds):
                wall, cpu = time.perf_counter(), time.process_time()
                way()
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
            figures[name] = {
                "wall ms, least": round(1e3 * min(walls), 2),
                "wall ms, median": round(1e3 * float(np.median(walls)), 2),
                "wall ms, 95 %": round(1e3 * float(np.quantile(walls, 0.95)), 2),
                "cpu ms, least": round(1e3 * min(cpus), 2),
                "cpu ms, median": round(1e3 * float(np.median(cpus)), 2),
            }
    return {"threads": 1, "question": QUESTION, "towers": figures}


def accuracy(options: argparse.Namespace) -> dict[str, Any]:
    """Measure recall on dev photos of each tower after equally many steps on the same batches. Towers that
    are not named keep the figures of an earlier run with as many steps."""
    if options.data is None or not options.data.is_dir():
        sys.exit("towers: accuracy needs --data, the folder of the recipe's data")
    from searchkit.encoders.minilm import minilm
    from searchkit.evaluation import evaluate_captions, load_captions
    from searchkit.training.loop import train

    recipe = budgeted(load_recipe("pocket"), options.steps)
    dev = load_captions(options.data / "flickr8k.parquet", "dev")
    budget = {"after steps": options.steps, "batch": recipe.optimisation.batch, "split": "dev"}
    known = json.loads(options.out.read_text()).get("accuracy", {}) if options.out.is_file() else {}
    rows: dict[str, Any] = known["towers"] if budget.items() <= known.items() else {}
    for name in options.towers:
        work = options.work / name.replace(" ", "-").replace("…", "-").replace(",", "").replace("'", "")
        shared = options.work / "shared"
        _lend(shared, work)
        began = time.process_time()
        this = replace(recipe, tower=TOWERS[POCKET if name == TAUGHT else name])
        if name == TAUGHT:
            this = half_blockwise(this)
        folder = train(this, options.data, work, work / "out", minilm().encode)
        spent = time.process_time() - began
        _lend(work, shared)
        metrics = evaluate_captions(load_encoder(str(folder), CPU), dev).metrics
        rows[name] = {
            "text to image recall@10": round(metrics["text_to_image"]["recall@10"], 4),
            "image to text recall@10": round(metrics["image_to_text"]["recall@10"], 4),
            "cpu minutes of this run": round(spent / 60, 1),
        }
        print(name, rows[name], flush=True)
    return {**budget, "towers": rows}


def budgeted(recipe: Recipe, steps: int) -> Recipe:
    """Return the recipe with the captioned and the labelled photos, one view each of the tower's size, and
    few steps."""
    data = tuple(
        replace(one, views=1, limit=6000)
        for one in recipe.data
        if one.file in ("flickr8k.parquet", "photos.parquet")
    )
    options = replace(
        recipe.optimisation, steps=steps, warmup=steps // 8, rate=2e-3, batch=64, early_pixels=0
    )
    return replace(
        recipe,
        name="towers",
        data=data,
        withheld=recipe.withheld[:1],
        teacher=replace(recipe.teacher, maps=()),
        optimisation=options,
        blockwise=None,
    )


def half_blockwise(recipe: Recipe) -> Recipe:
    """Return the recipe with half of its steps blockwise, an eighth of those from the teacher's maps."""
    half, blockwise = recipe.optimisation.steps // 2, load_recipe("pocket").blockwise
    assert blockwise is not None
    first = replace(blockwise, steps=half, forced=half // 8, batch=64, pixels=recipe.tower.pixels)
    options = replace(recipe.optimisation, steps=half, warmup=half // 8)
    return replace(recipe, optimisation=options, blockwise=first)


def _lend(source: Path, target: Path) -> None:
    """Give a tower features, texts' vectors and the teacher's head: they are the same for all and made
    once."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.npy", "*.done", "head-*.pt"):
        for file in source.glob(pattern):
            if not (target / file.name).exists():
                (target / file.name).hardlink_to(file)


def _cpu(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


PARTS: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "speed": speed,
    "text": text,
    "accuracy": accuracy,
}

if __name__ == "__main__":
    main()
