"""What every benchmark of the worker says beside its figures, and where it puts them."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any


def provenance(*packages: str) -> dict[str, Any]:
    """The machine, the versions of these packages and of Python, and the day."""
    return {
        "machine": f"{platform.machine()}, {platform.system()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "date": dt.date.today().isoformat(),
    }


def publish(found: Mapping[str, Any], out: Path | None, *packages: str) -> None:
    """Print the figures with where they come from, and write them to `out` if there is one."""
    text = json.dumps({**found, **provenance(*packages)}, indent=2)
    print(text)
    if out:
        out.write_text(text + "\n")
