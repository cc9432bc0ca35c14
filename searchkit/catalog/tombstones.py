"""Queries about tombstones: items that a forgotten asset has left in a store."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from searchkit.catalog.queries import Queries, chunks
from searchkit.catalog.records import Content, Tombstone
from searchkit.catalog.tables import AssetRow, EncodedRow, TombstoneRow


class Tombstones(Queries):
    """What must still leave the stores."""

    def tombstones(self) -> list[Tombstone]:
        """All tombstones, the oldest first."""
        query = select(
            TombstoneRow.id, TombstoneRow.space, TombstoneRow.path, TombstoneRow.sha256, TombstoneRow.items
        )
        with self._engine.connect() as tx:
            rows = tx.execute(query.order_by(TombstoneRow.id))
            return [Tombstone(row[0], row[1], Content(*row[2:])) for row in rows]

    def clear_tombstones(self, ids: Iterable[int]) -> None:
        """Remove the tombstones of items that are out of their store."""
        with self._writer.begin() as tx:
            for chunk in chunks(ids):
                tx.execute(delete(TombstoneRow).where(TombstoneRow.id.in_(chunk)))


def bury(tx: Connection, which: ColumnElement[bool]) -> None:
    """Write a tombstone for the items of every (asset, space) that the condition selects."""
    query = (
        select(EncodedRow.space, AssetRow.path, EncodedRow.sha256, EncodedRow.items)
        .join(AssetRow, AssetRow.id == EncodedRow.asset_id)
        .where(which, EncodedRow.items > 0)
    )
    buried = [row._asdict() for row in tx.execute(query)]
    if buried:
        tx.execute(insert(TombstoneRow), buried)
