"""`searchkit similar`"""

from __future__ import annotations

from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    CollectionName,
    Count,
    FormOptions,
    KindName,
    Quiet,
    RuntimeOptions,
)
from searchkit.cli.settings import load


def similar(
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A picture, or an indexed document.")],
    k: Count = None,
    kind: KindName = None,
    runtime: RuntimeOptions,
    printed: FormOptions,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Find what is like a file."""
    form = output.form(**vars(printed))
    settings = load(collection=collection, k=k, **vars(runtime))
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        hits = library.similar(file, k=settings.k, kind=kind)
    output.hits(hits, form)
    if not hits and not quiet:
        output.note("nothing found")
    return 0 if hits else output.NOTHING_FOUND
