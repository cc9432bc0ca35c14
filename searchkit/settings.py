"""Settings: every value, and where it came from. flag > SEARCHKIT_* > searchkit.toml > default.

Of the files only one is read: `searchkit.toml` in the current folder, else the one in the user's
configuration folder. An empty environment variable counts as not set.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from platformdirs import user_config_path

from searchkit.errors import BadInput
from searchkit.stores.words import AUTOMATIC, PLAIN, STEMMED

if TYPE_CHECKING:
    from searchkit.types import Chunking, Runtime

FILE = "searchkit.toml"
PREFIX = "SEARCHKIT_"
CHUNKING = ("window", "heading", "sentence", "late")
COLLAPSE = ("exact", "near", "none")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")
DEBUG = "SEARCHKIT_DEBUG"
"""Shows tracebacks."""
UI_TOKEN, UI_SHARED = "SEARCHKIT_UI_TOKEN", "SEARCHKIT_UI_SHARED"
"""What the page asks for; whether other machines can reach it."""
BESIDE = (DEBUG, UI_TOKEN, UI_SHARED)
"""For the environment only: no settings."""


def _processors() -> int:
    """Up to eight of the processors: beyond that, decoding waits for the encoder."""
    return min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the command line works with. `origins` has a word for each of the other fields."""

    collection: str | None = None
    """A name or a path; None is the collection "default"."""
    model: str | None = None
    """None is the encoder that the collection was made with; for a new one, the bundled one."""
    catalog: str | None = None
    """A PostgreSQL address for the catalog of a collection that is made; None is a file in its folder."""
    batch_size: int = 32
    threads: int = field(default_factory=_processors)
    """Threads that read and decode files."""
    chunking: str | None = None
    """How documents are cut: "window", "heading", "sentence" or "late". None is the collection's own, …"""
    chunk_tokens: int | None = None
    chunk_overlap: int | None = None
    """… as for these two; a new one gets the defaults."""
    language: str | None = None
    """Whose stems are found in hybrid search: "english", …, "none", or "auto" for what most passages are in.
    None is the collection's own."""
    ocr: bool | None = None
    """Whether text in scans and pictures is read; None is as the collection does, a new one not, …"""
    ocr_languages: str = "eng"
    """… and in which languages, as tesseract names them: "eng+deu"."""
    k: int = 10
    collapse: str = "exact"
    min_confidence: float = 0.0
    device: str = "auto"
    """Where networks run: "auto", "cpu", "cuda" or "mps"."""
    dtype: str = "auto"
    """In which numbers: "auto", "float32", "bfloat16" or "float16"."""
    offline: bool = False
    """Nothing is fetched: a model that is not on this machine is missing."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Of each setting: "flag", "default", the name of the variable or the path of the file."""

    def runtime(self, *, accept_licence: bool = False) -> Runtime:
        """Where and how an encoder is to run."""
        from searchkit.types import Runtime  # numpy, which most of the command line starts without

        return Runtime(self.device, self.dtype, self.offline, accept_licence)

    def read_by(self) -> str | None:
        """The languages of OCR; empty for none, None for what the collection has."""
        return None if self.ocr is None else self.ocr_languages * self.ocr

    def passages(self) -> Chunking:
        """How documents are to be cut."""
        from searchkit.types import Chunking

        return Chunking(self.chunking, self.chunk_tokens, self.chunk_overlap)


def load(**flags: object) -> Settings:
    """Merge what was given as flags (None: not given) with the environment, the file and the defaults.

    Raises `BadInput` naming the file or variable for a key that is not known and a value that cannot be.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(KEYS, "default")
    given = [("flag", key, value) for key, value in flags.items() if value is not None]
    for origin, key, raw in [*_file(), *_environment(), *given]:  # the later, the stronger
        values[key], origins[key] = _checked(key, raw, origin), origin
    return Settings(**values, origins=origins)


def file_in_use() -> Path | None:
    """The `searchkit.toml` that is read, if there is one."""
    places = (Path.cwd() / FILE, user_config_path("searchkit") / FILE)
    return next((path for path in places if path.is_file()), None)


Given = tuple[str, str, object]
"""(where it was given, the setting, its raw value)."""


def _environment() -> Iterator[Given]:
    for name, value in os.environ.items():
        if not name.startswith(PREFIX) or name in BESIDE or not value:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in KEYS:
            known = ", ".join(PREFIX + key.upper() for key in KEYS)
            raise BadInput(f"the environment variable {name} is no setting", hint=f"settings are: {known}")
        yield name, key, value


def _file() -> Iterator[Given]:
    path = file_in_use()
    if path is None:
        return
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        hint = "make it readable, or remove it"
        raise BadInput(f"cannot read {path}: {error.strerror}", hint=hint) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        hint = 'lines are written: key = 5 or key = "text"'
        raise BadInput(f"{path} is not TOML: {error}", hint=hint) from error
    for key, value in raw.items():
        if key not in KEYS:
            raise BadInput(f"{path}: {key!r} is no setting", hint=f"settings are: {', '.join(KEYS)}")
        yield str(path), key, value


def _checked(key: str, raw: object, origin: str) -> Any:
    try:
        return KEYS[key](raw)
    except (ValueError, TypeError) as error:
        raise BadInput(f"{key} = {raw!r} ({origin}) cannot be used", hint=f"it must be {error}") from error


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise ValueError("a name or a path")
    return raw


def _count(raw: object) -> int:
    return _whole(raw, 1)


def _natural(raw: object) -> int:
    return _whole(raw, 0)


def _whole(raw: object, least: int) -> int:
    wanted = ValueError(f"a whole number of {least} or more")
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise wanted
    try:
        number = int(raw)
    except ValueError:
        raise wanted from None
    if number < least:
        raise wanted
    return number


def _share(raw: object) -> float:
    wanted = ValueError("a number from 0 to 1")
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise wanted
    try:
        number = float(raw)
    except ValueError:
        raise wanted from None
    if not 0 <= number <= 1:  # false for nan too
        raise wanted
    return number


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"one of: {', '.join(choices)}")
        return str(raw)

    return read


def _switch(raw: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    found = raw if isinstance(raw, bool) else words.get(str(raw).lower())
    if found is None:
        raise ValueError("true or false")
    return found


KEYS: Mapping[str, Callable[[object], Any]] = {
    "collection": _text,
    "model": _text,
    "catalog": _text,
    "batch_size": _count,
    "threads": _count,
    "chunking": _one_of(CHUNKING),
    "chunk_tokens": _count,
    "chunk_overlap": _natural,
    "language": lambda raw: _one_of((AUTOMATIC, PLAIN, *STEMMED))(
        raw.lower() if isinstance(raw, str) else raw
    ),
    "k": _count,
    "collapse": _one_of(COLLAPSE),
    "min_confidence": _share,
    "ocr": _switch,
    "ocr_languages": _text,
    "device": _one_of(DEVICES),
    "dtype": _one_of(DTYPES),
    "offline": _switch,
}
"""Every setting, and the function that reads it from a flag, a variable or the file; its `ValueError` says
what the value must be."""
