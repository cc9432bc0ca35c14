"""What does it cost to watch 100,000 files, and how soon is a change found?

    python benchmarks/watching.py --work FOLDER --out benchmarks/results/watching.json

Tiny texts and the weightless encoder, so that what is measured is the watching: `searchkit watch` in a
process of its own, and searches from this one. Idle is a minute in which nothing changes, after the first
look; the look at everything, which comes every fifteen minutes, is measured by itself. Then single files
change: while nothing else goes on, and while everything is looked at, over and over. Then 10,000 change, a
thousand at a time, and after each thousand, when all are indexed, the memory of the process is read.

What is known is written at once. In a FOLDER that is kept, files, collection and parts that are done are
taken from the run before.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from report import Arguments, publish, write

from searchkit.collection import Collection

FOLDERS = 100
FILES_CHANGED = 5000
"""Single changes are made to this many of the first files, wherever in the folders they are."""
LOOK = 900.0
"""Seconds between two looks at everything, by default."""


def note(folder: Path, number: int, words: str) -> Path:
    file = folder / f"{number % FOLDERS:02}" / f"{number:06}.txt"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"note {number} about {words}\n")
    return file


@contextmanager
def watching(root: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run `searchkit watch`, and enter once its first look is over."""
    command = [sys.executable, "-c", "from searchkit.cli.main import main; main()", "watch", "--json", "-q"]
    with subprocess.Popen(
        [*command, "-c", str(root), *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            json.loads(process.stdout.readline())
            yield process
        finally:
            process.kill()


def cpu(pid: int) -> float:
    """Return the seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Return the megabytes of a process alone; pages of files that it has mapped are the system's to take
    back."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024, 1)


def idle(library: Collection, seconds: float) -> dict[str, Any]:
    root = library.root
    with watching(root) as process:
        look = cpu(process.pid)
        while library.catalog.jobs.left(library.manifest.space)[0]:
            time.sleep(1.0)  # compaction of what was written before
        time.sleep(5)
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


def changes(library: Collection, folder: Path, times: int, tag: str) -> dict[str, float]:
    """Return seconds until single changes are found, each made some time after the one before."""
    took, chance = [], random.Random(times)
    for number in range(times):
        time.sleep(chance.uniform(0.5, 2.0))
        words = f"lighthouse{number}{tag} keeper{number}{tag}"
        file, began = note(folder, 7919 * number % FILES_CHANGED, words), time.monotonic()
        while library.search(words, k=1)[0].path != str(file):
            time.sleep(0.05)
        took.append(time.monotonic() - began)
    took.sort()
    return {"changes": times, "median": round(took[times // 2], 2), "longest": round(took[-1], 2)}


def quiet(library: Collection, folder: Path, tag: str) -> dict[str, Any]:
    with watching(library.root):
        return {"searchable after, seconds": changes(library, folder, 10, tag)}


def while_looking(library: Collection, folder: Path, tag: str) -> dict[str, Any]:
    """Measure the same while one look at everything follows the other."""
    looks: list[dict[str, Any]] = []
    with watching(library.root, "--every", "0.1") as process:

        def read() -> None:
            looks.extend(json.loads(line) for line in process.stdout)

        reading, began = threading.Thread(target=read), time.monotonic()
        reading.start()
        figures = changes(library, folder, 20, tag)
        wall = time.monotonic() - began
        process.kill()
        reading.join()
    seconds = [look["seconds"] for look in looks if look["seen"]]
    return {
        "searchable after, seconds, while everything is looked at": {
            **figures,
            "looks": len(seconds),
            "seconds of a look": round(sum(seconds) / max(1, len(seconds)), 2),
            "part of the time that was looking": round(sum(seconds) / wall, 2),
        }
    }


def flood(library: Collection, folder: Path, events: int, tell: Callable[[dict[str, Any]], None]) -> None:
    """Measure memory when all of a thousand changes are indexed, compacted and measured, and the most
    meanwhile."""
    sizes: list[float] = []
    peaks: list[float] = []
    tag = str(int(time.time()))
    files = sum(1 for _ in library.assets())
    with watching(library.root) as process:
        for done in range(1000, events + 1000, 1000):
            numbers = range(done - 1000, done)
            changed = {note(folder, number % files, f"flood{number} of {tag}") for number in numbers}
            peaks.append(settled(library, process.pid, sorted(changed)[::111]))
            sizes.append(megabytes(process.pid))
            print(done, sizes[-1], peaks[-1], flush=True)
            tell(
                {
                    "events": done,
                    "megabytes after each thousand": sizes,
                    "and the most during it": peaks,
                    "the last by the first": round(sizes[-1] / sizes[0], 3),
                    "the last by the second": round(sizes[-1] / sizes[min(1, len(sizes) - 1)], 3),
                }
            )


def settled(library: Collection, pid: int, unseen: list[Path]) -> float:
    """Wait until all of these are found and nothing is owed, and return the most memory that took."""
    patience, most, space = time.monotonic() + 600, 0.0, library.manifest.space
    while unseen or library.catalog.jobs.owes_refresh(space) or library.catalog.jobs.left(space)[0]:
        if time.monotonic() > patience:
            raise SystemExit(f"some changes are not found: {unseen}")
        if unseen and not library.catalog.jobs.counts(space).get("waiting"):  # to search takes a core, too
            unseen = [file for file in unseen if not _found(library, file)]
        most = max(most, megabytes(pid))
        time.sleep(0.25)
    return most


def _found(library: Collection, file: Path) -> bool:
    """Return whether a search finds a file with its present content. The search names the path, because some
    of a thousand notes that differ in one word are the same to an encoder of hashes."""
    words = file.read_text()
    return any(hit.text == words.strip() for hit in library.search(words, k=1, filter=f"path = '{file}'"))


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--work", type=Path, help="Keep the files and the collection there.")
    options = parser.parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with the process that watches
    with tempfile.TemporaryDirectory() as scratch:
        work = options.work or Path(scratch)
        folder, known = work / "notes", work / "found.json"
        figures: dict[str, Any] = (
            json.loads(known.read_text()) if known.exists() else {"files": options.files}
        )

        def tell(more: dict[str, Any]) -> None:
            figures.update(more)
            known.write_text(json.dumps(figures))
            write(figures, options.out)

        with Collection.open(work / "library", model="hashing") as library:
            if not (work / "ready").exists():
                for number in range(options.files):
                    note(folder, number, f"thing{number}")
                library.add(folder, batch_size=4096)
                library.accelerate(wait=True)
                (work / "ready").touch()
            tag = f"at{int(time.time())}"
            parts = {
                "idle CPU, percent": lambda: idle(library, options.seconds),
                "searchable after, seconds": lambda: quiet(library, folder, tag),
                "searchable after, seconds, while everything is looked at": lambda: while_looking(
                    library, folder, tag
                ),
            }
            for name, part in parts.items():
                if name not in figures:
                    tell(part())
                    print(name, json.dumps(figures), flush=True)
            if figures.get("events", 0) < options.events:
                flood(library, folder, options.events, tell)
    publish(figures, options.out)


if __name__ == "__main__":
    main()
