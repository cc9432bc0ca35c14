"""`searchkit search`"""

from __future__ import annotations

from typing import Annotated, Literal

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
from searchkit.errors import BadInput
from searchkit.settings import load

NOTHING_FOUND = 1


def search(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What it is about, in words.")] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="FILE", help="Ask with a picture instead of words.")
    ] = None,
    k: Count = None,
    kind: KindName = None,
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="EXPR", help="Only where this holds: \"path LIKE '%/2024/%'\""),
    ] = None,
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", metavar="0..1", help="Nothing less sure than this.")
    ] = None,
    collapse: Annotated[
        Literal["exact", "none"] | None, typer.Option("--collapse", help="Show copies once, or each.")
    ] = None,
    group: Annotated[
        Literal["document"] | None, typer.Option("--group", help="Only the best passage of each document.")
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="Only pictures that got this label.")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    paths_only: PathsOnly = False,
    null: Null = False,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Find pictures and passages by meaning.

    Prints confidence, score and path[:page] with tabs between; the most confident first. Confidence says
    how a score compares with the best that unrelated queries find here: one in a hundred of those gets 0.5.
    QUERY is only ever text: it is not opened and not fetched.
    """
    if (query is None) == (image is None):
        raise BadInput("give either QUERY or --image FILE", hint="searchkit search 'two dogs on a beach'")
    how = output.form(as_json=as_json, null=null, paths_only=paths_only)
    settings = load(
        collection=collection,
        k=k,
        min_confidence=min_confidence,
        collapse=collapse,
        device=device,
        dtype=dtype,
        offline=offline,
    )
    if quiet:
        output.say_less()
    from searchkit.collection import Collection

    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        found = library.search(
            query,
            image=image,
            k=settings.k,
            kind=kind,
            filter=where,
            label=label,
            min_confidence=settings.min_confidence,
            collapse=settings.collapse,
            group=group,
        )
    output.hits(found, how)
    if not found and not quiet:
        output.note("nothing found")
    return 0 if found else NOTHING_FOUND
