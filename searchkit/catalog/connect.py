"""Opening a catalog: engine settings, and the migrations that bring its tables to this version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text

from searchkit.errors import CollectionTooNew

HEAD = "0002"
"""The newest migration. Known here so that opening an up-to-date catalog does not import alembic."""
KNOWN = frozenset({"0001", "0002"})


def open_engine(url: str) -> Engine:
    """An engine whose tables are up to date. Raises `CollectionTooNew` for a catalog from the future."""
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_settings)
        event.listen(engine, "begin", _begin)
    with engine.connect() as connection:  # a reader does not wait for whoever is writing
        if _version(connection) == HEAD:
            return engine
    with engine.execution_options(writes=True).begin() as connection:
        version = _version(connection)  # another process may have migrated it since
        if version is not None and version not in KNOWN:
            raise CollectionTooNew(
                f"the catalog has format {version}; this searchkit knows formats up to {HEAD}",
                hint="upgrade searchkit: pip install -U searchkit",
            )
        if version != HEAD:
            migrate(connection)
    return engine


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return found


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 would begin too late; `_begin` does it instead
    for setting in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {setting}")


def _begin(connection: Connection) -> None:
    """A transaction that starts as a reader cannot become a writer while another writes: those that will
    write say so at once (`engine.execution_options(writes=True)`)."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
