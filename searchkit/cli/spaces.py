"""`searchkit spaces`"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet
from searchkit.settings import load


def spaces(
    action: Annotated[
        Literal["list", "rollback", "prune"], typer.Argument(help="What to do; list if nothing is said.")
    ] = "list",
    space: Annotated[
        str | None, typer.Argument(metavar="SPACE", help="Which. Default: the one before; all inactive.")
    ] = None,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """List the spaces of a collection, go back to the one before, or delete the inactive.

    'searchkit index --model' fills another space and changes to it when it is complete. The one before stays
    as it was: 'rollback' changes back at once, 'prune' deletes it for good.
    """
    settings = load(collection=collection)
    from searchkit.collection import spaces as library
    from searchkit.collection.library import Collection
    from searchkit.types import JSON_SCHEMA

    with Collection.open(settings.collection, create=False) as opened:
        if action == "list":
            rows = library.spaces(opened)
            if as_json:
                output.records(row.to_json() for row in rows)
                return 0
            output.table(
                [("", "space", "model", "files", "items", "MB", "made")]
                + [
                    (
                        "*" * row.active,
                        row.space,
                        row.model,
                        f"{row.files} of {row.of}",
                        row.items,
                        row.megabytes,
                        dt.datetime.fromtimestamp(row.created).strftime("%Y-%m-%d %H:%M"),
                    )
                    for row in rows
                ]
            )
            return 0
        changed = [library.rollback(opened, space)] if action == "rollback" else library.prune(opened, space)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, "action": action, "spaces": changed}])
    if not quiet:
        words = "answers again; run searchkit index" if action == "rollback" else "deleted"
        output.note(", ".join(f"{key} {words}" for key in changed) or "there is nothing to delete")
    return 0
