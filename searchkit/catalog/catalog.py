"""What is true about sources, assets, spaces and failures. The only module with queries.

Reads return plain data; every method that writes is one transaction.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from searchkit.catalog.connect import open_engine
from searchkit.catalog.tables import (
    AssetRow,
    EncodedRow,
    FailureRow,
    ReferenceRow,
    SourceRow,
    SpaceRow,
    TombstoneRow,
)
from searchkit.types import Failure, FileEntry, Space

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    id: int
    path: str
    state: str


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as the catalog knows it. `items` counts those of `sha256` in the space that was asked for;
    `encoded` is the content that the space holds, None when it holds none."""

    path: str
    source: str
    size: int
    mtime_ns: int
    sha256: str
    kind: str
    encoded: str | None = None
    items: int = 0
    left_out: str | None = None
    """JSON: what of `encoded` cannot be found, by the names of `types.LEFT_OUT`."""


@dataclass(frozen=True, slots=True)
class Content:
    """Where the items of one content are: enough to name their ids."""

    path: str
    sha256: str
    items: int
    left_out: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """The score of confidence 0.5, and the spread of the best scores that neutral queries reach."""

    level: float
    deviation: float
    queries: int


class Catalog:
    """Open with a SQLAlchemy URL; tables are created or migrated."""

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_engine(url)
        self._writer = self._engine.execution_options(writes=True)

    def close(self) -> None:
        self._engine.dispose()

    # sources

    def add_source(self, path: str) -> Source:
        """The source of this path, made when it is new."""
        with self._writer.begin() as tx:
            if tx.execute(select(SourceRow.id).where(SourceRow.path == path)).first() is None:
                tx.execute(insert(SourceRow).values(path=path, state="ready"))
        return next(s for s in self.sources() if s.path == path)

    def sources(self) -> list[Source]:
        with self._engine.connect() as tx:
            rows = tx.execute(select(SourceRow.id, SourceRow.path, SourceRow.state).order_by(SourceRow.path))
            return [Source(*row) for row in rows]

    def mark_source(self, source: Source, state: str) -> None:
        with self._writer.begin() as tx:
            tx.execute(
                update(SourceRow).where(SourceRow.id == source.id).values(state=state, checked=time.time())
            )

    def drop_source(self, source: Source) -> None:
        """Forget a source that has no assets left."""
        with self._writer.begin() as tx:
            tx.execute(delete(FailureRow).where(FailureRow.source_id == source.id))
            tx.execute(delete(SourceRow).where(SourceRow.id == source.id))

    # assets

    def assets(self, space: str | None = None, *, under: str | None = None) -> Iterator[Asset]:
        """All assets, or those at or below a path, in order of path, with what `space` holds of them."""
        query = (
            select(
                AssetRow.path,
                SourceRow.path,
                AssetRow.size,
                AssetRow.mtime_ns,
                AssetRow.sha256,
                AssetRow.kind,
                EncodedRow.sha256,
                func.coalesce(EncodedRow.items, 0),
                EncodedRow.left_out,
            )
            .join(SourceRow, SourceRow.id == AssetRow.source_id)
            .outerjoin(EncodedRow, and_(EncodedRow.asset_id == AssetRow.id, EncodedRow.space == space))
            .order_by(AssetRow.path)
        )
        if under is not None:
            query = query.where(_at_or_below(AssetRow.path, under))
        with self._engine.connect() as tx:
            yield from (Asset(*row) for row in tx.execute(query))

    def contents(self, space: str) -> dict[str, Content]:
        """Every content that the space holds, by its sha256."""
        query = (
            select(AssetRow.path, EncodedRow.sha256, EncodedRow.items, EncodedRow.left_out)
            .join(AssetRow, AssetRow.id == EncodedRow.asset_id)
            .where(EncodedRow.space == space)
        )
        with self._engine.connect() as tx:
            return {row.sha256: Content(*row) for row in tx.execute(query)}

    def record(self, source: Source, space: str, assets: Sequence[Asset]) -> None:
        """These assets' items are in the store: note them, end their failures, bury what they replace."""
        with self._writer.begin() as tx:
            for some in _chunks({asset.path: asset for asset in assets}.values(), 500):
                self._record(tx, source, space, {asset.path: asset for asset in some})

    def _record(self, tx: Connection, source: Source, space: str, by_path: Mapping[str, Asset]) -> None:
        """A few statements for all of them: six for each took 2 ms of a file."""
        here = AssetRow.path.in_(by_path)
        same = and_(EncodedRow.asset_id == AssetRow.id, EncodedRow.space == space)
        known = select(AssetRow.path, AssetRow.id, EncodedRow.sha256, EncodedRow.items)
        before = {row.path: row for row in tx.execute(known.outerjoin(EncodedRow, same).where(here))}
        buried = [
            {"space": space, "path": path, "sha256": row.sha256, "items": row.items}
            for path, row in before.items()
            if row.items and row.sha256 != by_path[path].sha256
        ]
        values = {
            path: {
                "source_id": source.id,
                "path": path,
                "size": asset.size,
                "mtime_ns": asset.mtime_ns,
                "sha256": asset.sha256,
                "kind": asset.kind,
            }
            for path, asset in by_path.items()
        }
        changed = [{"was": before[path].id, **values[path]} for path in by_path if path in before]
        added = [values[path] for path in by_path if path not in before]
        if buried:
            tx.execute(insert(TombstoneRow), buried)
        if changed:
            tx.execute(update(AssetRow).where(AssetRow.id == bindparam("was")), changed)
        if added:
            tx.execute(insert(AssetRow), added)
        ids = {row.path: row.id for row in tx.execute(select(AssetRow.path, AssetRow.id).where(here))}
        tx.execute(delete(EncodedRow).where(EncodedRow.space == space, EncodedRow.asset_id.in_(ids.values())))
        tx.execute(
            insert(EncodedRow),
            [
                {
                    "asset_id": ids[path],
                    "space": space,
                    "sha256": asset.sha256,
                    "items": asset.items,
                    "left_out": asset.left_out,
                }
                for path, asset in by_path.items()
            ],
        )
        tx.execute(delete(FailureRow).where(FailureRow.path.in_(by_path)))
        revived = select(TombstoneRow.id, TombstoneRow.path, TombstoneRow.sha256)
        graves = tx.execute(revived.where(TombstoneRow.space == space, TombstoneRow.path.in_(by_path)))
        again = [grave.id for grave in graves if by_path[grave.path].sha256 == grave.sha256]
        if again:
            tx.execute(delete(TombstoneRow).where(TombstoneRow.id.in_(again)))

    def touch(self, entries: Sequence[FileEntry]) -> None:
        """The files were written again with the same content: only size and time change."""
        with self._writer.begin() as tx:
            for entry in entries:
                tx.execute(
                    update(AssetRow)
                    .where(AssetRow.path == entry.path)
                    .values(size=entry.size, mtime_ns=entry.mtime_ns)
                )

    def forget(self, paths: Iterable[str]) -> int:
        """Bury the items of these assets and drop their rows and failures; returns how many assets went."""
        gone = 0
        with self._writer.begin() as tx:
            for chunk in _chunks(paths, 500):
                self._bury(tx, AssetRow.path.in_(chunk))
                ids = select(AssetRow.id).where(AssetRow.path.in_(chunk))
                tx.execute(delete(EncodedRow).where(EncodedRow.asset_id.in_(ids)))
                gone += tx.execute(delete(AssetRow).where(AssetRow.path.in_(chunk))).rowcount
                tx.execute(delete(FailureRow).where(FailureRow.path.in_(chunk)))
        return gone

    def counts(self) -> dict[str, int]:
        """Assets by kind."""
        with self._engine.connect() as tx:
            rows = tx.execute(select(AssetRow.kind, func.count()).group_by(AssetRow.kind))
            return {row[0]: row[1] for row in rows}

    def left_out(self, space: str) -> Counter[str]:
        """What of the assets in this space cannot be found, added up."""
        query = select(EncodedRow.left_out).where(EncodedRow.space == space, EncodedRow.left_out.is_not(None))
        total: Counter[str] = Counter()
        with self._engine.connect() as tx:
            for row in tx.execute(query):
                total.update(json.loads(row[0] or "{}"))
        return total

    # tombstones

    @staticmethod
    def _bury(tx: Connection, which: ColumnElement[bool]) -> None:
        query = (
            select(EncodedRow.space, AssetRow.path, EncodedRow.sha256, EncodedRow.items)
            .join(AssetRow, AssetRow.id == EncodedRow.asset_id)
            .where(which, EncodedRow.items > 0)
        )
        buried = [row._asdict() for row in tx.execute(query)]
        if buried:
            tx.execute(insert(TombstoneRow), buried)

    def tombstones(self, space: str) -> list[tuple[int, Content]]:
        query = select(TombstoneRow.id, TombstoneRow.path, TombstoneRow.sha256, TombstoneRow.items)
        with self._engine.connect() as tx:
            rows = tx.execute(query.where(TombstoneRow.space == space))
            return [(row[0], Content(*row[1:])) for row in rows]

    def clear_tombstones(self, ids: Iterable[int]) -> None:
        with self._writer.begin() as tx:
            for chunk in _chunks(ids, 500):
                tx.execute(delete(TombstoneRow).where(TombstoneRow.id.in_(chunk)))

    # the failure ledger

    def fail(
        self, source: Source, entry: FileEntry, *, reason: str, decoder: str, sha256: str | None
    ) -> None:
        """Note a failure. What the space holds of the file, if anything, stays as it is."""
        reason = os.fsencode(reason).decode("utf-8", "replace")  # it may name a path that is not UTF-8
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
                    reason=reason,
                    at=time.time(),
                )
            )

    def failures(self, *, under: str | None = None) -> list[Failure]:
        query = select(
            FailureRow.path, FailureRow.reason, FailureRow.sha256, FailureRow.decoder, FailureRow.at
        ).order_by(FailureRow.path)
        if under is not None:
            query = query.where(_at_or_below(FailureRow.path, under))
        with self._engine.connect() as tx:
            return [Failure(*row) for row in tx.execute(query)]

    def failed_as(self, *, under: str) -> dict[str, tuple[int, int, str]]:
        """(size, mtime_ns, decoder) of every failure at or below a path."""
        query = select(FailureRow.path, FailureRow.size, FailureRow.mtime_ns, FailureRow.decoder)
        with self._engine.connect() as tx:
            rows = tx.execute(query.where(_at_or_below(FailureRow.path, under)))
            return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def clear_failures(self, paths: Iterable[str]) -> None:
        with self._writer.begin() as tx:
            for chunk in _chunks(paths, 500):
                tx.execute(delete(FailureRow).where(FailureRow.path.in_(chunk)))

    # spaces and references

    def add_space(self, space: Space) -> None:
        with self._writer.begin() as tx:
            if tx.execute(select(SpaceRow.key).where(SpaceRow.key == space.key)).first() is None:
                tx.execute(
                    insert(SpaceRow).values(
                        key=space.key,
                        encoder=space.encoder,
                        weights=space.weights,
                        preprocessing=space.preprocessing,
                        dim=space.dim,
                        created=time.time(),
                    )
                )

    def space(self, key: str) -> Space | None:
        query = select(SpaceRow.encoder, SpaceRow.weights, SpaceRow.preprocessing, SpaceRow.dim)
        with self._engine.connect() as tx:
            row = tx.execute(query.where(SpaceRow.key == key)).first()
            return Space(*row) if row else None

    def set_reference(self, space: str, asked_with: str, kind: str, reference: Reference) -> None:
        with self._writer.begin() as tx:
            tx.execute(
                delete(ReferenceRow).where(
                    ReferenceRow.space == space,
                    ReferenceRow.asked_with == asked_with,
                    ReferenceRow.kind == kind,
                )
            )
            tx.execute(
                insert(ReferenceRow).values(
                    space=space,
                    asked_with=asked_with,
                    kind=kind,
                    mean=reference.level,
                    deviation=reference.deviation,
                    queries=reference.queries,
                )
            )

    def references(self, space: str) -> dict[tuple[str, str], Reference]:
        """By (asked with "text" or "image", kind of the items)."""
        query = select(
            ReferenceRow.asked_with,
            ReferenceRow.kind,
            ReferenceRow.mean,
            ReferenceRow.deviation,
            ReferenceRow.queries,
        ).where(ReferenceRow.space == space)
        with self._engine.connect() as tx:
            return {(row[0], row[1]): Reference(*row[2:]) for row in tx.execute(query)}


def _at_or_below(column: Any, path: str) -> ColumnElement[bool]:
    """The path itself, or what begins with it and a separator: a range of bytes, so an index serves it."""
    folder = path.rstrip(os.sep)
    return or_(column == path, and_(column > folder + os.sep, column < folder + chr(ord(os.sep) + 1)))


def _chunks(values: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(values)
    while chunk := list(islice(iterator, size)):
        yield chunk
