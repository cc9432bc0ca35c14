"""What does it cost to watch 100,000 files, and how soon is a change found?

    python benchmarks/watching.py --out benchmarks/results/watching.json

Tiny texts and the weightless encoder, so that what is measured is the watching: `searchkit watch` in a
process of its own, and searches from this one. Idle is a minute in which nothing changes, after the first
look; the look at everything, which comes every fifteen minutes, is measured by itself. Then single files
change, then 10,000 of them, a thousand at a time, and after each thousand, when all are indexed, the memory
of the process is read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import publish

from searchkit.collection import Collection

FOLDERS = 100
LOOK = 900.0
"""Seconds between two looks at everything, by default."""


def note(folder: Path, number: int, words: str) -> Path:
    file = folder / f"{number % FOLDERS:02}" / f"{number:06}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"note {number} about {words}\n")
    return file


@contextmanager
def watching(root: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """`searchkit watch`, once its first look is over."""
    command = [sys.executable, "-c", "from searchkit.cli.main import main; main()", "watch", "--json"]
    with subprocess.Popen(
        [*command, "-c", str(root), *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            json.loads(process.stdout.readline())
            yield process
        finally:
            process.kill()


def cpu(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """What a process has of its own: pages of files that it has mapped are the system's to take back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024, 1)


def idle(library: Collection, seconds: float) -> dict[str, Any]:
    root = library.root
    with watching(root) as process:
        look = cpu(process.pid)
        while library.catalog.jobs.left(library.manifest.space)[0]:
            time.sleep(1.0)  # compaction of what was written before
        time.sleep(20)
        before = cpu(process.pid)
        time.sleep(seconds)
        share = (cpu(process.pid) - before) / seconds
    with watching(root, "--every", "1") as process:
        began, looks = cpu(process.pid), 3
        for _ in range(looks):
            process.stdout.readline()
        one = (cpu(process.pid) - began) / looks
    return {
        "start and first look, seconds of CPU": round(look, 1),
        "idle CPU, percent": round(100 * share, 2),
        "a look at everything, seconds of CPU": round(one, 1),
        "with a look every fifteen minutes, percent": round(100 * (share + one / LOOK), 2),
    }


def changes(library: Collection, folder: Path, process: subprocess.Popen[str], times: int) -> dict[str, Any]:
    took = []
    for number in range(times):
        time.sleep(1.0)
        began = time.monotonic()
        file = note(folder, 7919 * number, f"lighthouse{number} keeper{number}")
        while library.search(f"lighthouse{number} keeper{number}", k=1)[0].path != str(file):
            time.sleep(0.05)
        took.append(time.monotonic() - began)
    took.sort()
    return {
        "searchable after, seconds": {"median": round(took[len(took) // 2], 2), "longest": round(took[-1], 2)}
    }


def flood(library: Collection, folder: Path, process: subprocess.Popen[str], events: int) -> dict[str, Any]:
    """Memory when all of a thousand changes are indexed, compacted and measured, and the most meanwhile."""
    sizes, peaks, done = [], [], 0
    while done < events:
        for number in range(done, done + 1000):
            note(folder, number, f"flood{number}")
        done += 1000
        space = library.manifest.space
        patience, most = time.monotonic() + 600, 0.0
        unseen = list(range(done - 1000, done, 111))
        while unseen or library.catalog.jobs.owes_refresh(space) or library.catalog.jobs.left(space)[0]:
            if time.monotonic() > patience:
                raise SystemExit(f"of the changes up to {done} some are not found: {unseen}")
            unseen = [number for number in unseen if not _found(library, number)]
            most = max(most, megabytes(process.pid))
            time.sleep(0.25)
        sizes.append(megabytes(process.pid))
        peaks.append(most)
        print(done, sizes[-1], most, flush=True)
    return {
        "events": done,
        "megabytes after each thousand": sizes,
        "and the most during it": peaks,
        "the last by the first": round(sizes[-1] / sizes[0], 3),
    }


def _found(library: Collection, number: int) -> bool:
    hits = library.search(f"flood{number}", k=5)  # the encoder is made of hashes: others may come first
    return any(hit.text == f"note {number} about flood{number}" for hit in hits)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", type=Path, help="Keep the files and the collection there.")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        folder = work / "notes"
        with Collection.open(work / "library", model="hashing") as library:
            if not (work / "ready").exists():
                for number in range(options.files):
                    note(folder, number, f"thing{number}")
                library.add(folder, batch_size=4096)
                (work / "ready").touch()
            found: dict[str, Any] = {"files": options.files, **idle(library, options.seconds)}
            print(json.dumps(found), flush=True)
            with watching(library.root) as process:
                time.sleep(5)
                found |= changes(library, folder, process, 10)
                print(json.dumps(found), flush=True)
                found |= flood(library, folder, process, options.events)
    publish(found, options.out, "lancedb", "sqlalchemy", "watchfiles")


if __name__ == "__main__":
    main()
