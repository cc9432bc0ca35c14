"""Alembic runs this file; the connection is handed in by `searchkit.catalog.connect.migrate`."""

from alembic import context

from searchkit.catalog.tables import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
