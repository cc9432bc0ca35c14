"""`searchkit similar`"""

from __future__ import annotations

from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    CollectionName,
    Count,
    Device,
    Dtype,
    Json,
    KindName,
    Null,
    Offline,
    PathsOnly,
    Quiet,
)
from searchkit.settings import load


def similar(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture, or an indexed document.")],
    k: Count = None,
    kind: KindName = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    paths_only: PathsOnly = False,
    null: Null = False,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Find what is like a file."""
    how = output.form(as_json=as_json, null=null, paths_only=paths_only)
    settings = load(collection=collection, k=k, device=device, dtype=dtype, offline=offline)
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        found = library.similar(file, k=settings.k, kind=kind)
    output.hits(found, how)
    if not found and not quiet:
        output.note("nothing found")
    return 0 if found else output.NOTHING_FOUND
