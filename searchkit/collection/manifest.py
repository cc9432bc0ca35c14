"""Where a collection lives, what lies where in its folder, and its manifest."""

from __future__ import annotations

import json
import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from searchkit.errors import BadInput, CollectionDamaged, CollectionError, CollectionMissing, CollectionTooNew
from searchkit.types import DEFAULTS, Chunking

FORMAT = 1
"""Whoever raises it writes `needs`, too: the oldest version of searchkit that reads the new one."""
MANIFEST = "collection.toml"
COPY = f"{MANIFEST}.copy"
"""The manifest once more, for the doctor to put back."""
CATALOG, LANCE, FAISS, NEUTRAL = "catalog.sqlite", "lance", "faiss", "neutral"
ADAPTERS, THUMBS = "adapters", "thumbs"
"""What lies beside the manifest."""


def resolve(where: str | Path | None) -> Path:
    """A path as it is; a bare name, or nothing, in the platform's data folder."""
    if where is None:
        return user_data_path("searchkit") / "default"
    text = str(where)
    if not text:
        raise BadInput("the collection's name is empty", hint="give a name or a path")
    try:
        is_path = isinstance(where, Path) or os.sep in text or text[0] in ".~" or Path(text).is_dir()
        return Path(text).expanduser().absolute() if is_path else user_data_path("searchkit") / text
    except (OSError, RuntimeError) as error:  # a name too long, the home of a user that is not there
        raise BadInput(f"the collection {text[:80]!r} cannot be found: {error}") from error


def absolute(path: str | Path) -> str:
    """The path as the user sees it: absolute, without `..`, links left as they are."""
    return os.path.abspath(os.path.expanduser(path))


@dataclass(frozen=True, slots=True)
class Manifest:
    """`collection.toml`: the format, the encoder that fills the active space, and that space's key."""

    format: int
    encoder: str
    space: str
    catalog: str
    """A SQLAlchemy URL; empty for the SQLite file beside it."""
    images: bool = True
    """Whether the encoder takes pictures. Written down so that a run with nothing new need not load it."""
    chunking: Chunking = DEFAULTS
    """How documents are cut: fixed while there are any, or passages of two kinds would be compared."""
    adapter: str = ""
    """The adapter in use, by its name; empty for none."""
    language: str = ""
    """The language of the stems in full text, as `stores.words` names it; empty for that of most passages."""
    ocr: str = ""
    """The languages in which pages without text, and pictures, are read; empty where they are not read."""


def read_manifest(root: Path) -> Manifest:
    """Raises `CollectionMissing`, `CollectionTooNew`, or `CollectionDamaged`."""
    path = root / MANIFEST
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
        version = int(raw["format"])
        if version > FORMAT:  # asked first: a later format may have other fields
            needs = str(raw.get("needs", ""))
            raise CollectionTooNew.of(str(root), found=version, known=FORMAT, needs=needs)
        encoder, space, catalog = str(raw["encoder"]), str(raw["space"]), str(raw.get("catalog", ""))
        chunking = Chunking(raw.get("chunking"), raw.get("chunk_tokens"), raw.get("chunk_overlap"))
        images, adapter = bool(raw.get("images", True)), str(raw.get("adapter", ""))
        language = str(raw.get("language", ""))
        return Manifest(
            version, encoder, space, catalog, images, chunking, adapter, language, str(raw.get("ocr", ""))
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        if (root / COPY).exists():
            raise CollectionDamaged(f"{path} is lost") from error
        raise CollectionMissing(
            f"there is no collection at {root}",
            hint="make one with: searchkit index FOLDER (or name another with -c)",
        ) from error
    except OSError as error:
        raise CollectionError(f"cannot read {path}: {error.strerror}") from error
    except KeyError as error:
        raise CollectionDamaged(f"{path} is damaged: no {error}") from error
    except (TypeError, ValueError) as error:  # not TOML, not UTF-8, or of other types
        raise CollectionDamaged(f"{path} is damaged: {error}") from error


def manifest_stamp(root: Path) -> tuple[int, ...]:
    """Differs when the manifest has been replaced."""
    try:
        found = os.stat(f"{root}/{MANIFEST}")  # half of what Path.stat takes; each search asks
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ino, found.st_size


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Replace the manifest in one step, and then its copy."""
    lines = [
        f"format = {manifest.format}",
        f"encoder = {_quoted(manifest.encoder)}",
        f"space = {_quoted(manifest.space)}",
    ]
    if not manifest.images:
        lines.append("images = false")
    if manifest.chunking.method is not None:
        lines.append(f"chunking = {_quoted(manifest.chunking.method)}")
    if manifest.chunking.tokens is not None:
        lines.append(f"chunk_tokens = {manifest.chunking.tokens}")
    if manifest.chunking.overlap is not None:
        lines.append(f"chunk_overlap = {manifest.chunking.overlap}")
    if manifest.language:
        lines.append(f"language = {_quoted(manifest.language)}")
    if manifest.ocr:
        lines.append(f"ocr = {_quoted(manifest.ocr)}")
    if manifest.adapter:
        lines.append(f"adapter = {_quoted(manifest.adapter)}")
    if manifest.catalog:
        lines.append(f"catalog = {_quoted(manifest.catalog)}")
    scratch = root / f"{MANIFEST}.tmp"
    scratch.write_text("\n".join(lines) + "\n", "utf-8")
    scratch.replace(root / MANIFEST)
    copy_manifest(root)


def copy_manifest(root: Path) -> None:
    """Make the copy of the manifest what the manifest is."""
    scratch = root / f"{MANIFEST}.tmp"
    scratch.write_bytes((root / MANIFEST).read_bytes())
    scratch.replace(root / COPY)


def _quoted(text: str) -> str:
    """A TOML string: JSON's, but TOML knows no surrogate pairs for what lies beyond 16 bits."""
    return json.dumps(text, ensure_ascii=False)
