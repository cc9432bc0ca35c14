"""Queries of the failure ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, delete, insert, select

from searchkit.catalog.queries import Queries, at_or_below, chunks, printable
from searchkit.catalog.records import Source
from searchkit.catalog.tables import FailureRow
from searchkit.types import Failure, FileEntry

Attempt = tuple[int, int, str]
"""(size, mtime_ns, decoder) of a file that failed: while they are the same, it would fail again."""


class Failures(Queries):
    """The files that could not be indexed, and why."""

    def fail(
        self, source: Source, entry: FileEntry, *, reason: str, decoder: str, sha256: str | None
    ) -> None:
        """Note a failure. What the space holds of the file, if anything, stays as it is."""
        with self._writer.begin() as tx:
            tx.execute(delete(FailureRow).where(FailureRow.path == entry.path))
            tx.execute(
                insert(FailureRow).values(
                    path=entry.path,
                    source_id=source.id,
                    size=entry.size,
                    mtime_ns=entry.mtime_ns,
                    sha256=sha256,
                    decoder=decoder,
                    reason=printable(reason),
                    at=time.time(),
                )
            )

    def failures(self, *, under: str | None = None) -> list[Failure]:
        """All failures, or those at or below a path, in order of path."""
        query = select(
            FailureRow.path, FailureRow.reason, FailureRow.sha256, FailureRow.decoder, FailureRow.at
        ).order_by(FailureRow.path)
        if under is not None:
            query = query.where(at_or_below(FailureRow.path, under))
        with self._engine.connect() as tx:
            return [Failure(*row) for row in tx.execute(query)]

    def failed_as(self, *, under: str) -> dict[str, Attempt]:
        """(size, mtime_ns, decoder) of every failure at or below a path."""
        return self._attempts(at_or_below(FailureRow.path, under))

    def failed_at(self, paths: Sequence[str]) -> dict[str, Attempt]:
        """(size, mtime_ns, decoder) of those of these paths that failed."""
        return self._attempts(FailureRow.path.in_(paths))

    def _attempts(self, which: ColumnElement[bool]) -> dict[str, Attempt]:
        query = select(FailureRow.path, FailureRow.size, FailureRow.mtime_ns, FailureRow.decoder)
        with self._engine.connect() as tx:
            return {row[0]: (row[1], row[2], row[3]) for row in tx.execute(query.where(which))}

    def clear_failures(self, paths: Iterable[str]) -> None:
        """Remove these paths from the ledger."""
        with self._writer.begin() as tx:
            for chunk in chunks(paths):
                tx.execute(delete(FailureRow).where(FailureRow.path.in_(chunk)))
