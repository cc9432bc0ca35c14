"""`searchkit config`"""

from __future__ import annotations

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Model
from searchkit.cli.settings import load
from searchkit.settings import KEYS, file_in_use, without_password


def config(collection: CollectionName = None, model: Model = None, as_json: Json = False) -> int:
    """Print the settings and where each came from.

    A flag goes before a SEARCHKIT_* variable, that before searchkit.toml, and that before the default.
    """
    settings = load(collection=collection, model=model)
    values = {key: getattr(settings, key) for key in KEYS}
    if settings.catalog is not None:
        values["catalog"] = without_password(settings.catalog)
    if not as_json:
        shown = {key: "-" if value is None else value for key, value in values.items()}
        output.table([(key, shown[key], settings.origins[key]) for key in KEYS])
        return 0
    from searchkit.types import JSON_SCHEMA

    file = file_in_use()
    merged = {key: {"value": values[key], "from": settings.origins[key]} for key in KEYS}
    output.records([{"schema": JSON_SCHEMA, "file": str(file) if file else None, "settings": merged}])
    return 0
