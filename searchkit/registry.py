"""Names to implementations: the one place that imports encoders, stores and parsers, each when it is asked
for. The same tables give `searchkit models`, the dispatch and the error texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.errors import ModelMissing
from searchkit.types import EncoderRecord

if TYPE_CHECKING:
    from searchkit.protocols import Encoder, Parser

DEFAULT_ENCODER = "pocket"
ENTRY_POINT = "searchkit.encoders"
"""Other packages add encoders under this group: name = "module:function", called without arguments."""


def _pocket() -> Encoder:
    from searchkit.encoders.pocket import Pocket, bundled_folder

    return Pocket(bundled_folder(), DEFAULT_ENCODER)


def _hashing() -> Encoder:
    from searchkit.encoders.hashing import Hashing

    return Hashing()


ENCODERS: dict[str, Callable[[], Encoder]] = {"pocket": _pocket, "hashing": _hashing}

PARSERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("searchkit.parsers.text", "TextParser", (".txt", ".text", ".log", ".rst")),
    ("searchkit.parsers.markdown", "MarkdownParser", (".md", ".markdown")),
    ("searchkit.parsers.html", "HtmlParser", (".html", ".htm", ".xhtml")),
    ("searchkit.parsers.pdf", "PdfParser", (".pdf",)),
)


def encoder_names() -> list[str]:
    return [*ENCODERS, *sorted(point.name for point in entry_points(group=ENTRY_POINT))]


def load_encoder(name: str) -> Encoder:
    """An encoder by name, or from a folder that `searchkit train` wrote (a name with a path separator,
    or a folder that exists). Raises `ModelMissing`."""
    if name in ENCODERS:
        return ENCODERS[name]()
    folder = _folder(name)
    if folder is not None:
        from searchkit.encoders.pocket import Pocket

        return Pocket(folder, str(folder))
    for point in entry_points(group=ENTRY_POINT):
        if point.name == name:
            encoder: Encoder = point.load()()
            return encoder
    raise ModelMissing(
        f"no encoder named {name!r}, and no folder of that name with a config.json",
        hint=f"known encoders: {', '.join(encoder_names())}",
    )


def _folder(name: str) -> Path | None:
    """The folder of that name, if there is one with a config.json."""
    try:
        folder = Path(name).expanduser()
        return folder.resolve() if (folder / "config.json").is_file() else None
    except (OSError, RuntimeError):  # a name too long, the home of a user that is not there
        return None


def encoder_records() -> list[EncoderRecord]:
    """What `searchkit models` lists. Reads sizes, loads no weights into memory."""
    return [load_encoder(name).record for name in encoder_names() if name != "hashing"]


@cache
def parser_for(suffix: str) -> Parser | None:
    """The parser of a lower-case suffix with its dot; None where no parser takes it."""
    for module, name, suffixes in PARSERS:
        if suffix in suffixes:
            parser: Parser = getattr(import_module(module), name)()
            return parser
    return None


DOCUMENT_SUFFIXES = frozenset(suffix for _, _, suffixes in PARSERS for suffix in suffixes)
