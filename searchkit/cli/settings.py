"""The settings of a command, and what is said and asked of a settings file that may be somebody else's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from searchkit import settings
from searchkit.cli import output
from searchkit.settings import FROM, Settings, without_password


def load(**flags: object) -> Settings:
    """Merge flags, environment, file and defaults as `searchkit.settings.load` does, asking whoever is at the
    terminal."""
    return settings.load(_agrees, **flags)


def _agrees(file: Path, values: Mapping[str, object]) -> bool:
    """Say that the file of the current folder counts; ask whether it may say where things go."""
    if not values:
        output.note(f"settings are those of {file}")
        return True
    shown = ", ".join(f"{key} = {_shown(key, value)}" for key, value in values.items())
    if sys.stdin.isatty() and sys.stderr.isatty():
        output.note(f"settings are those of {file}; it says {shown}")
        print("is that what you want? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            os.environ[FROM] = str(file)  # the processes that this one starts need not ask
            return True
        return False
    output.note(
        f"settings are those of {file}, but for {shown}, which your own decide: "
        f"'searchkit --settings {file} …' takes all of them"
    )
    return False


def _shown(key: str, value: object) -> str:
    return without_password(value) if key == "catalog" and isinstance(value, str) else repr(value)
