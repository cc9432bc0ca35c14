"""A search in a large collection beside raw FAISS and raw LanceDB, on the same vectors in one run.

    python benchmarks/million.py --rows 1000000 --work DIR --out benchmarks/results/million.json

The collection is a real one, with a catalog and a store; its encoder is the source of the vectors, so that
texts lie across a gap from pictures, as in a real space. Every program is asked one question at a time, on
one thread where it can be told so; by turns in some rounds, of which each program's fastest counts, since
other work on the machine only ever takes time. LanceDB is asked with the fastest of its settings that find as
much as searchkit did just before, of both sorts of question.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from report import Arguments, as_text, machine, write
from vectors import BATCH, Sheet

from searchkit.collection import Collection
from searchkit.types import EncoderRecord, Item, Kind, Space

DIM = 512
K = 10
QUESTIONS = 200
SPACE = Space("sheet", "0" * 64, 1, DIM)
LABELS = 100
"""How many labels there are to filter by; each keeps one row in a hundred."""

Found = dict[str, Any]
"""What is found by sort of question (recall and times), and how it was asked."""


class Source:
    """An encoder whose texts are questions from across the gap."""

    record = EncoderRecord("sheet", DIM, "none", "none", 64, 64, 0.0, "sheet", "made by a formula")
    space = SPACE
    temperature = 0.05

    def __init__(self) -> None:
        self._sheet = Sheet(DIM)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        return self._sheet.questions(len(texts), 77, across=True)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> np.ndarray:
        return self._sheet.questions(len(pixels), 78)

    def prepare_image(self, image: Any) -> np.ndarray:
        return np.asarray(image)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        return [(0, len(text))]


def item(n: int) -> Item:
    return Item(
        id=f"{n:020x}-{n:020x}-0",
        kind=Kind.IMAGE,
        path=f"/photos/{n // 1000:04}/IMG_{n:07}.jpg",
        source="/photos",
        sha256=f"{n:064x}",
        ordinal=0,
        mtime=1.6e9 + 60 * n,
        width=4000,
        height=3000,
        size=2_000_000 + n,
        label=f"label {n % LABELS}",
    )


def fill(library: Collection, rows: int) -> None:
    started, done = time.perf_counter(), library.store.count()
    for batch, vectors in enumerate(Sheet(DIM).rows(rows, seed=1)):
        start = batch * BATCH
        if start >= done:
            library.store.write([item(n) for n in range(start, start + len(vectors))], vectors)
    say(f"written {time.perf_counter() - started:.0f} s")


def questions() -> dict[str, np.ndarray]:
    sheet = Sheet(DIM)
    return {"alike": sheet.questions(QUESTIONS, 2), "across": sheet.questions(QUESTIONS, 3, across=True)}


def truth(
    work: Path, rows: int, name: str = "all", keep: Callable[[np.ndarray], np.ndarray] | None = None
) -> dict[str, np.ndarray]:
    """Return the (q, K) numbers of the nearest rows, by comparing with all; they are kept for the next
    program."""
    import faiss

    kept_file, sorts = work / f"truth-{name}-{rows}.npz", questions()
    if kept_file.exists():
        return dict(np.load(kept_file))
    heaps = {sort: faiss.ResultHeap(QUESTIONS, K, keep_max=True) for sort in sorts}
    for batch, vectors in enumerate(Sheet(DIM).rows(rows, seed=1)):
        numbers = np.arange(batch * BATCH, batch * BATCH + len(vectors))
        kept = np.ones(len(vectors), bool) if keep is None else keep(numbers)
        for sort, queries in sorts.items():
            scores, places = faiss.knn(queries, vectors[kept], K, metric=faiss.METRIC_INNER_PRODUCT)
            heaps[sort].add_result(scores, numbers[kept][places])
    for heap in heaps.values():
        heap.finalize()
    nearest = {sort: heap.I for sort, heap in heaps.items()}
    np.savez(kept_file, **nearest)
    return nearest


def measured(answer: Callable[[np.ndarray], Sequence[int]], true: dict[str, np.ndarray]) -> Found:
    """Measure recall@10, and the median and 95th percentile of milliseconds, of each sort of question. Each
    is asked twice, and the second time counts."""
    figures = {}
    for sort, vectors in questions().items():
        for vector in vectors:  # whoever was measured before may have had the memory for other files
            answer(vector)
        seconds, hits = [], 0
        for vector, right in zip(vectors, true[sort], strict=True):
            began = time.perf_counter()
            numbers = answer(vector)
            seconds.append(time.perf_counter() - began)
            hits += len(set(numbers) & set(right.tolist()))
        ordered = sorted(seconds)
        figures[sort] = {
            "recall": round(hits / (K * QUESTIONS), 4),
            "p50_ms": round(1000 * statistics.median(ordered), 3),
            "p95_ms": round(1000 * ordered[int(0.95 * len(ordered))], 3),
        }
    return figures


def worst(figures: Found) -> float:
    return min(figures["alike"]["recall"], figures["across"]["recall"])


def number(path: str) -> int:
    return int(path[-11:-4])


def ours(work: Path, rows: int, true: dict[str, np.ndarray], where: str | None = None) -> Found:
    with Collection.open(work / "library", encoder=Source()) as library:  # type: ignore[arg-type]

        def answer(vector: np.ndarray) -> list[int]:
            return [number(hit.path) for hit in library.search(vector=vector, k=K, filter=where)]

        figures = measured(answer, true)
        figures["resident_mb"] = round(resident(), 1)
        return figures


def resident() -> float:
    with Path("/proc/self/statm").open() as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def raw_faiss(work: Path, true: dict[str, np.ndarray]) -> Found:
    """Ask the same FAISS index without anything around it."""
    import faiss

    faiss.omp_set_num_threads(1)
    folder = next((work / "library" / "faiss").glob("*/base-*"))
    tuning = json.loads((folder / "image.json").read_text())["tuning"]
    index = faiss.read_index(str(folder / "image.faiss"), faiss.IO_FLAG_MMAP_IFC)
    parameters = None
    if tuning["nprobe"]:
        lists = faiss.SearchParametersIVF(nprobe=tuning["nprobe"])
        parameters = faiss.IndexRefineSearchParameters(k_factor=tuning["k_factor"], base_index_params=lists)
    ids = np.load(folder / "image.ids.npy")

    def answer(vector: np.ndarray) -> list[int]:
        places = index.search(vector[None], K, params=parameters)[1][0]
        return [int(ids[place][:20], 16) for place in places]

    return measured(answer, true) | {"index": tuning["index"], "nprobe": tuning["nprobe"]}


OURS = ("searchkit", "faiss", "filtered")
LANCE = {"IVF_RQ": "IvfRq", "IVF_SQ": "IvfSq", "HNSW_SQ": "HnswSq"}
REFINE = (2, 5, 10, 20)
"""How many times the wanted hits LanceDB reads whole vectors of."""
EFFORT = {"nprobes": (6, 8, 10, 12, 16, 20, 24, 32, 48, 64, 128), "ef": (1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 10)}
"""How many lists are looked into, or candidates in a graph for each vector that is read."""
MORE = 0.001
"""The recall from which it is worth trying a setting that takes longer."""


def raw_lance(
    work: Path, rows: int, name: str, true: dict[str, np.ndarray], least: Mapping[str, float]
) -> Found:
    """Ask a table of nothing but numbers and vectors by one of LanceDB's indexes.

    Returns the fastest setting that finds at `least` so much of each sort of question, or the one that finds
    most where none does."""
    import lancedb
    import lancedb.index
    import pyarrow as pa

    database = lancedb.connect(str(work / f"lance-{name}"))
    if "rows" not in database.list_tables().tables:
        schema = pa.schema([pa.field("n", pa.int64()), pa.field("vector", pa.list_(pa.float32(), DIM))])
        table = database.create_table("rows", schema=schema)
        for batch, vectors in enumerate(Sheet(DIM).rows(rows, seed=1)):
            numbers = pa.array(np.arange(batch * BATCH, batch * BATCH + len(vectors)))
            flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIM)
            table.add(pa.Table.from_arrays([numbers, flat], schema=schema))
        table.optimize()
    table = database.open_table("rows")
    kept = work / f"lance-{name}" / "seconds.json"
    if not kept.exists():
        began = time.perf_counter()
        table.create_index("vector", config=getattr(lancedb.index, LANCE[name])(distance_type="dot"))
        kept.write_text(json.dumps(time.perf_counter() - began))
    built = {"build_seconds": round(json.loads(kept.read_text()), 1)}
    how = "ef" if name.startswith("HNSW") else "nprobes"
    every: list[Found] = []
    for refine in REFINE:
        before = dict.fromkeys(least, 0.0)
        for times in EFFORT[how]:
            effort = int(times * refine * K) if how == "ef" else times

            def answer(vector: np.ndarray, effort: int = effort, refine: int = refine) -> list[int]:
                query = table.search(vector).distance_type("dot").select(["n", "_distance"]).limit(K)
                return getattr(query, how)(effort).refine_factor(refine).to_arrow()["n"].to_pylist()

            figures = measured(answer, true) | {how: effort, "refine_factor": refine} | built
            say(f"  {name} {figures}")
            every.append(figures)
            missing = [sort for sort, recall in least.items() if figures[sort]["recall"] < recall]
            if all(figures[sort]["recall"] < before[sort] + MORE for sort in missing):
                break
            before = {sort: figures[sort]["recall"] for sort in least}
    enough = [figures for figures in every if reaches(figures, least)]
    return min(enough, key=lambda figures: figures["alike"]["p50_ms"]) if enough else max(every, key=worst)


def reaches(figures: Found, least: Mapping[str, float]) -> bool:
    return all(figures[sort]["recall"] >= recall for sort, recall in least.items())


def changed(work: Path, rows: int, count: int) -> dict[str, Any]:
    """Delete some rows, add others like them, and measure recall at once and after the rebuild."""
    whole = enumerate(Sheet(DIM).rows(rows, seed=1))
    vectors = np.concatenate([some for batch, some in whole if batch * BATCH < count])[:count]
    again = [item(n) for n in range(len(vectors))]
    true = truth(work, rows)
    with Collection.open(work / "library", encoder=Source()) as library:  # type: ignore[arg-type]
        library.store.delete([one.id for one in again])
        gone = {n for vector in vectors[:50] for n in [number(library.search(vector=vector, k=1)[0].path)]}
        library.store.write(again, vectors)
        first = [number(library.search(vector=vector, k=1)[0].path) for vector in vectors[:50]]
        library.store.compact()
        library.accelerate(wait=True)
        after = measured(lambda v: [number(hit.path) for hit in library.search(vector=v, k=K)], true)
    return {
        "rows": count,
        "deleted_rows_found": len(gone & set(range(count))),
        "added_rows_found_at_once": f"{sum(n == m for n, m in enumerate(first))} of 50",
        "after": after,
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def part(name: str, options: argparse.Namespace, least: Mapping[str, float]) -> Any:
    """Run one program in a process of its own."""
    command = [sys.executable, __file__, "--part", name, "--rows", str(options.rows)]
    command += ["--work", str(options.work), "--least", json.dumps(least)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    say(f"{name}: {done.stdout.strip()}")
    return json.loads(done.stdout)


def run(name: str, options: argparse.Namespace) -> Any:
    work, rows = options.work, options.rows
    if name == "build":
        with Collection.open(work / "library", encoder=Source()) as library:  # type: ignore[arg-type]
            fill(library, rows)
            kept = work / f"built-{rows}.json"
            if kept.exists():  # by an earlier run
                return json.loads(kept.read_text())
            began = time.perf_counter()
            library.refresh()
            ready = time.perf_counter() - began
            library.accelerate(wait=True)
            built = {
                "searchable_after_seconds": round(ready, 1),
                "accelerated_after_seconds": round(time.perf_counter() - began, 1),
                "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1),
            }
            kept.write_text(json.dumps(built))
            return built
    if name == "changed":
        return changed(work, rows, rows // 10)
    if name == "filtered":
        return ours(work, rows, truth(work, rows, "label", lambda n: n % LABELS == 7), "label = 'label 7'")
    true = truth(work, rows)
    if name == "searchkit":
        return ours(work, rows, true)
    if name == "faiss":
        return raw_faiss(work, true)
    return raw_lance(work, rows, name, true, options.least)


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--part", help="one program, which prints what it found")
    parser.add_argument("--least", type=json.loads, default={}, help="recall of each sort, as JSON")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lance", nargs="*", choices=LANCE, default=list(LANCE), help="LanceDB's indexes")
    options = parser.parsed()
    if options.part:
        print(json.dumps(run(options.part, options)))
        return
    parts = {"build": part("build", options, {})}
    rounds = []
    for _ in range(options.rounds):
        figures = {name: part(name, options, {}) for name in OURS}
        least = {sort: figures["searchkit"][sort]["recall"] for sort in questions()}
        rounds.append(figures | {name: part(name, options, least) for name in options.lance})
    for name in rounds[0]:
        parts[name] = min((one[name] for one in rounds), key=lambda figures: figures["alike"]["p50_ms"])
    fast = parts["searchkit"]["alike"]["p50_ms"]
    enough = [parts[name] for name in options.lance if reaches(parts[name], least)]
    lance = min((one["alike"]["p50_ms"] for one in enough), default=None)
    parts["changed"] = part("changed", options, {})
    result = {
        "rows": options.rows,
        "dim": DIM,
        "machine": machine(),
        "rounds": options.rounds,
        "ratio_to_raw_faiss": round(fast / parts["faiss"]["alike"]["p50_ms"], 2),
        "times_faster_than_lancedb": round(lance / fast, 1) if lance else None,
        **parts,
    }
    say(as_text(result))
    write(result, options.out)


if __name__ == "__main__":
    main()
