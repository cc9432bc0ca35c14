"""Does search stay whole while the model changes, and how long does going back take?

    python benchmarks/switching.py --out benchmarks/results/switching.json

A collection of 5,000 texts is encoded anew, as `searchkit index --model` does it, while four processes
search it, a thousand times and more, until the change is done and after it. Each search must find the note
it asks for and come from one space. Then going back is timed, and forth, and back, each time until another
process answers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from report import Arguments, publish

from searchkit.collection import Collection
from searchkit.collection.spaces import refill, rollback
from searchkit.encoders.hashing import Hashing
from searchkit.types import Vectors

SEARCHERS = 4

SEARCHING = """
import json, random, sys, time
from pathlib import Path
from searchkit.collection import Collection
root, end, files, pause = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
chance = random.Random(sys.argv[5])
with Collection.open(root, create=False) as library:
    library.search("warm")
    print("ready", flush=True)
    while not end.exists():
        number = chance.randrange(files)
        began, answer = time.monotonic(), {}
        try:
            hits = library.search(f"note {number} about thing{number} of place{number}", k=3)
            answer["found"] = Path(hits[0].path).name == f"{number}.txt"
            answer["spaces"] = sorted({hit.space for hit in hits})
        except Exception as error:
            answer["error"] = repr(error)
        answer |= {"at": began, "seconds": time.monotonic() - began}
        print(json.dumps(answer), flush=True)
        time.sleep(pause)
"""


class Slow(Hashing):
    """Another space, whose encoder takes its time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(96)
        self.seconds = seconds

    def encode_text(self, texts: list[str]) -> Vectors:
        time.sleep(self.seconds * len(texts))
        return super().encode_text(texts)


def run(folder: Path, files: int, searches: int) -> dict[str, Any]:
    notes, end = folder / "notes", folder / "end"
    notes.mkdir()
    for number in range(files):
        (notes / f"{number}.txt").write_text(f"note {number} about thing{number} of place{number}\n")
    with Collection.open(folder / "library", model="hashing") as library:
        library.add(notes, batch_size=1024)
        logs = [(folder / f"log{number}").open("w+") for number in range(SEARCHERS)]
        command = [sys.executable, "-c", SEARCHING, str(library.root), str(end), str(files), "0.05"]
        running = [subprocess.Popen([*command, str(n)], stdout=log, text=True) for n, log in enumerate(logs)]
        while not all((folder / f"log{n}").read_text().startswith("ready") for n in range(SEARCHERS)):
            time.sleep(0.1)
        old, encoder = library.manifest.space, Slow(searches / files / 100)
        began = time.monotonic()
        report = refill(library, encoder, batch_size=64)
        took = time.monotonic() - began
        new = encoder.space.key
        lines = _lines(folder)
        during, ended = len(lines), time.monotonic()
        if report.indexed != files or library.current.manifest.space != new:
            raise SystemExit(f"the change did not come to its end: {report}")
        while len(_lines(folder)) < searches or len(_answered_by(folder, new)) < SEARCHERS:
            time.sleep(0.1)
        rollbacks, answered = [], []
        for expected in (old, new, old):
            began = time.monotonic()
            if rollback(library) != expected:
                raise SystemExit("went back to another space")
            rollbacks.append(time.monotonic() - began)
            while not any(line.get("spaces") == [expected] and line["at"] > began for line in _lines(folder)):
                time.sleep(0.02)
            answered.append(time.monotonic() - began)
        end.touch()
        for process in running:
            process.wait()
        for log in logs:
            log.close()
    answers = _lines(folder)
    before = sorted(line["seconds"] for line in answers if line["at"] < ended)
    after = sorted(line["seconds"] for line in answers if line["at"] >= ended)
    return {
        "items": files,
        "re-encoding, seconds": round(took, 1),
        "searches": len(answers),
        "searches while re-encoding": during,
        "failed": sum("error" in line for line in answers),
        "wrong": sum(not line.get("found", True) for line in answers),
        "of two spaces": sum(len(line.get("spaces", ())) > 1 for line in answers),
        "answered from": dict(Counter(line["spaces"][0] for line in answers if line.get("spaces"))),
        "errors": dict(Counter(line["error"][:200] for line in answers if "error" in line)),
        "seconds of a search while re-encoding": _summary(before),
        "and after": _summary(after),
        "rollback, seconds": [round(one, 3) for one in rollbacks],
        "until another process answers, seconds": [round(one, 3) for one in answered],
    }


def _answered_by(folder: Path, space: str) -> list[dict[str, Any]]:
    return [line for line in _lines(folder) if line.get("spaces") == [space]]


def _summary(seconds: list[float]) -> dict[str, float]:
    places = {"median": len(seconds) // 2, "99 %": int(0.99 * len(seconds)), "longest": -1}
    return {name: round(seconds[place], 4) for name, place in places.items()}


def _lines(folder: Path) -> list[dict[str, Any]]:
    """Return what the searching processes have printed so far."""
    answers = []
    for number in range(SEARCHERS):
        text = (folder / f"log{number}").read_text()
        answers += [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()[1:]]
    return answers


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--files", type=int, default=5000)
    parser.add_argument("--searches", type=int, default=1000)
    options = parser.parsed()
    with tempfile.TemporaryDirectory() as folder:
        figures = run(Path(folder), options.files, options.searches)
    publish(figures, options.out)


if __name__ == "__main__":
    main()
