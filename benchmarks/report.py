"""What every benchmark needs beside its measurement: arguments, the machine, and results as JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("torch", "lancedb", "faiss-cpu", "pillow", "sqlalchemy", "streamlit", "watchfiles")
INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""Instructions that halve the time of a vector, and that some processors of one name have and others lack."""


class Arguments(argparse.ArgumentParser):
    """A parser with the benchmark's docstring as its help and `--out` for its results.

    `result` names the file in `benchmarks/results` that `--out` has as its default; without it, nothing is
    written unless `--out` is given. `data` says what the folder of the required option `--data` holds.
    """

    def __init__(self, doc: str | None, *, result: str | None = None, data: str | None = None) -> None:
        super().__init__(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
        self._reads_data = data is not None
        if self._reads_data:
            self.add_argument("--data", type=Path, required=True, help=f"folder of {data}")
        self.add_argument("--out", type=Path, default=RESULTS / result if result else None)

    def parsed(self, *files: str) -> argparse.Namespace:
        """Return the options; end the program when the data folder, or one of its `files`, is not there."""
        options = self.parse_args()
        if self._reads_data and not options.data.is_dir():
            sys.exit(f"{self.prog}: {options.data} is not a folder; --data names the one with the real data")
        missing = [name for name in files if not (options.data / name).exists()]
        if missing:
            sys.exit(f"{self.prog}: {options.data} has no {' and no '.join(missing)}")
        return options


def machine(*, load: bool = False) -> dict[str, Any]:
    """Return what figures depend on: processor, versions and day, and the load average with `load`."""
    fields: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    flags = fields.get("flags", "").split()
    versions = {package.name.lower(): package.version for package in distributions()}
    described = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": fields.get("model name", platform.processor()),
        "instructions": [name for name in INSTRUCTIONS if name in flags],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: versions[name] for name in PACKAGES if name in versions},
    }
    return {**described, "load average": [round(one, 1) for one in os.getloadavg()]} if load else described


def earlier(out: Path) -> dict[str, Any]:
    """Return the results that an earlier run wrote to `out`; empty when there are none."""
    results: dict[str, Any] = json.loads(out.read_text("utf-8")) if out.is_file() else {}
    return results


def as_text(results: Mapping[str, Any]) -> str:
    """Return results as JSON of one key a line."""
    return json.dumps(results, indent=2, ensure_ascii=False)


def write(results: Mapping[str, Any], out: Path | None) -> None:
    """Write results to `out`, if there is one, and make the folders above it."""
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(as_text(results) + "\n", "utf-8")


def publish(results: Mapping[str, Any], out: Path | None) -> None:
    """Print results with the machine that they were measured on, and write them to `out` if there is one."""
    results = {**results, "machine": machine()}
    print(as_text(results), flush=True)
    write(results, out)
