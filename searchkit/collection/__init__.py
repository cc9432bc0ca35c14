"""A collection: its folder, its spaces, and `Collection`, the handle on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchkit.collection.library import Collection as Collection

__all__ = ["Collection"]


def __getattr__(name: str) -> object:
    """`Collection` is imported when it is first used: reading a manifest needs neither catalog nor store."""
    if name != "Collection":
        raise AttributeError(f"module 'searchkit.collection' has no attribute {name!r}")
    from searchkit.collection.library import Collection

    return Collection
