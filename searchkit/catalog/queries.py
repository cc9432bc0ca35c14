"""What all groups of queries share: the connection, and two pieces of statements."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Engine, and_, or_

T = TypeVar("T")

CHUNK = 500
"""Values of one statement: databases limit how many there may be."""


class Queries:
    """Methods that each run one transaction: readers on `_engine`, writers on `_writer`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(writes=True)


def at_or_below(column: Any, path: str) -> ColumnElement[bool]:
    """The path itself, or what begins with it and a separator: a range of bytes, so an index serves it."""
    folder = path.rstrip(os.sep)
    return or_(column == path, and_(column > folder + os.sep, column < folder + chr(ord(os.sep) + 1)))


def chunks(values: Iterable[T], size: int = CHUNK) -> Iterator[list[T]]:
    """Lists of at most `size` values, in order."""
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk


def printable(reason: str) -> str:
    """The reason of a failure as text that every database takes: it may name a path that is not UTF-8."""
    return os.fsencode(reason).decode("utf-8", "replace").replace("\0", "")
