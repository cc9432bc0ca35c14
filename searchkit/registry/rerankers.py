"""Rerankers of pictures by name: BLIPs that match texts with pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchkit.registry.checkpoints import AUTO, blip_files
from searchkit.types import Runtime

if TYPE_CHECKING:
    from searchkit.protocols import Reranker
    from searchkit.rerankers.blip import BlipMatcher
    from searchkit.rerankers.matcher import OpenPicture


def load_matcher(name: str, runtime: Runtime = AUTO) -> BlipMatcher:
    """A BLIP that matches texts with pictures, found as `load_encoder` finds a model. Raises as that does."""
    checkpoint = blip_files(name, runtime, f"matcher named {name!r}")
    from searchkit.encoders.blip import MATCHING, read_blip
    from searchkit.encoders.device import placement
    from searchkit.rerankers.blip import BlipMatcher

    return BlipMatcher(read_blip(checkpoint, placement(runtime), MATCHING))


def load_reranker(name: str, open_picture: OpenPicture, runtime: Runtime = AUTO) -> Reranker:
    """The reranker of pictures by that name; `open_picture` gives it the pictures.

    Raises as `load_encoder` does.
    """
    from searchkit.rerankers.matcher import Matcher

    return Matcher(load_matcher(name, runtime), open_picture)
