"""Ratings of results by people, kept in the catalog and read by `adapt` as pairs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.catalog.catalog import Rating
from searchkit.collection.manifest import read_manifest
from searchkit.errors import BadInput
from searchkit.types import Item, Kind

if TYPE_CHECKING:
    from searchkit.collection.library import Collection

RIGHT, WRONG, NOTHING = 1, -1, 0


def rate(library: Collection, asked: str | Item, found: Item, value: int) -> None:
    """Keep that an item is RIGHT or WRONG for a question in words, or for one with an indexed picture.

    NOTHING takes it back. Raises `BadInput` for a question with a passage.
    """
    library.catalog.rate(_rating(asked, found, value))


def rated(library: Collection, asked: str | Item, found: Sequence[Item]) -> list[int]:
    """The rating of each of these items for this question; NOTHING where it has none."""
    wanted = [_rating(asked, item, NOTHING) for item in found]
    if not wanted:
        return []
    ratings = library.catalog.ratings(question=wanted[0].question, like=wanted[0].like)
    values = {rating.key: rating.value for rating in ratings}
    return [values.get(rating.key, NOTHING) for rating in wanted]


def pairs(library: Collection) -> Iterator[Mapping[str, Any]]:
    """Rows as `adapt --pairs` reads them: one for each right result that is still there, with the passages
    that were wrong for the same question. A wrong picture has no place in a row."""
    ratings = library.catalog.ratings()
    contents = library.catalog.contents(read_manifest(library.root).space)

    def path(sha256: str | None) -> str | None:
        known = contents.get(sha256 or "")
        return known.path if known is not None and known.items == 1 else None

    for rating in ratings:
        if rating.value != RIGHT:
            continue
        question = {"text": rating.question} if rating.question is not None else {"image": path(rating.like)}
        if rating.kind == Kind.PASSAGE:
            answer: dict[str, Any] = {"text2" if "text" in question else "text": rating.text}
            wrong = [other.text for other in ratings if _is_wrong(other, rating)]
            answer |= {"negatives": wrong} if wrong else {}
        else:
            answer = {"image" if "text" in question else "image2": path(rating.sha256)}
        row = question | answer
        if all(row.values()):
            yield row


def write_pairs(library: Collection, file: Path) -> int:
    """Write the pairs as JSON lines and return how many there are. Raises `BadInput` where there are none."""
    rows = [json.dumps(row) for row in pairs(library)]
    if not rows:
        raise BadInput(f"nothing in {library.root} was rated as right", hint="rate results: searchkit ui")
    file.parent.mkdir(exist_ok=True)
    file.write_text("\n".join(rows) + "\n", "utf-8")
    return len(rows)


def _is_wrong(other: Rating, rating: Rating) -> bool:
    """Whether another rating is of a passage that is wrong for the question of this one."""
    same = (other.question, other.like) == (rating.question, rating.like)
    return same and other.value == WRONG and other.kind == Kind.PASSAGE


def _rating(asked: str | Item, found: Item, value: int) -> Rating:
    place = found.start if found.kind is Kind.PASSAGE and found.start is not None else found.ordinal
    result = (found.sha256, found.kind.value, place, found.text, value)
    if isinstance(asked, str):
        return Rating(" ".join(asked.encode("utf-8", "replace").decode().split()), None, *result)
    if asked.kind is not Kind.IMAGE:
        raise BadInput("a passage is no question that can be learned from", hint="ask in words")
    return Rating(None, asked.sha256, *result)
