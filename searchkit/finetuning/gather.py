"""Training pairs from a collection's own files: pictures with their captions, headings with the text under
them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import Unreadable
from searchkit.finetuning.described import description
from searchkit.ingest.sections import sections
from searchkit.parsers import capped
from searchkit.registry import parser_of
from searchkit.types import Item, Kind

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

LONGEST = 1200
"""The most characters of a section that count as the text under its heading: some 250 tokens."""
WORDS = 2
"""The fewest words of a heading that can be a question."""


def gather(library: Collection, path: Path) -> int:
    """Write the pairs as JSONL for `read_pairs` and return how many there are.

    The same collection gives the same file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [*_pictures(library), *_sections(library)]
    scratch = path.with_suffix(".tmp")
    scratch.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    scratch.replace(path)
    return len(rows)


def _pictures(library: Collection) -> Iterator[dict[str, Any]]:
    """The pictures that are files of their own and have a caption."""
    for item in _items(library, Kind.IMAGE):
        caption = description(Path(item.path)) if item.ordinal == 0 and item.page is None else None
        if caption is not None:
            yield {"text": caption, "image": item.path}


def _sections(library: Collection) -> Iterator[dict[str, Any]]:
    """The headings that only one section has, with the text under them: "Summary" does not say of what."""
    named: dict[str, list[str]] = {}
    for path in dict.fromkeys(item.path for item in _items(library, Kind.PASSAGE)):
        for heading, text in under_headings(Path(path)):
            named.setdefault(heading, []).append(text)
    for heading, texts in named.items():
        if len(texts) == 1 and len(heading.split()) >= WORDS:
            yield {"text": heading, "text2": texts[0]}


def under_headings(path: Path) -> Iterator[tuple[str, str]]:
    """Each heading of a document with the beginning of the text under it; nothing for one that cannot be
    read."""
    parser = parser_of(path) if path.is_file() else None
    if parser is None:
        return
    try:
        document = capped.parse(parser, path)
    except (Unreadable, OSError):
        return
    for section in sections(document):
        ends = [heading.end for heading in document.headings if section.start <= heading.end <= section.end]
        text = " ".join(document.text[max(ends, default=section.start) : section.end].split())
        if section.path and text:
            yield section.path[-1], text[:LONGEST]


def _items(library: Collection, kind: Kind) -> list[Item]:
    items = [item for ids, _ in library.store.scan(kind=kind) for item in library.store.get(ids)]
    return sorted(items, key=lambda item: (item.path, item.ordinal, item.id))
