"""Queries about spaces, and about the references of their scores."""

from __future__ import annotations

import time

from sqlalchemy import and_, delete, func, insert, select, update

from searchkit.catalog.queries import Queries
from searchkit.catalog.records import Reference, SpaceRecord
from searchkit.catalog.tables import AssetRow, EncodedRow, JobRow, ReferenceRow, SpaceRow, TombstoneRow
from searchkit.types import Space


class Spaces(Queries):
    """The spaces that the collection holds vectors of."""

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
        """All spaces in order of age, the oldest first."""
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
        """The space of this key; None when the catalog does not know it."""
        return next((record.space for record in self.spaces() if record.space.key == key), None)

    def set_golden(self, space: str, golden: bytes) -> None:
        """Replace the golden vectors of a space: float32, as bytes."""
        with self._writer.begin() as tx:
            tx.execute(update(SpaceRow).where(SpaceRow.key == space).values(golden=golden))

    def activate(self, space: str) -> None:
        """Note that this space answers from now on."""
        with self._writer.begin() as tx:
            tx.execute(update(SpaceRow).where(SpaceRow.key == space).values(activated=time.time()))

    def drop_space(self, space: str) -> None:
        """Forget all about a space; its table in the store is the caller's to remove."""
        with self._writer.begin() as tx:
            for row in (EncodedRow, TombstoneRow, ReferenceRow, JobRow):
                tx.execute(delete(row).where(row.space == space))
            tx.execute(delete(SpaceRow).where(SpaceRow.key == space))

    def coverage(self, space: str) -> tuple[int, int, int]:
        """(assets whose present content the space holds, all assets, items in the space)."""
        current = and_(EncodedRow.asset_id == AssetRow.id, EncodedRow.sha256 == AssetRow.sha256)
        with self._engine.connect() as tx:
            query = select(func.count(), func.coalesce(func.sum(EncodedRow.items), 0))
            held, items = tx.execute(query.join(AssetRow, current).where(EncodedRow.space == space)).one()
            return held, tx.execute(select(func.count()).select_from(AssetRow)).scalar_one(), items

    def set_reference(self, space: str, asked_with: str, kind: str, reference: Reference) -> None:
        """Replace the reference for queries by "text" or "image" (`asked_with`) and items of one kind."""
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
        """All references of a space by (asked with "text" or "image", kind of the items)."""
        query = select(
            ReferenceRow.asked_with,
            ReferenceRow.kind,
            ReferenceRow.mean,
            ReferenceRow.deviation,
            ReferenceRow.queries,
        ).where(ReferenceRow.space == space)
        with self._engine.connect() as tx:
            return {(row[0], row[1]): Reference(*row[2:]) for row in tx.execute(query)}
