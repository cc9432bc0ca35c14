"""Jina CLIP's three stages one after another, small: what each does to texts and to pictures.

    python benchmarks/stages.py --data FOLDER --work FOLDER [--out benchmarks/results/stages.json]

FOLDER holds `flickr8k.parquet` (image, captions, split) and the BEIR folders `scifact/` and `qmsum/`. A fresh
network of five million numbers learns from the training parts by `searchkit train`, each stage from the one
before; the second one is killed half way and goes on. Measured on development parts alone: this shows that
the stages do what they are for, not how good a model can be. What is done in `--work` is not done again.
"""

from __future__ import annotations

import gzip
import json
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from main_job import COMMAND
from report import Arguments, machine, write
from safetensors.torch import save_file

from searchkit.encoders.pocket import TEXT
from searchkit.evaluation.beir import load_beir
from searchkit.evaluation.compare import Retrieval
from searchkit.finetuning.negatives import mine
from searchkit.ingest.images import decode_bytes
from searchkit.models.bert import BertConfig, BertPooled
from searchkit.models.vit import VisionTransformer, ViTConfig
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import Runtime

SEED = 0
PIXELS, WIDTH = 48, 128
PAIRS = (
    '[{file="captions.jsonl",share=0.6},{file="claims.jsonl",share=0.3},{file="meetings.jsonl",share=0.1}]'
)
TRIPLETS = '[{file="captions_triplets.jsonl",share=0.5},{file="claims_triplets.jsonl",share=0.5}]'
STAGES: dict[str, dict[str, Any]] = {
    "jina-1": {"batch": 64, "rate": 2e-3, "tokens": 77, "text": PAIRS},
    "jina-2": {"batch": 48, "rate": 5e-4, "tokens": 128, "text": PAIRS},
    "jina-3": {"batch": 16, "rate": 3e-4, "tokens": 128, "text": TRIPLETS},
}
STEPS = {"jina-1": 100, "jina-2": 30, "jina-3": 30}
SAME = {"chunk": 0, "warmup": 10, "save_every": 10}
ABSTRACTS = 1000
"""How many abstracts a claim is put to: the right ones of all claims, and others."""
CUT = 800
"""The most characters of an abstract, or of what was said, that are read."""


def main() -> None:
    parser = Arguments(__doc__, result="stages.json", data="flickr8k.parquet, scifact/ and qmsum/")
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parsed()
    work: Path = options.work
    sets = Sets(options.data, work / "data")
    fresh = fresh_encoder(work / "fresh")
    results: dict[str, Any] = {"machine": machine(), "seed": SEED, "questions": sets.counts(), "stages": {}}
    results["stages"]["fresh"] = sets.measure(fresh)
    parent = fresh
    for name in STAGES:
        if name == "jina-3":
            sets.triplets(read(parent))
        out = work / name
        command = arguments(name, parent, work / "data", out)
        run = train(command, out, STEPS[name], kill=name == "jina-2")
        shown = " ".join(map(shlex.quote, ["searchkit", *command])).replace(f"{work}/", "")
        results["stages"][name] = {"command": shown, **run, **sets.measure(out)}
        print(name, json.dumps(results["stages"][name], indent=2), flush=True)
        write(results, options.out)
        parent = out


def arguments(name: str, parent: Path, data: Path, out: Path) -> list[str]:
    changed = [f"--set={key}={value}" for key, value in (STAGES[name] | SAME).items()]
    where = ["--parent", str(parent), "--data", str(data), "--out", str(out)]
    return ["train", "--recipe", name, *where, "--steps", str(STEPS[name]), *changed]


def train(command: list[str], out: Path, steps: int, *, kill: bool) -> dict[str, Any]:
    """Run a command, with `kill` first until half of the steps are done, and return what its log says."""
    log, killed = out.with_name(f"{out.name}.work") / "log.jsonl", 0
    if kill and not log.is_file():
        process = subprocess.Popen([*COMMAND, *command, "-q"])
        while process.poll() is None and _lines(log) <= steps // 2:
            time.sleep(0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed = _lines(log)
        log.with_name("killed").write_text(str(killed))
    if not (out / "training.json").is_file():
        subprocess.run([*COMMAND, *command, "-q"], check=True)
    killed = int(log.with_name("killed").read_text()) if kill else 0
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, steps + 1))
    ends = [round(float(np.mean([one["loss"] for one in part])), 3) for part in (lines[:10], lines[-10:])]
    return {"steps": steps, "loss": ends} | ({"killed after step": killed} if kill else {})


def fresh_encoder(folder: Path) -> Path:
    """Write networks that know nothing into a folder, as training writes them."""
    if (folder / "config.json").is_file():
        return folder
    torch.manual_seed(SEED)
    tower = ViTConfig(pixels=PIXELS, patch=8, width=WIDTH, depth=3, heads=4, dim=WIDTH)
    text = BertConfig(
        hidden_size=WIDTH, num_hidden_layers=2, num_attention_heads=4, intermediate_size=4 * WIDTH
    )
    folder.mkdir(parents=True)
    save_file(VisionTransformer(tower).state_dict(), folder / "model.safetensors")
    save_file(BertPooled(text).state_dict(), folder / TEXT)
    said = {"family": "pocket", "name": "fresh", "tower": asdict(tower), "text": asdict(text)}
    (folder / "config.json").write_text(json.dumps(said, indent=2))
    return folder


def read(folder: Path) -> Encoder:
    return load_encoder(str(folder), Runtime(device="cpu", dtype="float32"))


class Sets:
    """What is learned from, as files for `searchkit train`, and what is measured on."""

    def __init__(self, data: Path, folder: Path) -> None:
        self.folder = folder
        table = {
            name: pq.read_table(data / "flickr8k.parquet", filters=[("split", "=", name)])
            for name in ("train", "dev")
        }
        self.photos = table["dev"]["image"].to_pylist()
        self.captions = table["dev"]["captions"].to_pylist()
        task = load_beir(data / "scifact", "train")
        self.abstracts = {key: text[:CUT] for key, text in task.documents.items()}
        judged = [(task.queries[query], list(right)) for query, right in task.qrels.items()]
        choosing = np.random.default_rng(SEED).random(len(judged)) < 0.2
        self.dev = [one for one, is_dev in zip(judged, choosing, strict=True) if is_dev]
        seen = {document for _, right in self.dev for document in right}
        self.claims = [
            (claim, self.abstracts[document])
            for (claim, right), is_dev in zip(judged, choosing, strict=True)
            if not is_dev
            for document in right
            if document not in seen
        ]
        self.said = [some[:2] for some in table["train"]["captions"].to_pylist()]
        folder.mkdir(parents=True, exist_ok=True)
        self._write("captions.jsonl", [(a, b, ()) for a, b in self.said])
        self._write("claims.jsonl", [(a, b, ()) for a, b in self.claims])
        self._write("meetings.jsonl", [(a, b, ()) for a, b in meetings(data / "qmsum")])
        images, captions = table["train"]["image"], table["train"]["captions"].to_pylist()
        pq.write_table(pa.table({"image": images, "captions": captions}), folder / "captions.parquet")
        long = [[" ".join(some)] for some in captions]
        pq.write_table(pa.table({"image": images, "captions": long}), folder / "long_captions.parquet")

    def triplets(self, encoder: Encoder) -> None:
        """Write the pairs of texts with up to seven negatives of each, from what `encoder` finds for it."""
        everything = list(self.abstracts.values())
        for name, pairs, items in (
            ("captions", self.said, [answer for _, answer in self.said]),
            ("claims", self.claims, everything),
        ):
            if (self.folder / f"{name}_triplets.jsonl").is_file():
                continue
            asked = encoder.encode_text([question for question, _ in pairs])
            right = encoder.encode_text([answer for _, answer in pairs])
            rows = mine(asked, right, right if name == "captions" else encoder.encode_text(items))
            wrong = [[items[row] for row in some] for some in rows]
            both = [(a, b, n) for (a, b), n in zip(pairs, wrong, strict=True)]
            self._write(f"{name}_triplets.jsonl", both)

    def measure(self, folder: Path) -> dict[str, float]:
        kept = folder / "measured.json"
        if not kept.is_file():
            kept.write_text(json.dumps(self._measure(read(folder))))
        figures: dict[str, float] = json.loads(kept.read_text())
        return figures

    def _measure(self, encoder: Encoder) -> dict[str, float]:
        photos = encoder.encode_images([encoder.prepare_image(decode_bytes(one)) for one in self.photos])
        asked = encoder.encode_text([one for some in self.captions for one in some])
        each = [[row] for row in range(len(photos))]
        long = encoder.encode_text([" ".join(some) for some in self.captions])
        right_ones = {one for _, some in self.dev for one in some}
        keys = sorted(self.abstracts, key=lambda one: one not in right_ones)[:ABSTRACTS]
        abstracts = encoder.encode_text([self.abstracts[key] for key in keys])
        place = {key: row for row, key in enumerate(keys)}
        claims = encoder.encode_text([claim for claim, _ in self.dev])
        right = [[place[one] for one in some] for _, some in self.dev]
        first = [[row] for row, some in enumerate(self.captions) for _ in some]
        tasks = {
            "captions to photos": (Retrieval(asked, photos, first), "recall@10"),
            "long captions to photos": (Retrieval(long, photos, each), "recall@10"),
            "captions to captions": (Retrieval(asked[::5], asked[1::5], each), "recall@10"),
            "claims to abstracts": (Retrieval(claims, abstracts, right), "ndcg@10"),
        }
        return {f"{name}, {metric}": round(task.mean(metric), 4) for name, (task, metric) in tasks.items()}

    def counts(self) -> dict[str, int]:
        photos = len(self.photos)
        return {"photos": photos, "claims": len(self.dev), "abstracts": ABSTRACTS}

    def _write(self, name: str, rows: Sequence[tuple[str, str, Sequence[str]]]) -> None:
        lines = [{"text": a, "text2": b, "negatives": n} for a, b, n in rows]
        (self.folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))


def meetings(folder: Path) -> Iterator[tuple[str, str]]:
    """Return training questions with what was said to answer them."""
    task = load_beir(folder, "train")
    with gzip.open(folder / "queries.jsonl.gz", "rt", encoding="utf-8") as file:
        spans = {row["_id"]: row["spans"] for row in map(json.loads, file)}
    for query, judged in task.qrels.items():
        turns = task.documents[next(iter(judged))].split("\n")
        said = "\n".join(turns[int(turn)] for a, b in spans[query] for turn in range(int(a), int(b) + 1))
        yield task.queries[query], said[:CUT]


def _lines(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.is_file() else 0


if __name__ == "__main__":
    main()
