"""What `searchkit bench` found on this machine, kept in the user's cache for `searchkit models` to show."""

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
    """The last figures of an encoder."""

    encoder: str
    images_per_second: float | None
    """None for an encoder of text alone."""
    texts_per_second: float
    processor: str
    date: str
    """ISO, UTC."""


def speeds_file() -> Path:
    return user_cache_path("searchkit") / "speeds.json"


def load_speeds() -> dict[str, Speed]:
    """By the encoder's name, without the commit; where several of a name were measured, the latest. A
    damaged file is none."""
    latest = sorted(_by_space().values(), key=lambda speed: speed.date)
    return {COMMIT_SUFFIX.sub("", speed.encoder): speed for speed in latest}


def save_speed(space: str, speed: Speed) -> None:
    """Keep it under a space's key, beside the others. Where the cache cannot be written, nothing is kept."""
    file = speeds_file()
    every = {key: asdict(each) for key, each in {**_by_space(), space: speed}.items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", delete=False) as new:
            json.dump(every, new, indent=2)
        os.replace(new.name, file)
    except OSError as error:
        logger.warning("the speed is not kept: %s: %s", file, error.strerror)


def _by_space() -> dict[str, Speed]:
    try:
        found = json.loads(speeds_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    entries = found.items() if isinstance(found, dict) else ()
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
