"""What every benchmark says beside its figures, and where it puts them."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

PACKAGES = ("torch", "lancedb", "faiss-cpu", "pillow", "sqlalchemy", "streamlit", "watchfiles")
TELLING = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
"""What one processor has and another of the same name lacks, and vectors take half the time by."""


def machine() -> dict[str, Any]:
    """What figures depend on: the processor, the versions, and the day."""
    told: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, said = line.partition(":")
            told.setdefault(name.strip(), said.strip())
    flags = told.get("flags", "").split()
    versions = {one.name.lower(): one.version for one in distributions()}
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": told.get("model name", platform.processor()),
        "instructions": [one for one in TELLING if one in flags],
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        **{name: versions[name] for name in PACKAGES if name in versions},
    }


def publish(found: Mapping[str, Any], out: Path | None) -> None:
    """Print the figures with where they come from, and write them to `out` if there is one."""
    text = json.dumps({**found, "machine": machine()}, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")
