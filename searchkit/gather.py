"""Training pairs from a collection's own files: pictures with what is said about them, headings with what
stands under them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import Unreadable
from searchkit.ingest.sections import sections
from searchkit.parsers import capped
from searchkit.registry import parser_of
from searchkit.training.described import description
from searchkit.types import Item, Kind

if TYPE_CHECKING:
    from searchkit.collection import Collection

LONGEST = 1200
"""Characters of a section that count as what stands under its heading: some 250 tokens."""
WORDS = 2
"""A heading of fewer says too little to be a question."""


def gather(library: Collection, path: Path) -> int:
    """Write the pairs as JSONL for `read_pairs`; how many there are. The same collection gives the same
    file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [*_pictures(library), *_sections(library)]
    scratch = path.with_suffix(".tmp")
    scratch.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    scratch.replace(path)
    return len(rows)


def _pictures(library: Collection) -> Iterator[dict[str, Any]]:
    """A picture that is a file of its own, and its caption."""
    for item in _items(library, Kind.IMAGE):
        said = description(Path(item.path)) if item.ordinal == 0 and item.page is None else None
        if said is not None:
            yield {"text": said, "image": item.path}


def _sections(library: Collection) -> Iterator[dict[str, Any]]:
    """A heading and what stands under it, where only one section has that heading: "Summary" says nothing of
    what it is the summary of."""
    named: dict[str, list[str]] = {}
    for path in dict.fromkeys(item.path for item in _items(library, Kind.PASSAGE)):
        for heading, text in under_headings(Path(path)):
            named.setdefault(heading, []).append(text)
    for heading, texts in named.items():
        if len(texts) == 1 and len(heading.split()) >= WORDS:
            yield {"text": heading, "text2": texts[0]}


def under_headings(path: Path) -> Iterator[tuple[str, str]]:
    """(heading, the beginning of the text under it) of a document; nothing for one that cannot be read."""
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
    found = [item for ids, _ in library.store.scan(kind=kind) for item in library.store.get(ids)]
    return sorted(found, key=lambda item: (item.path, item.ordinal, item.id))
