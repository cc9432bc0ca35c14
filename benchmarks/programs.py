"""The programs that are compared: how each is run on a folder of pictures, and where its vectors end."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
SEARCHKIT = Path(sys.executable).with_name("searchkit")
BATCH = 32
ENVIRONMENT = {
    "OMP_WAIT_POLICY": "PASSIVE",  # waiting threads sleep
    "HF_HUB_OFFLINE": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONWARNINGS": "ignore",
}


@dataclass(frozen=True)
class Program:
    name: str
    version: str
    command: Callable[[Path, Path], list[str]]
    """Returns the command line for (a folder of pictures, an empty folder to write to)."""
    vectors: Callable[[Path], Mapping[str, Any]]
    """Reads what the command wrote to that folder: a vector by each picture's name."""


def programs(work: Path, rclip_python: Path | None, st_python: Path | None) -> list[Program]:
    """Return the programs that are installed, each with the same network in its own form."""
    network, onnx = work / "network", work / "rclip"
    if not (network / "model.safetensors").is_file():
        _write("checkpoint", network, python=Path(sys.executable))
    installed = [searchkit(network)]
    if rclip_python is None or not rclip_python.is_file():
        _left_out("rclip", rclip_python)
    elif st_python is None and not (onnx / "tokenizer").is_dir():
        _left_out("rclip", st_python, "to write its files")
    else:
        if st_python is not None and not (onnx / "tokenizer").is_dir():
            _write("onnx", network, onnx, python=st_python)
        installed.append(rclip(rclip_python, onnx))
    if st_python is None or not st_python.is_file():
        _left_out("sentence-transformers", st_python)
    else:
        installed.append(sentence_transformers(st_python, network))
    return installed


def _left_out(name: str, python: Path | None, purpose: str = "to run it") -> None:
    print(f"{name} is left out: there is no Python {purpose} ({python})", file=sys.stderr)


def _write(form: str, *paths: Path, python: Path) -> None:
    subprocess.run([python, HERE.with_name("network.py"), form, *paths], check=True, capture_output=True)


def searchkit(network: Path) -> Program:
    """Return searchkit as a program: its command line, into a new collection."""

    def command(pictures: Path, out: Path) -> list[str]:
        library = str(out / "library")
        return [str(SEARCHKIT), "index", str(pictures), "-c", library, "--model", str(network), "-q"]

    def vectors(out: Path) -> Mapping[str, Any]:
        from searchkit.collection import Collection

        with Collection.open(out / "library", create=False) as library:
            return {
                Path(item.path).name: vector
                for ids, rows in library.store.scan()
                for item, vector in zip(library.store.get(ids), rows, strict=True)
            }

    return Program("searchkit", _installed(Path(sys.executable), "searchkit"), command, vectors)


def rclip(python: Path, onnx: Path) -> Program:
    """Return rclip as a program: its command line, which indexes the current folder and then searches it."""

    def command(pictures: Path, out: Path) -> list[str]:
        for part in onnx.iterdir():
            (out / part.name).symlink_to(part)
        script = f'cd "$1" && RCLIP_DATADIR="$2" exec "{python.with_name("rclip")}" -f -t 1 cat'
        return ["sh", "-c", script, "sh", str(pictures), str(out)]

    def vectors(out: Path) -> Mapping[str, Any]:
        import sqlite3

        import numpy as np

        with sqlite3.connect(out / "db.sqlite3") as database:
            rows = database.execute("SELECT filepath, vector FROM images").fetchall()
        return {Path(path).name: np.frombuffer(vector, np.float32) for path, vector in rows}

    return Program("rclip", _installed(python, "rclip"), command, vectors)


def sentence_transformers(python: Path, network: Path) -> Program:
    """Return sentence-transformers as a program: `encode` on the list of paths, in float32."""

    def command(pictures: Path, out: Path) -> list[str]:
        return [str(python), str(HERE), SENTENCE_TRANSFORMERS, str(network), str(pictures), str(out)]

    def vectors(out: Path) -> Mapping[str, Any]:
        import numpy as np

        return dict(np.load(out / "vectors.npz"))

    version = _installed(python, SENTENCE_TRANSFORMERS)
    return Program(SENTENCE_TRANSFORMERS, version, command, vectors)


def encode_with_sentence_transformers(network: str, pictures: str, out: str) -> None:
    """Do what this file does when that program's Python runs it."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    paths = sorted(str(path) for path in Path(pictures).iterdir())
    model = SentenceTransformer(network, device="cpu", model_kwargs={"dtype": "float32"})
    vectors = model.encode(paths, batch_size=BATCH, show_progress_bar=False, normalize_embeddings=True)
    np.savez(Path(out) / "vectors.npz", **{Path(p).name: v for p, v in zip(paths, vectors, strict=True)})


def _installed(python: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def cost(command: list[str]) -> dict[str, float]:
    """Return CPU and wall seconds and the most resident memory of a command with all that it starts. It runs
    on one processor, where no thread spins while it waits for another, which would count as work.

    Through a small process of its own: a command's greatest memory counts from that of whoever started it.
    """
    start = [sys.executable, "-S", str(HERE), COST, *command]
    done = subprocess.run(start, env={**os.environ, **ENVIRONMENT}, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def run_and_account(*command: str) -> None:
    """Do what this file does when `cost` runs it."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    began = time.monotonic()
    code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "wall_s": round(time.monotonic() - began, 2),
        "peak_mb": round(used.ru_maxrss * 1024 / 1e6),
    }
    print(json.dumps(figures))
    sys.exit(code)


COST, SENTENCE_TRANSFORMERS = "cost", "sentence-transformers"
ROLES: dict[str, Callable[..., None]] = {
    COST: run_and_account,
    SENTENCE_TRANSFORMERS: encode_with_sentence_transformers,
}
if __name__ == "__main__":
    ROLES[sys.argv[1]](*sys.argv[2:])
