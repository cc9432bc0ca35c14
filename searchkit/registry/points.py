"""Entry points: the encoders and captioners that other packages add."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints


def entry_points(*, group: str) -> EntryPoints:
    """The entry points of a group."""
    from importlib import metadata  # takes a tenth of this package's import, and bundled encoders need none

    return metadata.entry_points(group=group)
