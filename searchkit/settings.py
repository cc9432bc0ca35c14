"""Settings: every value, and where it came from.

A flag goes before a SEARCHKIT_* variable, that before `searchkit.toml`, and that before the default. One file
counts: the one that SEARCHKIT_SETTINGS names, else the `searchkit.toml` of the current folder, else the one
in the user's configuration folder. The file of the current folder may be somebody else's, so what it says of
`ELSEWHERE` is taken only when the user agrees; otherwise the user's own file decides those. An empty
environment variable counts as not set.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
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
"""The variable that makes errors show their tracebacks."""
UI_TOKEN = "SEARCHKIT_UI_TOKEN"
"""The variable with the token that the page asks for."""
UI_SHARED = "SEARCHKIT_UI_SHARED"
"""The variable that is set where other machines can reach the page."""
FROM = "SEARCHKIT_SETTINGS"
"""The variable that names the settings file, all of which is taken."""
ELSEWHERE = ("collection", "catalog", "model")
"""Settings that decide where what is indexed goes, and which weights read it."""
BESIDE = (DEBUG, UI_TOKEN, UI_SHARED, FROM)
"""Variables that begin with SEARCHKIT_ and have no key in `searchkit.toml`."""


def _processors() -> int:
    """Return the number of processors, eight at most: beyond that, decoding waits for the encoder."""
    return min(8, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Settings:
    """The merged settings that the command line works with."""

    collection: str | None = None
    """Name or path of the collection; None is the one named "default"."""
    model: str | None = None
    """Name or folder of the encoder; None is the collection's own, or for a new one the bundled one."""
    catalog: str | None = None
    """PostgreSQL address for the catalog of a new collection; None is a file in its folder."""
    batch_size: int = 32
    """Items that are encoded and kept at once."""
    threads: int = field(default_factory=_processors)
    """Threads that read and decode files."""
    chunking: str | None = None
    """How documents become passages: "window", "heading", "sentence" or "late"; None is the collection's."""
    chunk_tokens: int | None = None
    """Tokens of a passage at most; None is the collection's number."""
    chunk_overlap: int | None = None
    """Tokens that neighbouring passages share; None is the collection's number."""
    language: str | None = None
    """Language of the stems in hybrid search: "english" and others, "none", or "auto" for the one of most
    passages; None is the collection's."""
    ocr: bool | None = None
    """Whether text in scans and pictures is read; None is the collection's choice, which begins as no."""
    ocr_languages: str = "eng"
    """Languages of that text, as tesseract names them: "eng+deu"."""
    k: int = 10
    """Hits at most."""
    collapse: str = "exact"
    """Copies that become one hit: "exact", "near" (bursts and near-copies too) or "none"."""
    min_confidence: float = 0.0
    """Confidence, 0 to 1, below which a hit is left out."""
    device: str = "auto"
    """Where networks run: "auto", "cpu", "cuda" or "mps"."""
    dtype: str = "auto"
    """Numbers that networks compute with: "auto", "float32", "bfloat16" or "float16"."""
    offline: bool = False
    """Whether a model that is not on this machine counts as missing instead of being fetched."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)
    """Setting → "flag", "default", the name of the variable or the path of the file."""

    def runtime(self, *, accept_licence: bool = False) -> Runtime:
        """Return where and how an encoder is to run."""
        from searchkit.types import Runtime  # numpy, which most of the command line starts without

        return Runtime(self.device, self.dtype, self.offline, accept_licence)

    def read_by(self) -> str | None:
        """Return the languages of OCR: empty to read none, None for the collection's choice."""
        return None if self.ocr is None else self.ocr_languages * self.ocr

    def passages(self) -> Chunking:
        """Return how documents are to be cut; None in a field is the collection's value."""
        from searchkit.types import Chunking

        return Chunking(self.chunking, self.chunk_tokens, self.chunk_overlap)


Agrees = Callable[[Path, Mapping[str, object]], bool]
"""Called when the file of the current folder counts, with what it says of `ELSEWHERE` that neither a flag nor
a variable decides (empty: nothing to agree to); returns whether that is taken."""


def _never(file: Path, values: Mapping[str, object]) -> bool:
    return False


def load(agrees: Agrees = _never, /, **flags: object) -> Settings:
    """Merge what was given as flags (None: not given) with the environment, the file and the defaults.

    Raises `BadInput`, which names the file or variable, for an unknown key and for an unusable value.
    """
    values: dict[str, Any] = {}
    origins = dict.fromkeys(KEYS, "default")
    given = [*_environment(), *(("flag", key, value) for key, value in flags.items() if value is not None)]
    decided = {key for _, key, _ in given}
    for origin, key, raw in [*_from_files(agrees, decided), *given]:  # a later one wins
        values[key], origins[key] = _checked(key, raw, origin), origin
    return Settings(**values, origins=origins)


def file_in_use() -> Path | None:
    """Return the settings file that counts, if there is one. Raises `BadInput` where one is named that is not
    there."""
    if name := os.environ.get(FROM):
        named = Path(name).expanduser()
        if not named.is_file():
            raise BadInput(f"there is no settings file {named}", hint=f"it is named by --settings or {FROM}")
        return named
    return next((path for path in (Path.cwd() / FILE, _own()) if path.is_file()), None)


def _own() -> Path:
    return user_config_path("searchkit") / FILE


Given = tuple[str, str, object]
"""Where a value was given, the setting, and the raw value."""


def _environment() -> Iterator[Given]:
    for name, value in os.environ.items():
        if not name.startswith(PREFIX) or name in BESIDE or not value:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in KEYS:
            known = ", ".join(PREFIX + key.upper() for key in KEYS)
            raise BadInput(f"the environment variable {name} is no setting", hint=f"settings are: {known}")
        yield name, key, value


def _from_files(agrees: Agrees, decided: Collection[str]) -> Iterator[Given]:
    path = file_in_use()
    if path is None:
        return
    values = _read(path)
    own = _own()
    if path != own and not os.environ.get(FROM):
        elsewhere = {key: values[key] for key in ELSEWHERE if key in values and key not in decided}
        if not agrees(path, elsewhere) and elsewhere:
            values = {key: value for key, value in values.items() if key not in elsewhere}
            kept = _read(own) if own.is_file() else {}
            yield from ((str(own), key, kept[key]) for key in elsewhere if key in kept)
    yield from ((str(path), key, value) for key, value in values.items())


def _read(path: Path) -> dict[str, object]:
    """Return what a settings file says. Raises `BadInput` for a file, key or value that cannot be used."""
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
        _checked(key, value, str(path))
    return raw


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
    invalid = ValueError(f"a whole number of {least} or more")
    if isinstance(raw, bool) or not isinstance(raw, int | str):
        raise invalid
    try:
        number = int(raw)
    except ValueError:
        raise invalid from None
    if number < least:
        raise invalid
    return number


def _share(raw: object) -> float:
    invalid = ValueError("a number from 0 to 1")
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise invalid
    try:
        number = float(raw)
    except ValueError:
        raise invalid from None
    if not 0 <= number <= 1:  # false for nan too
        raise invalid
    return number


def _one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    def read(raw: object) -> str:
        if raw not in choices:
            raise ValueError(f"one of: {', '.join(choices)}")
        return str(raw)

    return read


def _switch(raw: object) -> bool:
    words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
    value = raw if isinstance(raw, bool) else words.get(str(raw).lower())
    if value is None:
        raise ValueError("true or false")
    return value


def _language(raw: object) -> str:
    return _one_of((AUTOMATIC, PLAIN, *STEMMED))(raw.lower() if isinstance(raw, str) else raw)


def without_password(address: str) -> str:
    """Return a catalog's address with its password left out, or nothing of what is no address.

    >>> without_password("postgresql://bob:se:cr@t@db/library?password=secret")
    'postgresql://bob:***@db/library'
    """
    parts = re.fullmatch(r"([\w+]+://)(?:([^:@/?]*)(:.*)?@)?([^@?]*)(?:\?.*)?", address, re.DOTALL)
    if parts is None:
        return "(no address of a catalog)"
    scheme, user, password, place = parts.groups()
    return scheme + (f"{user}{':***' * bool(password)}@" if user is not None else "") + place


KEYS: Mapping[str, Callable[[object], Any]] = {
    "collection": _text,
    "model": _text,
    "catalog": _text,
    "batch_size": _count,
    "threads": _count,
    "chunking": _one_of(CHUNKING),
    "chunk_tokens": _count,
    "chunk_overlap": _natural,
    "language": _language,
    "k": _count,
    "collapse": _one_of(COLLAPSE),
    "min_confidence": _share,
    "ocr": _switch,
    "ocr_languages": _text,
    "device": _one_of(DEVICES),
    "dtype": _one_of(DTYPES),
    "offline": _switch,
}
"""Setting → the function that reads it from a flag, a variable or the file; its `ValueError` says what the
value must be."""
