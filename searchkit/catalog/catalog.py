"""The catalog: what is true about sources, assets, spaces and failures.

Each concern has its queries in a module of its own; SQL is nowhere else than in this package. Reads return
plain data (`records`); every method that writes is one transaction.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing, suppress

from searchkit.catalog.assets import Assets
from searchkit.catalog.connect import UNAVAILABLE, open_engine
from searchkit.catalog.failures import Failures
from searchkit.catalog.jobs import Jobs
from searchkit.catalog.ratings import Ratings
from searchkit.catalog.records import Asset, Content, Rating, Reference, Source, SpaceRecord, Tombstone
from searchkit.catalog.sources import Sources
from searchkit.catalog.spaces import Spaces
from searchkit.catalog.tables import Base
from searchkit.catalog.tombstones import Tombstones
from searchkit.errors import CollectionDamaged

__all__ = ["Asset", "Catalog", "Content", "Rating", "Reference", "Source", "SpaceRecord", "Tombstone"]


CONTENT = re.compile("([0-9a-f]{64})?")
"""Matches a sha256, or that there is none."""


class Catalog(Sources, Assets, Tombstones, Failures, Spaces, Ratings):
    """All queries of one catalog, opened with a SQLAlchemy URL; tables are migrated, and with `make` created.

    Raises what `connect.open_engine` raises.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        super().__init__(open_engine(url, make=make))
        self.jobs = Jobs(self._engine)

    def check(self) -> None:
        """Read all of it. Raises `CollectionDamaged` for a SQLite file that is not as SQLite left it; a
        server looks after its own."""
        if self._engine.dialect.name != "sqlite":
            return
        with self._engine.connect() as connection:
            first = str(connection.exec_driver_sql("PRAGMA integrity_check(1)").scalar())
            if first != "ok":
                raise CollectionDamaged(f"the catalog is damaged: {first.splitlines()[-1]}")
            for table in Base.metadata.sorted_tables:  # SQLite does not look at what a text holds
                for row in connection.exec_driver_sql(f"SELECT * FROM {table.name}").mappings():
                    if not CONTENT.fullmatch(row.get("sha256") or ""):
                        raise CollectionDamaged(
                            f"the catalog is damaged: a row of {table.name} is not as it was"
                        )

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def vacuum(self) -> None:
        """Give back the space of what was deleted, so that nothing of it is left in the file.

        Readers that hold it up are not waited for: what was deleted has been overwritten in any case.
        """
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
