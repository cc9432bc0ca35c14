"""Long documents flow through: memory does not grow with them, and progress is told by their parts."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

LIMIT = 1500
"""Megabytes above what the process has with its encoder."""

INDEX = """
import json, resource, sys
from pathlib import Path
from searchkit.collection import Collection
from searchkit.registry import load_encoder

def peak():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    # on Linux ru_maxrss counts what the process that started this one held, too
    (line,) = [one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM")]
    return int(line.split()[1]) / 1e3

library = Collection.open(sys.argv[2], encoder=load_encoder("hashing"))
library.encoder.encode_text(["warm"]), library.store.count()
before, parts = peak(), []
report = library.add(sys.argv[1], on_progress=lambda p: parts.append((p.part, p.parts)) if p.parts else None)
print(json.dumps({
    "grown": peak() - before,
    "parts": parts,
    "passages": report.passages,
    "failures": [f.reason for f in library.failures()],
}))
"""


def vocabulary(rng: random.Random, words: int) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(rng.choices(letters, k=rng.randint(2, 11))) for _ in range(words)]


def write_text(path: Path) -> int:
    """200 MB of sentences, with letters beyond ASCII; says of how many characters."""
    rng, written = random.Random(5), 0
    words = [*vocabulary(rng, 20_000), "café", "größer"]
    with path.open("w", encoding="utf-8") as file:
        while written < 200_000_000:
            written += file.write(" ".join(rng.choices(words, k=400)).capitalize() + ".\n")
    return written


def write_pdf(path: Path) -> int:
    """3,000 pages of forty lines; says how many pages."""
    rng, pages = random.Random(5), 3000
    words = vocabulary(rng, 5000)
    numbers = range(10, 10 + 2 * pages, 2)
    with path.open("wb") as file:
        file.write(b"%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n")
        file.write(b"3 0 obj << /Type /Font /Subtype /Type1 /BaseFont /Helvetica >> endobj\n")
        kids = " ".join(f"{number} 0 R" for number in numbers)
        file.write(f"2 0 obj << /Type /Pages /Count {pages} /Kids [{kids}]".encode())
        file.write(b" /MediaBox [0 0 600 800] /Resources << /Font << /F 3 0 R >> >> >> endobj\n")
        for number in numbers:
            lines = "".join(f"({' '.join(rng.choices(words, k=12))}.) Tj T* " for _ in range(40))
            body = f"BT /F 9 Tf 40 780 Td 11 TL {lines}ET"
            file.write(f"{number} 0 obj << /Type /Page /Parent 2 0 R /Contents {number + 1} 0 R >> ".encode())
            file.write(f"endobj {number + 1} 0 obj << /Length {len(body)} >> stream\n".encode())
            file.write(f"{body}\nendstream endobj\n".encode())
        file.write(b"trailer << /Root 1 0 R >>\n%%EOF\n")
    return pages


@pytest.mark.slow
@pytest.mark.parametrize(("name", "write"), [("big.pdf", write_pdf), ("big.txt", write_text)])
def test_a_long_document_is_indexed_in_bounded_memory(
    tmp_path: Path, name: str, write: Callable[[Path], int]
) -> None:
    size = write(tmp_path / name)
    command = [sys.executable, "-c", INDEX, str(tmp_path / name), str(tmp_path / "library")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found["failures"] == [] and found["passages"] > 10_000
    parts = [part for part, _ in found["parts"]]
    assert {whole for _, whole in found["parts"]} == {size}
    assert parts == sorted(parts) and len(set(parts)) > 50 and parts[-1] >= size - 2
    assert 0 < found["grown"] < LIMIT
