"""What the doctor says of one thing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be. `severity` is "note", "failed" or "broken"."""

    severity: str
    what: str
    path: str | None
    remedy: str
    fixed: bool = False
