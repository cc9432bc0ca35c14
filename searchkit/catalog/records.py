"""The rows of the catalog as plain data: what its methods take and return."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from searchkit.types import Space


@dataclass(frozen=True, slots=True)
class Source:
    """A folder, or a single file, that the user asked to index. `state` is "ready" or "offline"."""

    id: int
    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as the catalog knows it.

    `sha256` is the content of the file. `encoded` is the content whose items the space in question holds,
    None when it holds none; `items` is the number of those items.
    """

    path: str
    source: str
    size: int
    mtime_ns: int
    sha256: str
    kind: str
    encoded: str | None = None
    items: int = 0
    left_out: str | None = None
    """What of `encoded` cannot be found: JSON, counts by the names of `types.LEFT_OUT`."""


@dataclass(frozen=True, slots=True)
class Content:
    """The place of the items of one content: enough to name their ids."""

    path: str
    sha256: str
    items: int
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Items that must leave the store of a space."""

    id: int
    space: str
    content: Content


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """A space that the collection holds vectors of.

    `model` is the name that loads its encoder, and `images` whether that encoder takes pictures; both are
    None in collections that did not keep them. Times are seconds since the epoch; `activated` is None for a
    space that never answered.
    """

    space: Space
    model: str | None
    images: bool | None
    created: float
    activated: float | None
    golden: bytes | None


@dataclass(frozen=True, slots=True)
class Rating:
    """A person's verdict on one result of one question.

    The question is text (`question`), or an indexed picture named by its sha256 (`like`). The result is
    named by the sha256 of its file, its kind and its place in the file; `text` is that of a passage. `value`
    is 1 for right and -1 for wrong.
    """

    question: str | None
    like: str | None
    sha256: str
    kind: str
    place: int
    text: str | None
    value: int

    @property
    def key(self) -> str:
        """The sha256 of question and result, in hexadecimal."""
        identity = [self.question, self.like, self.sha256, self.kind, self.place]
        return hashlib.sha256(json.dumps(identity).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Reference:
    """The score of confidence 0.5, and the spread of the best scores that neutral queries reach."""

    level: float
    deviation: float
    queries: int
