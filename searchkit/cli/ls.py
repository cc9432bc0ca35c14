"""`searchkit ls`"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Any

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Null, Quiet
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.catalog.catalog import Asset


def ls(
    path: Annotated[str | None, typer.Argument(metavar="PATH", help="Only what lies at or below it.")] = None,
    null: Null = False,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """List the indexed files, one path a line."""
    form = output.form(as_json=as_json, null=null, paths_only=not as_json)
    settings = load(collection=collection)
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False) as library:
        assets = list(library.assets(under=path))
    if form is output.Form.JSON:
        output.records(_record(asset) for asset in assets)
    else:
        output.paths((asset.path for asset in assets), form)
    if not assets and not quiet:
        output.note(f"nothing indexed at or below {path}" if path else "nothing indexed yet")
    return 0 if assets else output.NOTHING_FOUND


def _record(asset: Asset) -> dict[str, Any]:
    from searchkit.types import JSON_SCHEMA

    modified = dt.datetime.fromtimestamp(asset.mtime_ns / 1e9, dt.UTC)
    return {
        "schema": JSON_SCHEMA,
        **output.path_fields(asset.path),
        "source": output.path_fields(asset.source)["path"],
        "kind": asset.kind,
        "items": asset.items,
        "size": asset.size,
        "mtime": modified.isoformat(),
        "sha256": asset.sha256,
    }
