"""What a hostile file may cost a run, by the real command: it is refused with the reason, a stop is heard
while it is read, and the others are indexed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing

INTERRUPTED = 130
MEGABYTES = 500
"""Above what indexing one small text takes."""


def command(folder: Path) -> list[str]:
    main = "from searchkit.cli.main import main; main()"
    rest = ["index", str(folder), "-c", str(folder.parent / "library"), "--model", "hashing"]
    return [sys.executable, "-c", main, *rest]


def children(pid: int) -> list[str]:
    found: list[str] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += file.read_text().split()
    return found


def held(pid: int | str) -> int:
    with suppress(OSError):
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
        return int(found[1]) // 1000 if found else 0
    return 0


def most_held(folder: Path) -> tuple[int, int]:
    """The command's exit status, and the most megabytes that it and its children held at once."""
    with subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        most = 0
        while process.poll() is None:
            most = max(most, sum(map(held, [process.pid, *children(process.pid)])))
            time.sleep(0.01)
        return process.returncode, most


def shared_page(pieces: int, pages: int) -> bytes:
    """A PDF of which all pages have the same content: so many pieces of a path that is never drawn."""
    content = zlib.compress(b"0 0 m 1 1 l n " * pieces, 9)
    numbers = range(100, 100 + pages)
    kids = b" ".join(b"%d 0 R" % number for number in numbers)
    file = b"%PDF-1.4\n1 0 obj << /Type /Catalog /Pages 2 0 R >> endobj\n"
    file += b"2 0 obj << /Type /Pages /Count %d /Kids [%s] /MediaBox [0 0 600 800] >> endobj\n" % (
        pages,
        kids,
    )
    for number in numbers:
        file += b"%d 0 obj << /Type /Page /Parent 2 0 R /Contents 5 0 R >> endobj\n" % number
    file += b"5 0 obj << /Filter /FlateDecode /Length %d >> stream\n%s\nendstream endobj\n" % (
        len(content),
        content,
    )
    return file + b"trailer << /Root 1 0 R >>\n%%EOF\n"


def slow_rtf() -> bytes:
    """Legal, and long enough to be in the middle of it for seconds."""
    return b"{\\rtf1 " + b"{a\\par }" * (6 << 20) + b"}"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at as Linux shows them")
@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_is_heard_while_a_file_is_read(which: signal.Signals, files: Path) -> None:
    (files / "slow.rtf").write_bytes(slow_rtf())
    process = subprocess.Popen(command(files), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while not (readers := children(process.pid)):
            assert process.poll() is None
            time.sleep(0.05)
        while held(readers[0]) < 80:  # in the middle of it
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(which)
        assert process.wait(timeout=60) == INTERRUPTED
    finally:
        process.kill()
        process.wait()
    with suppress(ProcessLookupError):
        os.kill(int(readers[0]), 0)
        raise AssertionError("what read the file goes on")
    with Collection.open(files.parent / "library", create=False, encoder=Hashing()) as library:
        assert library.failures() == [] and library.store.count() == 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is told by Linux")
@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.ipynb", b'{"cells":[' + b"{}," * (3 << 20) + b"{}]}", "has no text"),
        ("a.rtf", b"{\\rtf1 " + b"{" * (10 << 20), "nests more than 10,000 groups"),
        ("a.csv", b"," * 100_000_000, "takes more than 400 MB of memory to read"),
        ("a.pdf", b"<!---->" * 60, "damaged or not a PDF"),
        ("b.pdf", shared_page(4_000_000, 30), "takes more than 20 s of processor time"),
        ("a.txt", b"\1" * 100_000_000, "is binary, not text"),
        ("a.json", ("\U0001f600" + "a" * 100_000_000).encode(), "takes more than 256 MB of memory as text"),
        ("a.png", b"", "MB of memory to decode, more than 480"),
    ],
    ids=["notebook", "rtf", "commas", "comments", "shared page", "controls", "wide letter", "picture"],
)
def test_a_hostile_file_is_refused_within_the_budgets(
    name: str, content: bytes, reason: str, files: Path
) -> None:
    (files / "good.txt").write_text("The keeper rowed out.")
    (files / "good.csv").write_text("name,kg\ncrane,6\n")  # for which the other process is there too
    status, usual = most_held(files)
    assert status == 0 and usual
    for number in range(8 if name.endswith(".png") else 1):
        path = files / f"{number}{name}"
        if content:
            path.write_bytes(content)
        else:
            Image.new("RGBA", (9_000, 9_000), (9, number, 9, 9)).save(path, compress_level=1)
    status, most = most_held(files)
    assert status == 3 and most - usual < MEGABYTES
    with Collection.open(files.parent / "library", create=False, encoder=Hashing()) as library:
        assert {reason in failure.reason for failure in library.failures()} == {True}
        assert library.search("keeper", k=1)[0].path == str(files / "good.txt")
