"""Alembic migrations, run by `searchkit.catalog.connect`; there is no alembic.ini."""
