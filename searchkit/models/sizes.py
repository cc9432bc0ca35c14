"""The sizes of a network as a file gives them: of their fields' types, and none beyond reason."""

from __future__ import annotations

import math
from dataclasses import Field, fields
from typing import Any

MOST = 10_000_000
"""The largest number that a network has of anything, its vocabulary included."""
DEEPEST = 1_000
"""The most layers; a network is built layer by layer before it is compared with its weights."""


def check_sizes(config: Any) -> None:
    """Raises ValueError naming the first field of a configuration that holds no such number."""
    for field in fields(config):
        value = getattr(config, field.name)
        if not _fits(field, value):
            raise ValueError(f"{field.name} is {str(value)[:40]!r}, not {field.type}")


def _fits(field: Field[Any], value: Any) -> bool:
    most = DEEPEST if field.name in ("depth", "depths", "num_hidden_layers") else MOST
    may_be_nothing = field.default == 0 and value == 0  # a field whose default is 0 says "none" with it
    if field.type == "bool":
        return isinstance(value, bool)
    if field.type == "float":
        return _is_number(value) and (may_be_nothing or 0 < value <= MOST)
    if field.type == "int":
        return type(value) is int and (may_be_nothing or 1 <= value <= most)
    if field.type == "tuple[int, ...]":
        return len(value) <= DEEPEST and all(type(one) is int and 1 <= one <= most for one in value)
    if field.type == "tuple[float, ...]":
        return len(value) <= DEEPEST and all(_is_number(one) and abs(one) <= MOST for one in value)
    return True


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)
