"""What keeps a process that lasts from growing."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

THREADS = """
import ctypes, os, sys, threading
from searchkit.indexers.memory import spare
if sys.argv[1] == "sparing":
    spare()
if sys.argv[1] == "indexing":
    from typer.testing import CliRunner
    from searchkit.cli.main import app
    CliRunner().invoke(app, ["index", *sys.argv[2:]], catch_exceptions=False)
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
libc.fdopen.restype, libc.fdopen.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_char_p]
libc.malloc_info.argtypes, libc.fflush.argtypes = [ctypes.c_int, ctypes.c_void_p], [ctypes.c_void_p]
all_here = threading.Barrier(8)

def use():
    held = libc.malloc(5000)
    all_here.wait()
    libc.free(held)

threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
out = libc.fdopen(1, b"w")
libc.malloc_info(0, out)
libc.fflush(out)
"""


def heaps(*how: str) -> int:
    command = [sys.executable, "-c", THREADS, *how]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.count("<heap ")


pytestmark = pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc", reason="other C libraries hand out memory otherwise"
)


def test_the_threads_of_a_worker_share_one_heap() -> None:
    assert heaps("plain") > 1
    assert heaps("sparing") == 1


def test_so_do_those_of_the_command_that_indexes(tmp_path: Path) -> None:
    (tmp_path / "some.txt").write_text("A sentence.")
    assert heaps("indexing", str(tmp_path), "-c", str(tmp_path / "library"), "--model", "hashing", "-q") == 1
    assert (tmp_path / "library").is_dir()
