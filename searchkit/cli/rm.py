"""`searchkit rm`"""

from __future__ import annotations

from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet
from searchkit.cli.settings import load


def rm(
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files, folders or whole sources.")],
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Take files or folders out of a collection. Nothing is deleted from the disk."""
    settings = load(collection=collection)
    from searchkit.collection.library import Collection
    from searchkit.types import JSON_SCHEMA

    with Collection.open(settings.collection, create=False) as library:
        removed = library.remove(*paths)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, "removed": removed}])
    if not quiet:
        output.note(f"removed {removed} from the collection; the disk was not touched")
    return 0
