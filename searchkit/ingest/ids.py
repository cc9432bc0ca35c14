"""The ids of items: they follow from path, content and place, so that writing twice changes nothing."""

from __future__ import annotations

import hashlib
import os

from searchkit.catalog.records import Content

ID = r"[0-9a-f]{20}-[0-9a-f]{20}-[0-9]{1,9}"
"""A regular expression that matches every id."""


def item_id(path: str, sha256: str, ordinal: int) -> str:
    """The id of an item: the same path, content and place give the same id, and an id always has the same
    vector."""
    return f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:20]}-{sha256[:20]}-{ordinal}"


def ids_of(content: Content) -> list[str]:
    """The ids of all items of a content at its place, in order."""
    return [item_id(content.path, content.sha256, ordinal) for ordinal in range(content.items)]
