"""How much faster are two workers than one, when the encoder is what takes the time?

    python benchmarks/workers.py --out benchmarks/results/workers.json

The encoder sleeps for as long as a network would compute: what is measured is the queue, the turns at writing
and the processes, not the processor. The clock starts when every worker has begun its first batch.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from report import Arguments, publish

from searchkit.collection import Collection
from searchkit.collection.jobs import enqueue

WORKER = """
import sys, time
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.indexers.worker import Worker
from searchkit.collection.jobs import How

class Slow(Hashing):
    def encode_text(self, texts):
        time.sleep(float(sys.argv[2]) * len(texts))
        return super().encode_text(texts)

encoder = Slow()
with Collection.open(sys.argv[1], encoder=encoder) as library:
    library.store.count()
    print("ready", flush=True)
    sys.stdin.readline()
    Worker(library, How(32, 2)).drain()
"""


def run(files: int, workers: int, seconds: float) -> float:
    """Return the seconds that this many workers take for this many files of `seconds` each."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.mkdir()
        for number in range(files):
            (notes / f"{number}.txt").write_text(f"note {number} about thing{number}\n")
        with Collection.open(Path(folder) / "library", model="hashing") as library:
            enqueue(library, notes)
            command = [sys.executable, "-c", WORKER, str(library.root), str(seconds)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
            running = [subprocess.Popen(command, text=True, **pipes) for _ in range(workers)]
            for process in running:
                process.stdout.readline()
            began = time.monotonic()
            for process in running:
                process.stdin.write("go\n")
                process.stdin.flush()
            while len(list(library.assets())) < files:
                time.sleep(0.05)
            took = time.monotonic() - began
            for process in running:
                process.communicate()
        return took


def main() -> None:
    parser = Arguments(__doc__)
    parser.add_argument("--files", type=int, default=1500)
    parser.add_argument("--seconds", type=float, default=0.02, help="of encoding a file")
    options = parser.parsed()
    took = {workers: run(options.files, workers, options.seconds) for workers in (1, 2)}
    figures = {
        "files": options.files,
        "seconds a file": options.seconds,
        "one worker, files per second": round(options.files / took[1], 1),
        "two workers, files per second": round(options.files / took[2], 1),
        "ratio": round(took[1] / took[2], 2),
    }
    publish(figures, options.out)


if __name__ == "__main__":
    main()
