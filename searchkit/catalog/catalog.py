"""What is true about sources, assets, spaces and failures. The only module with queries.

Reads return plain data; every method that writes is one transaction.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
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

from searchkit.catalog.connect import UNAVAILABLE, open_engine
from searchkit.catalog.jobs import Jobs
from searchkit.catalog.tables import (
    AssetRow,
    EncodedRow,
    FailureRow,
    JobRow,
    RatingRow,
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
class Tombstone:
    """Items that must leave the store of a space."""

    id: int
    space: str
    content: Content


@dataclass(frozen=True, slots=True)
class SpaceRecord:
    """A space that the collection holds vectors of. `model` names its encoder; None before that was kept."""

    space: Space
    model: str | None
    images: bool | None
    created: float
    activated: float | None
    golden: bytes | None


@dataclass(frozen=True, slots=True)
class Rating:
    """What a person said of one result: the file's sha256, the kind and place in it, a passage's text; of a
    question in words, or of one with an indexed picture, by its sha256 (`like`). `value` is 1 or -1."""

    question: str | None
    like: str | None
    sha256: str
    kind: str
    place: int
    text: str | None
    value: int

    @property
    def key(self) -> str:
        said = [self.question, self.like, self.sha256, self.kind, self.place]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


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
        self.jobs = Jobs(self._engine)

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
            tx.execute(delete(JobRow).where(JobRow.source_id == source.id))
            tx.execute(delete(SourceRow).where(SourceRow.id == source.id))

    # assets

    def assets(
        self, space: str | None = None, *, under: str | None = None, paths: Sequence[str] | None = None
    ) -> Iterator[Asset]:
        """All assets, those at or below a path, or those of these paths, in order of path, with what `space`
        holds of them."""
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
        if paths is not None:
            query = query.where(AssetRow.path.in_(paths))
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

    def content(self, space: str, sha256: str) -> Content | None:
        """One place of a content in the space."""
        query = (
            select(AssetRow.path, EncodedRow.sha256, EncodedRow.items)
            .join(AssetRow, AssetRow.id == EncodedRow.asset_id)
            .where(EncodedRow.space == space, EncodedRow.sha256 == sha256)
            .limit(1)
        )
        with self._engine.connect() as tx:
            row = tx.execute(query).first()
            return Content(*row) if row else None

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
                over = and_(JobRow.path.in_(chunk), JobRow.state != "running")
                tx.execute(delete(JobRow).where(over))
        return gone

    def vacuum(self) -> None:
        """Give back the space of what was deleted, so that nothing of it is left in the file. Readers that
        hold it up are not waited for: what was deleted has been overwritten in any case."""
        with closing(self._engine.raw_connection()) as raw, suppress(*UNAVAILABLE):
            if self._engine.dialect.name == "sqlite":
                for order in ("VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"):
                    with suppress(sqlite3.OperationalError):
                        raw.cursor().execute(order).fetchall()
            else:
                raw.driver_connection.autocommit = True  # type: ignore[union-attr]
                try:
                    raw.cursor().execute("VACUUM")
                finally:
                    raw.driver_connection.autocommit = False  # type: ignore[union-attr]

    def unencode(self, space: str, paths: Iterable[str]) -> None:
        """Of these assets the space holds nothing whole: bury what may be left, and let them be due."""
        with self._writer.begin() as tx:
            for chunk in _chunks(paths, 500):
                here = AssetRow.path.in_(chunk)
                self._bury(tx, and_(here, EncodedRow.space == space))
                ids = select(AssetRow.id).where(here)
                which = and_(EncodedRow.space == space, EncodedRow.asset_id.in_(ids))
                tx.execute(delete(EncodedRow).where(which))

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

    def tombstones(self) -> list[Tombstone]:
        query = select(
            TombstoneRow.id, TombstoneRow.space, TombstoneRow.path, TombstoneRow.sha256, TombstoneRow.items
        )
        with self._engine.connect() as tx:
            rows = tx.execute(query.order_by(TombstoneRow.id))
            return [Tombstone(row[0], row[1], Content(*row[2:])) for row in rows]

    def clear_tombstones(self, ids: Iterable[int]) -> None:
        with self._writer.begin() as tx:
            for chunk in _chunks(ids, 500):
                tx.execute(delete(TombstoneRow).where(TombstoneRow.id.in_(chunk)))

    # the failure ledger

    def fail(
        self, source: Source, entry: FileEntry, *, reason: str, decoder: str, sha256: str | None
    ) -> None:
        """Note a failure. What the space holds of the file, if anything, stays as it is."""
        reason = (
            os.fsencode(reason).decode("utf-8", "replace").replace("\0", "")
        )  # it may name a path that is not UTF-8
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

    def failed_at(self, paths: Sequence[str]) -> dict[str, tuple[int, int, str]]:
        """The same for those of these paths that failed."""
        query = select(FailureRow.path, FailureRow.size, FailureRow.mtime_ns, FailureRow.decoder)
        with self._engine.connect() as tx:
            rows = tx.execute(query.where(FailureRow.path.in_(paths)))
            return {row[0]: (row[1], row[2], row[3]) for row in rows}

    def clear_failures(self, paths: Iterable[str]) -> None:
        with self._writer.begin() as tx:
            for chunk in _chunks(paths, 500):
                tx.execute(delete(FailureRow).where(FailureRow.path.in_(chunk)))

    # ratings

    def rate(self, rating: Rating) -> None:
        """Note it in place of what was said of the same result before; a value of 0 takes that back."""
        row = {name: getattr(rating, name) for name in Rating.__slots__}
        with self._writer.begin() as tx:
            tx.execute(delete(RatingRow).where(RatingRow.key == rating.key))
            if rating.value:
                tx.execute(insert(RatingRow).values(key=rating.key, at=time.time(), **row))

    def ratings(self, *, question: str | None = None, like: str | None = None) -> list[Rating]:
        """All of them, or those of one question, the oldest first."""
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

    def forgotten(self, contents: Iterable[str]) -> list[str]:
        """Those of these contents that no asset has, in any space."""
        wanted = set(contents)
        held: set[str] = set()
        with self._engine.connect() as tx:
            for chunk in _chunks(wanted, 500):
                for column in (AssetRow.sha256, EncodedRow.sha256):
                    held.update(tx.execute(select(column).where(column.in_(chunk))).scalars())
        return sorted(wanted - held)

    def drop_ratings(self, contents: Iterable[str]) -> None:
        """Of these contents, as what was found or what was asked with."""
        with self._writer.begin() as tx:
            for chunk in _chunks(contents, 500):
                which = or_(RatingRow.sha256.in_(chunk), RatingRow.like.in_(chunk))
                tx.execute(delete(RatingRow).where(which))

    # spaces and references

    def add_space(
        self,
        space: Space,
        *,
        model: str | None = None,
        images: bool | None = None,
        golden: bytes | None = None,
    ) -> None:
        """Note a space, unless it is known: the name that loads its encoder, whether that takes pictures, and
        what it made of the golden inputs."""
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
                        model=model,
                        images=images,
                        golden=golden,
                    )
                )

    def spaces(self) -> list[SpaceRecord]:
        """In order of age, the oldest first."""
        query = select(
            SpaceRow.encoder,
            SpaceRow.weights,
            SpaceRow.preprocessing,
            SpaceRow.dim,
            SpaceRow.model,
            SpaceRow.images,
            SpaceRow.created,
            SpaceRow.activated,
            SpaceRow.golden,
        ).order_by(SpaceRow.created)
        with self._engine.connect() as tx:
            return [SpaceRecord(Space(*row[:4]), *row[4:]) for row in tx.execute(query)]

    def space(self, key: str) -> Space | None:
        return next((one.space for one in self.spaces() if one.space.key == key), None)

    def set_golden(self, space: str, golden: bytes) -> None:
        with self._writer.begin() as tx:
            tx.execute(update(SpaceRow).where(SpaceRow.key == space).values(golden=golden))

    def activate(self, space: str) -> None:
        """Note that this space answers from now on."""
        with self._writer.begin() as tx:
            tx.execute(update(SpaceRow).where(SpaceRow.key == space).values(activated=time.time()))

    def drop_space(self, space: str) -> None:
        """Forget all about a space; its table is the caller's to remove."""
        with self._writer.begin() as tx:
            for row in (EncodedRow, TombstoneRow, ReferenceRow, JobRow):
                tx.execute(delete(row).where(row.space == space))
            tx.execute(delete(SpaceRow).where(SpaceRow.key == space))

    def coverage(self, space: str) -> tuple[int, int, int]:
        """(assets of which the space holds the content of today, all assets, items in the space)."""
        current = and_(EncodedRow.asset_id == AssetRow.id, EncodedRow.sha256 == AssetRow.sha256)
        with self._engine.connect() as tx:
            query = select(func.count(), func.coalesce(func.sum(EncodedRow.items), 0))
            held, items = tx.execute(query.join(AssetRow, current).where(EncodedRow.space == space)).one()
            return held, tx.execute(select(func.count()).select_from(AssetRow)).scalar_one(), items

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
