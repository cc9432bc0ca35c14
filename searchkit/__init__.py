"""searchkit: find pictures and documents by meaning, on your own machine, in one index."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchkit.collection import Collection as Collection
    from searchkit.errors import SearchkitError as SearchkitError
    from searchkit.types import Hit as Hit

__version__ = "0.1.0"
__all__ = ["Collection", "Hit", "SearchkitError"]

_PLACES = {
    "Collection": "searchkit.collection",
    "SearchkitError": "searchkit.errors",
    "Hit": "searchkit.types",
}


def __getattr__(name: str) -> object:
    """Names are imported when first used: `import searchkit` alone costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'searchkit' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_PLACES[name]), name)
