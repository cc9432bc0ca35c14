"""Queries about sources."""

from __future__ import annotations

import time

from sqlalchemy import delete, insert, select, update

from searchkit.catalog.queries import Queries
from searchkit.catalog.records import Source
from searchkit.catalog.tables import FailureRow, JobRow, SourceRow


class Sources(Queries):
    """The folders and files that the user asked to index."""

    def add_source(self, path: str) -> Source:
        """Return the source of this path; make it when it is new."""
        with self._writer.begin() as tx:
            if tx.execute(select(SourceRow.id).where(SourceRow.path == path)).first() is None:
                tx.execute(insert(SourceRow).values(path=path, state="ready"))
        return next(source for source in self.sources() if source.path == path)

    def sources(self) -> list[Source]:
        """All sources in order of path."""
        with self._engine.connect() as tx:
            rows = tx.execute(select(SourceRow.id, SourceRow.path, SourceRow.state).order_by(SourceRow.path))
            return [Source(*row) for row in rows]

    def mark_source(self, source: Source, state: str) -> None:
        """Note whether a source is "ready" or "offline", and when that was seen."""
        with self._writer.begin() as tx:
            tx.execute(
                update(SourceRow).where(SourceRow.id == source.id).values(state=state, checked=time.time())
            )

    def drop_source(self, source: Source) -> None:
        """Forget a source that has no assets left, with its failures and jobs."""
        with self._writer.begin() as tx:
            tx.execute(delete(FailureRow).where(FailureRow.source_id == source.id))
            tx.execute(delete(JobRow).where(JobRow.source_id == source.id))
            tx.execute(delete(SourceRow).where(SourceRow.id == source.id))
