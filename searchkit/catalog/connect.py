"""Opening a catalog: engine settings, and the migrations that bring its tables to this version."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    inspect,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError

from searchkit.errors import BadInput, CollectionDamaged, CollectionError, CollectionTooNew

HEAD = "0004"
"""The newest migration. Known here so that opening an up-to-date catalog does not import alembic."""
KNOWN = frozenset({"0001", "0002", "0003", "0004"})

UNAVAILABLE = (OperationalError, InterfaceError)
"""The errors of a database that is stopped, full, or cannot be reached: it may work again later."""
SQLITE = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "busy_timeout=10000",
    "foreign_keys=ON",
    "secure_delete=ON",  # what is forgotten is overwritten
)
MIGRATION_LOCK = 0x5EA8C4
"""PostgreSQL's advisory lock of whoever migrates."""


def open_engine(url: str, *, make: bool = True) -> Engine:
    """Open a database and bring its tables up to date, or `make` them.

    Raises `CollectionDamaged` for one without tables that is not to be made, and for a file that has rotted;
    `CollectionTooNew` for a catalog of a newer version, `BadInput` for an address that cannot be used,
    `CollectionError` when nothing answers there.
    """
    engine = _engine(url)
    try:
        return _up_to_date(engine, make)
    except UNAVAILABLE as error:
        if engine.dialect.name == "sqlite":
            raise
        raise CollectionError(
            f"the catalog at {_shown(engine.url)} does not answer: {str(error.orig).splitlines()[0]}",
            hint="start the database, or check the address in collection.toml",
        ) from error


def _engine(url: str) -> Engine:
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):  # which is not shown: there may be a password in it
        raise BadInput(
            "the address of the catalog cannot be read",
            hint="it must be like postgresql://user@host/database",
        ) from None
    if address.drivername == "sqlite":
        engine = create_engine(address)
        event.listen(engine, "connect", _sqlite_settings)
        event.listen(engine, "begin", _begin)
        event.listen(engine, "handle_error", _damage)
        return engine
    if address.get_backend_name() != "postgresql":
        raise BadInput(
            f"a catalog in {address.get_backend_name()!r} cannot be used", hint="SQLite or PostgreSQL"
        )
    try:
        return create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ImportError as error:
        raise BadInput(
            "PostgreSQL's driver is not installed", hint="pip install 'searchkit[postgres]'"
        ) from error


def _up_to_date(engine: Engine, make: bool) -> Engine:
    with engine.connect() as connection:  # a reader does not wait for whoever is writing
        if _version(connection) == HEAD:
            return engine
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
        version = _version(connection)  # another process may have migrated it since
        if version is not None and version not in KNOWN:
            raise CollectionTooNew.of("the catalog", found=version, known=HEAD)
        if version is None and not make:
            raise CollectionDamaged("the catalog is empty, and there is a collection that it belongs to")
        if version != HEAD:
            migrate(connection)
    return engine


def _shown(address: URL) -> str:
    """Return an address without what may be secret: its password and its options."""
    return address.set(query={}).render_as_string(hide_password=True)


def sqlite_url(file: Path) -> str:
    """The URL of a SQLite file, whatever characters its path has."""
    return URL.create("sqlite", database=str(file)).render_as_string()


def migrate(connection: Connection) -> None:
    """Run every migration that the tables have not had, in the connection's transaction."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return version


def _sqlite_settings(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # sqlite3 would begin too late; `_begin` does it instead
    for setting in SQLITE:
        connection.execute(f"PRAGMA {setting}")


def _damage(context: ExceptionContext) -> None:
    """Raise `CollectionDamaged` in place of what SQLite says of a file that has rotted."""
    error = context.original_exception
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    rotten = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT)
    if rotten or str(error).startswith("Could not decode to UTF-8"):
        raise CollectionDamaged(f"the catalog is damaged: {error}") from error


def _begin(connection: Connection) -> None:
    """Begin a transaction as reader or writer: one that starts as a reader cannot become a writer while
    another writes, so those that will write say so at once (`engine.execution_options(writes=True)`)."""
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
