"""The main job on real data: retrieval figures of `pocket`, and one collection of photos and meetings.

    python benchmarks/main_job.py --data FOLDER [--out benchmarks/results/main_job.json] [--only PART]

FOLDER holds `scifact/` (BEIR layout), `flickr8k.parquet` (image, captions, split), `photos.parquet` (image,
label, source) and `qmsum/` (BEIR layout). None of it comes with searchkit. All goes through the command line,
as a person would.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image
from report import Arguments, as_text, earlier, machine, write

COMMAND = [str(Path(sys.executable).with_name("searchkit"))]


def main() -> None:
    parser = Arguments(__doc__, result="main_job.json", data="the files named above")
    parser.add_argument("--only", choices=list(PARTS), action="append")
    options = parser.parsed()
    results = earlier(options.out)
    for name in options.only or PARTS:
        results[name] = {"machine": machine(), **PARTS[name](options.data)}
        print(as_text({name: results[name]}), flush=True)
        write(results, options.out)


def scifact(data: Path) -> dict[str, Any]:
    return evaluated(data / "scifact")


def flickr8k(data: Path) -> dict[str, Any]:
    return evaluated(data / "flickr8k.parquet", "--split", "test")


def zeroshot(data: Path) -> dict[str, Any]:
    """Measure labels that are given by name alone to photos that training held out."""
    photos, sources = data / "photos.parquet", ("caltech-101", "tf-flowers")
    return {source: evaluated(photos, "--source", source, "--held-out", "10") for source in sources}


def evaluated(*arguments: str | Path) -> dict[str, Any]:
    """Evaluate in float32, so that processors that multiply bfloat16 and those that do not agree."""
    return run("evaluate", *map(str, arguments), "--dtype", "float32", "--json")


def collection(data: Path) -> dict[str, Any]:
    """Index 1,000 photos as JPEG files and the test meetings as text, again, after a move, and search all
    ways."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        pictures, meetings = write_photos(data, root / "photos"), write_meetings(data, root / "meetings")
        library = ("-c", str(root / "library"))
        first = run("index", str(pictures), str(meetings), *library, "--json")
        second = run("index", str(pictures), str(meetings), *library, "--json")
        moved = pictures / "2026"
        moved.mkdir()
        for file in list(pictures.glob("*.jpg")):
            shutil.move(file, moved / file.name)
        after_move = run("index", *library, "--json")
        assert second["indexed"] == second["reused"] == after_move["indexed"] == 0
        picture = str(sorted(moved.iterdir())[0])
        searches = {
            "text to image": ("a dog running on the grass", "--kind", "image"),
            "text to passage": ("what did they decide about the remote control's price", "--kind", "passage"),
            "text to anything": ("a child on a swing",),
            "image to text": ("--image", picture, "--kind", "passage"),
            "image to image": ("--image", picture, "--kind", "image"),
        }
        seconds, hits = {}, {}
        for name, arguments in searches.items():
            began = time.monotonic()
            hits[name] = len(lines("search", *arguments, *library, "--json"))
            seconds[name] = round(time.monotonic() - began, 2)
        return {
            "photos": 1000,
            "meetings": len(list(meetings.iterdir())),
            "first run": first,
            "second run": second,
            "second / first": round(second["seconds"] / first["seconds"], 4),
            "after moving 1000 files": after_move,
            "hits": hits,
            "seconds of a whole search command": seconds,
        }


def photos(data: Path) -> dict[str, Any]:
    """Index the 1,000 photos alone, without documents."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = write_photos(data, Path(scratch) / "photos")
        return run("index", str(folder), "-c", str(Path(scratch) / "library"), "--json")


def startup(_: Path) -> dict[str, Any]:
    """Measure seconds of `searchkit --help`, the median of nine whole processes."""
    times = []
    for _ in range(10):
        began = time.monotonic()
        subprocess.run([*COMMAND, "--help"], check=True, capture_output=True)
        times.append(time.monotonic() - began)
    return {"help seconds, median": round(sorted(times[1:])[4], 3)}


PARTS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "scifact": scifact,
    "flickr8k": flickr8k,
    "zeroshot": zeroshot,
    "collection": collection,
    "photos": photos,
    "startup": startup,
}


def lines(*arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    if done.returncode not in (0, 1):
        sys.exit(f"main_job: searchkit {' '.join(arguments)} failed:\n{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run(*arguments: str) -> dict[str, Any]:
    return lines(*arguments)[-1]


def write_photos(data: Path, folder: Path, split: str = "test") -> Path:
    folder.mkdir()
    table = pq.read_table(data / "flickr8k.parquet", columns=["id", "image"], filters=[("split", "=", split)])
    for row in table.to_pylist():
        image = Image.open(io.BytesIO(row["image"])).convert("RGB")
        image.save(folder / f"{Path(row['id']).stem}.jpg", quality=90)
    return folder


def write_meetings(data: Path, folder: Path) -> Path:
    folder.mkdir()
    judged = (data / "qmsum" / "qrels" / "test.tsv").read_text().splitlines()[1:]
    wanted = {line.split("\t")[1] for line in judged}
    with gzip.open(data / "qmsum" / "corpus.jsonl.gz", "rt") as corpus:
        for line in corpus:
            meeting = json.loads(line)
            if meeting["_id"] in wanted:
                (folder / f"{meeting['_id']}.txt").write_text(meeting["text"])
    return folder


if __name__ == "__main__":
    main()
