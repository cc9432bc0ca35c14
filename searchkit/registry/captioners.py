"""Captioners by name: other packages' entry points, and BLIPs that write captions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchkit.registry.checkpoints import AUTO, blip_files
from searchkit.registry.points import entry_points
from searchkit.types import Runtime

if TYPE_CHECKING:
    from searchkit.protocols import Captioner

CAPTIONERS = "searchkit.captioners"
"""Other packages add captioners under this group: name = "module:function", called without arguments."""


def load_captioner(
    name: str, runtime: Runtime = AUTO, *, captions: int = 5, seed: int = 0
) -> tuple[str, Captioner]:
    """The identity of a captioner, which a store of captions records, and the captioner itself.

    `name` is an entry point in the group `searchkit.captioners`, a function without arguments that gives a
    captioner; or a BLIP that writes captions, found as `load_encoder` finds its checkpoints, to which
    `captions` (a picture) and `seed` apply. Raises as `load_encoder` does.
    """
    points = {point.name: point for point in entry_points(group=CAPTIONERS)}
    if name in points:
        captioner: Captioner = points[name].load()()
        return name, captioner
    others = f", or an entry point of the group {CAPTIONERS}: {', '.join(sorted(points)) or 'there is none'}"
    checkpoint = blip_files(name, runtime, f"captioner named {name!r}", others)
    from searchkit.captioners.blip import BlipCaptioner
    from searchkit.encoders.blip import CAPTIONING, read_blip
    from searchkit.encoders.device import placement

    blip = BlipCaptioner(read_blip(checkpoint, placement(runtime), CAPTIONING), captions=captions, seed=seed)
    return blip.identity, blip
