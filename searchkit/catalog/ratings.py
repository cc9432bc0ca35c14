"""Queries about ratings."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import delete, insert, or_, select

from searchkit.catalog.queries import Queries, chunks
from searchkit.catalog.records import Rating
from searchkit.catalog.tables import RatingRow


class Ratings(Queries):
    """What people said of results."""

    def rate(self, rating: Rating) -> None:
        """Note a rating in place of an earlier one of the same result; a value of 0 takes that back."""
        row = {name: getattr(rating, name) for name in Rating.__slots__}
        with self._writer.begin() as tx:
            tx.execute(delete(RatingRow).where(RatingRow.key == rating.key))
            if rating.value:
                tx.execute(insert(RatingRow).values(key=rating.key, at=time.time(), **row))

    def ratings(self, *, question: str | None = None, like: str | None = None) -> list[Rating]:
        """All ratings, or those of one question, the oldest first."""
        query = select(
            RatingRow.question,
            RatingRow.like,
            RatingRow.sha256,
            RatingRow.kind,
            RatingRow.place,
            RatingRow.text,
            RatingRow.value,
        )
        if question is not None or like is not None:
            query = query.where(RatingRow.question == question, RatingRow.like == like)
        with self._engine.connect() as tx:
            return [Rating(*row) for row in tx.execute(query.order_by(RatingRow.at, RatingRow.key))]

    def drop_ratings(self, contents: Iterable[str]) -> None:
        """Remove the ratings that have one of these contents, by sha256, as result or as question."""
        with self._writer.begin() as tx:
            for chunk in chunks(contents):
                which = or_(RatingRow.sha256.in_(chunk), RatingRow.like.in_(chunk))
                tx.execute(delete(RatingRow).where(which))
