"""What an item looks like: its thumbnail, its picture, the page it stands on.

Made from the file that was indexed and from no other: a file that has changed since, or is a link to
somewhere else by now, has another sha256 and is refused. `parsers/regular.py` opens it: at most as much is
read as was indexed, and nothing waits for a FIFO that took its place.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.collection.rights import as_private_as
from searchkit.errors import BadInput, Unreadable
from searchkit.ingest.cost import content
from searchkit.ingest.documents import pictures_in
from searchkit.ingest.ids import item_id
from searchkit.ingest.images import Picture, decode, enough
from searchkit.ingest.thumbs import SIDE, is_inside, name_of, shrunk
from searchkit.parsers.regular import bytes_of, opened_regular
from searchkit.registry import parser_of
from searchkit.types import Item, Kind

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchkit.collection.library import Collection
    from searchkit.collection.open_space import OpenSpace

LARGE = 1600
"""Pixels of a large picture on its longer side."""
WIDTH = 900
"""Pixels across a page: text of 10 points can be read."""


def thumbnail_name(library: Collection | OpenSpace, item: Item) -> str:
    """The name of a picture's thumbnail, which is there afterwards. Raises `Unreadable`."""
    name = name_of(item, library.current.manifest.space)
    if not library.thumbs.path(name).is_file():
        kept = shrunk(decoded(library, item, SIDE).image)
        with as_private_as(library.root):
            library.thumbs.keep(name, kept)
    return name


def thumbnail(library: Collection | OpenSpace, item: Item) -> bytes:
    """A WebP of at most SIDE × SIDE pixels; made where it is missing. Raises `Unreadable`."""
    name = name_of(item, library.current.manifest.space)
    kept = library.thumbs.get(name)
    if kept is None:
        kept = shrunk(decoded(library, item, SIDE).image)
        with as_private_as(library.root):
            library.thumbs.keep(name, kept)
    return kept


def picture(library: Collection | OpenSpace, item: Item, *, side: int = LARGE) -> bytes:
    """The picture as a WebP of at most side × side pixels. Raises `Unreadable`."""
    return shrunk(decoded(library, item, side).image, side)


def page(item: Item, *, width: int = WIDTH) -> bytes:
    """The page of a PDF that an item stands on, as a WebP. Raises `Unreadable`, `BadInput` for others."""
    if item.page is None or not item.path.lower().endswith(".pdf"):
        raise BadInput(f"{item.path} has no pages that can be drawn", hint="PDFs have")
    from searchkit.parsers.pdf import render

    _check(item, _hash(item))
    return shrunk(render(Path(item.path), item.page, width), 4 * width)


def unchanged(item: Item, *, most: int) -> bytes:
    """The bytes of the item's file, as it was indexed. Raises `Unreadable`, also for more than `most`."""
    data = bytes_of(item.path, most=most, size=item.size)
    _check(item, hashlib.sha256(data).hexdigest())
    return data


def decoded(library: Collection | OpenSpace, item: Item, side: int) -> Picture:
    """The picture of an item, from its file or out of its document, of `side` pixels or more on its shorter
    side if it has them. Raises `BadInput` for a passage, `Unreadable` for what is gone or has changed."""
    if item.kind is not Kind.IMAGE:
        raise BadInput(f"{item.path} is no picture", hint="give the item of a picture")
    if not is_inside(item.path):
        data = content(Path(item.path), size=item.size)
        _check(item, hashlib.sha256(data).hexdigest() if isinstance(data, bytes) else _hash(item))
        return decode(data, name=item.path, at_least=side)
    _check(item, _hash(item))
    parser = parser_of(Path(item.path))
    ids = [item_id(item.path, item.sha256, place) for place in range(item.ordinal)]
    before = sum(one.kind is Kind.IMAGE for one in library.current.store.get(ids))
    inside = pictures_in(Path(item.path), parser, side, Counter()) if parser else iter(())
    found = next(islice(inside, before, None), None)
    if found is None:
        raise Unreadable(f"the picture in {item.path} cannot be found any more")
    return found[0]


def open_picture(library: Collection | OpenSpace, item: Item, side: int) -> Image:
    """The picture of an item as a network of side × side pixels needs it. Raises as `decoded` does."""
    return decoded(library, item, enough(side)).image


def _hash(item: Item) -> str:
    try:
        with opened_regular(item.path, size=item.size) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise Unreadable(f"cannot read {item.path}: {error.strerror}") from error


def _check(item: Item, sha256: str) -> None:
    if sha256 != item.sha256:
        raise Unreadable(
            f"{os.path.basename(item.path)} has changed since it was indexed", hint="searchkit index"
        )
