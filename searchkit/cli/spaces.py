"""`searchkit spaces`"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.collection.spaces import SpaceStatus


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
    from searchkit.collection.library import Collection
    from searchkit.collection.spaces import prune, rollback
    from searchkit.collection.spaces import spaces as spaces_of
    from searchkit.types import JSON_SCHEMA

    with Collection.open(settings.collection, create=False) as library:
        if action == "list":
            _list(spaces_of(library), as_json=as_json)
            return 0
        changed = [rollback(library, space)] if action == "rollback" else prune(library, space)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, "action": action, "spaces": changed}])
    if not quiet:
        words = "answers again; run searchkit index" if action == "rollback" else "deleted"
        output.note(", ".join(f"{key} {words}" for key in changed) or "there is nothing to delete")
    return 0


def _list(spaces: Sequence[SpaceStatus], *, as_json: bool) -> None:
    if as_json:
        output.records(space.to_json() for space in spaces)
        return
    rows = [
        (
            "*" * space.active,
            space.space,
            space.model,
            f"{space.files} of {space.of}",
            space.items,
            space.megabytes,
            dt.datetime.fromtimestamp(space.created).strftime("%Y-%m-%d %H:%M"),
        )
        for space in spaces
    ]
    output.table([("", "space", "model", "files", "items", "MB", "made"), *rows])
