"""What a space holds already: contents that need not be encoded again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from searchkit.catalog.records import Content

if TYPE_CHECKING:
    from searchkit.catalog.catalog import Catalog


@dataclass(slots=True)
class Held:
    """The contents that a space holds, by their sha256, and at which paths.

    `contents` may grow while files are encoded. Without either, everything is encoded.
    """

    contents: Mapping[str, Content] = field(default_factory=dict)
    at: Mapping[str, str | None] = field(default_factory=dict)
    """The sha256 of the content that the space holds of each file, by its path."""


class LazyContents(dict[str, Content]):
    """The contents of a space, each looked up when first asked for with `in`.

    A run over a few of many files need not read them all, and one beside other writers sees what those have
    written.
    """

    def __init__(self, catalog: Catalog, space: str) -> None:
        super().__init__()
        self._catalog, self._space = catalog, space

    def __contains__(self, sha256: object) -> bool:
        if super().__contains__(sha256):
            return True
        content = self._catalog.content(self._space, str(sha256))
        if content is not None:
            self[content.sha256] = content
        return content is not None
