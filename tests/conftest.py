"""What every test gets: a home of its own, no settings from outside, and pictures to work on."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PLACES = {"XDG_DATA_HOME": "data", "XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache"}


@pytest.fixture(autouse=True)
def home(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """An empty home folder: no test reads or writes the user's collections or settings.

    Tests that start a browser or build a wheel keep the real home, where those tools have their own files.
    """
    for name in [name for name in os.environ if name.startswith("SEARCHKIT_")]:
        monkeypatch.delenv(name)
    folder = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    if not any(request.node.get_closest_marker(name) for name in ("slow", "browser")):
        monkeypatch.setenv("HOME", str(folder))
        for variable, name in PLACES.items():
            monkeypatch.setenv(variable, str(folder / name))
    return folder


@pytest.fixture(scope="session")
def quarters() -> Image.Image:
    """60 × 40 pixels: red, green / blue, white. Every turn and flip of it differs from every other."""
    pixels = np.full((40, 60, 3), 255, np.uint8)
    pixels[:20, :30] = (255, 0, 0)
    pixels[:20, 30:] = (0, 255, 0)
    pixels[20:, :30] = (0, 0, 255)
    return Image.fromarray(pixels)
