"""The speeds that `searchkit bench` measured here, kept in the user's cache for `searchkit models`."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from searchkit.registry import COMMIT_SUFFIX

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Speed:
    """The latest figures of an encoder."""

    encoder: str
    images_per_second: float | None
    """Pictures a second; None for an encoder of text alone."""
    texts_per_second: float
    processor: str
    date: str
    """The time in ISO format, UTC."""


def speeds_file() -> Path:
    """The path of the file in the user's cache."""
    return user_cache_path("searchkit") / "speeds.json"


def load_speeds() -> dict[str, Speed]:
    """The latest speed of each encoder, by its name without the commit.

    There are none where the file is missing or damaged.
    """
    latest = sorted(_by_space().values(), key=lambda speed: speed.date)
    return {COMMIT_SUFFIX.sub("", speed.encoder): speed for speed in latest}


def save_speed(space: str, speed: Speed) -> None:
    """Keeps a speed under a space's key, beside the others; only warns where the cache cannot be written."""
    file = speeds_file()
    speeds = {key: asdict(value) for key, value in {**_by_space(), space: speed}.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", delete=False) as new:
            json.dump(speeds, new, indent=2)
        os.replace(new.name, file)
    except OSError as error:
        logger.warning("the speed is not kept: %s: %s", file, error.strerror)


def _by_space() -> dict[str, Speed]:
    try:
        content = json.loads(speeds_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    entries = content.items() if isinstance(content, dict) else ()
    return {key: speed for key, entry in entries if (speed := _speed(entry)) is not None}


def _speed(entry: Any) -> Speed | None:
    match entry:
        case {
            "encoder": str(encoder),
            "images_per_second": int() | float() | None as images,
            "texts_per_second": int() | float() as texts,
            "processor": str(processor),
            "date": str(date),
        }:
            return Speed(encoder, images, texts, processor, date)
    return None
