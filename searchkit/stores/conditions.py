"""Filters: one SQL expression over the fields of `Item`, the same for every store."""

from __future__ import annotations

import re

from searchkit.errors import BadInput
from searchkit.types import Item, Kind

FILTERED = tuple(name for name in Item._fields if name != "id")
"""The columns that a filter is told of when it names another."""

TIME_LITERAL = re.compile(r"(\b(?:mtime|taken)\s*(?:[<>]=?|!?=|<>)\s*)(?=')", re.IGNORECASE)
TIME_RANGE = re.compile(
    r"(\b(?:mtime|taken)\s+(?:not\s+)?between\s+)(?=')('[^']*'\s+and\s+)(?=')", re.IGNORECASE
)
"""Where a filter compares `mtime` or `taken` with quoted times."""


def typed(where: str) -> str:
    """The filter with `timestamp` in front of the quoted times that `mtime` and `taken` are compared with.

    >>> typed("taken >= '2026-01-31' AND mtime BETWEEN '2026' AND '2027'")
    "taken >= timestamp '2026-01-31' AND mtime BETWEEN timestamp '2026' AND timestamp '2027'"
    """
    return TIME_RANGE.sub(r"\1timestamp \2timestamp ", TIME_LITERAL.sub(r"\1timestamp ", where))


def conditions(kind: Kind | None, where: str | None) -> list[str]:
    """The SQL conditions that a row must fulfil, all of them."""
    return [*([f"kind = '{kind.value}'"] if kind else []), *([f"({typed(where)})"] if where else [])]


def refusal(where: str, reason: str) -> BadInput:
    """The error for a filter that cannot be read."""
    return BadInput(f"the filter {where!r} cannot be used: {reason}", hint=f"columns: {', '.join(FILTERED)}")
