"""CPU time of indexing pictures, side by side: searchkit, rclip and sentence-transformers on one network.

    python benchmarks/encoders.py [--rclip-python PY] [--st-python PY] [--work DIR] [--only PART] [--rounds N]

A rival that is not there is left out. Each lives in a virtual environment of its own:

    python3.11 -m venv A && A/bin/pip install rclip==3.3.0
    python3.11 -m venv B && B/bin/pip install torch sentence-transformers==6.2.0 pillow onnx

and is named by its Python, A/bin/python and B/bin/python; the second one also writes rclip's ONNX files.
All three multiply by the same random weights (network.py), and the results say whether their vectors are
equal. A figure is the CPU time of whole programs on many pictures less that on few, per picture: starting
up cancels out, and other work on the machine matters little.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from programs import BATCH, ENVIRONMENT, Program, cost, programs
from report import Arguments, as_text, earlier, machine, write

SIZES = {"1024x768": (1024, 768, 40, 160), "12 megapixels": (4000, 3000, 8, 40)}
"""Width and height of the pictures, and how many are few and many."""
COMPARED = "1024x768"
MANY, STEP = 20_000, 1_000
"""How many pictures memory must not grow over, and after how many of them it is looked at."""
DISTINCT = 200


@dataclass(frozen=True)
class Bench:
    work: Path
    programs: list[Program]
    rounds: int


def main() -> None:
    parser = Arguments(__doc__, result="encoders.json")
    parser.add_argument("--rclip-python", type=Path)
    parser.add_argument("--st-python", type=Path)
    parser.add_argument("--work", type=Path, help="Kept, and used again. Default: a temporary folder.")
    parser.add_argument("--only", choices=list(PARTS), action="append")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parsed()
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.work or Path(scratch)).resolve()
        bench = Bench(work, programs(work, options.rclip_python, options.st_python), options.rounds)
        results = earlier(options.out)
        for name in options.only or PARTS:
            results[name] = {"machine": machine(load=True), **PARTS[name](bench)}
            print(as_text({name: results[name]}), flush=True)
            write(results, options.out)


def pictures(bench: Bench) -> dict[str, Any]:
    """Measure CPU milliseconds a picture of each program at each size, and whether all find the same
    vectors."""
    from searchkit.speed.workload import write_pictures

    runs: dict[str, dict[str, dict[int, list[dict[str, float]]]]] = {}
    vectors: dict[str, Mapping[str, Any]] = {}
    for size, (width, height, *counts) in SIZES.items():
        for count in counts:
            if not (folder := bench.work / f"{size}, {count}").is_dir():
                write_pictures(folder, count, size=(width, height))
        jobs = [(p, n) for _ in range(bench.rounds) for p in bench.programs for n in counts]
        for program, count in jobs:
            with tempfile.TemporaryDirectory(dir=bench.work) as out:
                run = cost(program.command(bench.work / f"{size}, {count}", Path(out)))
                wrote = program.vectors(Path(out))
            assert len(wrote) == count, f"{program.name} left out {count - len(wrote)} pictures"
            if size == COMPARED:
                vectors[program.name] = wrote
            runs.setdefault(size, {}).setdefault(program.name, {}).setdefault(count, []).append(run)
            print(size, program.name, count, run, file=sys.stderr, flush=True)
    each = {size: {name: _marginal(some) for name, some in by.items()} for size, by in runs.items()}
    return {
        "versions": {program.name: program.version for program in bench.programs},
        "environment": ENVIRONMENT,
        "cpu ms a picture": each,
        "rival / searchkit": {
            size: {name: round(ms / by["searchkit"], 2) for name, ms in by.items() if name != "searchkit"}
            for size, by in each.items()
        },
        "cosines": _agreement(vectors),
        "runs": runs,
    }


def _marginal(runs: Mapping[int, list[dict[str, float]]]) -> float:
    """Return CPU milliseconds a picture in the cheapest round, since other work on the machine only ever
    adds."""
    (few, cheap), (many, dear) = ((n, min(run["cpu_s"] for run in some)) for n, some in runs.items())
    return round(1e3 * (dear - cheap) / (many - few), 1)


def _agreement(vectors: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the least cosine of searchkit's vectors with a rival's of the same pictures. The greatest cosine
    between two different pictures says what that is worth."""
    import numpy as np

    names = sorted(vectors["searchkit"])
    ours = np.stack([vectors["searchkit"][name] for name in names])
    cosines = {"two pictures, at most": float((ours @ ours.T - 2 * np.eye(len(names))).max())}
    for program in sorted(vectors.keys() - {"searchkit"}):
        theirs = np.stack([vectors[program][name] for name in names])
        cosines[f"{program}, at least"] = float((ours * theirs).sum(axis=1).min())
    return {name: round(cosine, 6) for name, cosine in cosines.items()}


def encoder(bench: Bench) -> dict[str, Any]:
    """Measure the network by itself, its share in the whole, and what the processor could do at best."""
    return _in_a_process_of_its_own("encoder", bench.work / "network")


def encode_alone(network: str) -> dict[str, Any]:
    import torch
    from network import GFLOP, TOKENS, VISION

    from searchkit.registry import load_encoder
    from searchkit.speed.bench import measure

    def cpu_seconds(into: int, out: int) -> float:
        """Return seconds of one multiplication of a batch; a block of the network does four of them."""
        a, b = torch.randn(BATCH * TOKENS, into), torch.randn(into, out)
        a @ b
        began, cpu, rounds = time.monotonic(), time.process_time(), 0
        while time.monotonic() - began < 2.0:
            a @ b
            rounds += 1
        return (time.process_time() - cpu) / rounds

    shapes = ((VISION, 3 * VISION), (VISION, VISION), (VISION, 4 * VISION), (4 * VISION, VISION))
    gflop = sum(2e-9 * BATCH * TOKENS * into * out for into, out in shapes)
    speed = gflop / sum(cpu_seconds(*shape) for shape in shapes)
    figures = measure(load_encoder(network), images=8 * BATCH, batch_size=BATCH)
    shown = {key: value for key, value in figures.to_json().items() if key not in ("encoder", "space")}
    at_best = 1e3 * GFLOP / speed
    return {
        "searchkit bench": shown,
        "GFLOP a picture": round(GFLOP, 2),
        "GFLOP a CPU second in float32": round(speed, 1),
        "cpu ms a picture at best": round(at_best, 1),
        "encode / at best": round((figures.encode_cpu_ms or 0) / at_best, 2),
    }


def memory(bench: Bench, how: str = "command") -> dict[str, Any]:
    """Measure resident memory of one run over many pictures with `pocket`, as `searchkit index` makes it."""
    from searchkit.speed.workload import write_pictures

    base, many = bench.work / "distinct", bench.work / f"{MANY} pictures"
    if not base.is_dir():
        write_pictures(base, DISTINCT)
    if not many.is_dir():
        write_many(base, many)
    with tempfile.TemporaryDirectory(dir=bench.work) as out:
        return _in_a_process_of_its_own("memory", many, Path(out) / "library", how)


def library_memory(bench: Bench) -> dict[str, Any]:
    """Measure the same from Python, in a process that is not searchkit's to change."""
    return memory(bench, "library")


def write_many(base: Path, folder: Path) -> None:
    """Write pictures that differ in a comment, so that no content is known from another."""
    contents = [path.read_bytes() for path in sorted(base.iterdir())]
    folder.mkdir()
    for number in range(MANY):
        comment = f"picture {number}".encode()
        segment = b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment
        jpeg = contents[number % len(contents)]
        (folder / f"{number:06}.jpg").write_bytes(jpeg[:2] + segment + jpeg[2:])


def index_and_watch(folder: str, library: str, how: str) -> dict[str, Any]:
    from searchkit.collection import Collection
    from searchkit.indexers.memory import spare
    from searchkit.types import Progress

    if how == "command":
        spare()
    resident: dict[int, float] = {}

    def note(progress: Progress) -> None:
        if progress.stage == "encode" and progress.done % STEP == 0:
            resident[progress.done] = resident_mb()

    with Collection.open(library) as collection:
        cpu = time.process_time()
        report = collection.add(folder, on_progress=note, batch_size=BATCH)
        cpu = time.process_time() - cpu
    assert report.images == MANY, report
    first, last = resident[STEP], resident[MANY]
    return {
        "encoder": "pocket",
        "pictures": MANY,
        f"MB after {STEP}": first,
        f"MB after {MANY}": last,
        "growth": round(last / first - 1, 3),
        "highest / first": round(max(resident.values()) / first, 3),
        "highest of the whole run / first": round(resident_mb("VmHWM") / first, 3),
        "MB when the run was over": resident_mb(),
        "images a second": round(report.images_per_second, 1),
        "cpu ms a picture": round(1e3 * cpu / MANY, 2),
        "MB by pictures": resident,
    }


def resident_mb(which: str = "VmRSS") -> float:
    """Return resident megabytes at this moment, or the most so far ("VmHWM")."""
    match = re.search(rf"{which}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return round(int(match[1]) * 1024 / 1e6, 1)


def _in_a_process_of_its_own(what: str, *arguments: Path | str) -> dict[str, Any]:
    """Measure in a process of its own, so that nothing is warm and memory is that of the one thing."""
    command = [sys.executable, __file__, ALONE, what, *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **ENVIRONMENT}, check=True, stdout=subprocess.PIPE)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


PARTS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "pictures": pictures,
    "encoder": encoder,
    "memory": memory,
    "memory of a library": library_memory,
}
ALONE = "alone"
APART: dict[str, Callable[..., dict[str, Any]]] = {"encoder": encode_alone, "memory": index_and_watch}

if __name__ == "__main__":
    if sys.argv[1:2] == [ALONE]:
        print(json.dumps(APART[sys.argv[2]](*sys.argv[3:])))
    else:
        main()
