"""`searchkit search`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
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

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.protocols import Reranker
    from searchkit.types import Hit, Runtime

NOTHING_FOUND = 1


def search(
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What it is about, in words.")] = None,
    image: Annotated[
        str | None, typer.Option("--image", metavar="FILE", help="Ask with a picture, or with both.")
    ] = None,
    plus: Annotated[
        list[str] | None, typer.Option("--plus", metavar="TEXT", help="And this; 'snow^0.5' counts half.")
    ] = None,
    avoid: Annotated[
        list[str] | None, typer.Option("--not", metavar="TEXT", help="But not this; 'people^2' counts twice.")
    ] = None,
    avoid_image: Annotated[
        list[str] | None, typer.Option("--not-image", metavar="FILE", help="But not like this picture.")
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
        Literal["exact", "near", "none"] | None,
        typer.Option("--collapse", help="Show copies once, bursts and near-copies too, or each."),
    ] = None,
    group: Annotated[
        Literal["document"] | None,
        typer.Option("--group", help="Each document once, with its best passages."),
    ] = None,
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="Only pictures that got this label.")
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Taken, or else changed, on that day or later."),
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", help="Taken, or else changed, on that day or before."),
    ] = None,
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="Exact words, of passages and file names, count too.")
    ] = False,
    rerank: Annotated[
        str | None,
        typer.Option("--rerank", metavar="NAME|FOLDER", help="Look at the best pictures again: a BLIP."),
    ] = None,
    sort: Annotated[
        Literal["confidence", "date"], typer.Option("--sort", help="The order of the hits.")
    ] = "confidence",
    context: Annotated[
        int | None,
        typer.Option("--context", metavar="N", min=0, help="With --json: N passages before and after too."),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say how the hits were found: plan, times, ranks and scores.")
    ] = False,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    accept_licence: AcceptLicence = False,
    paths_only: PathsOnly = False,
    null: Null = False,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Find pictures and passages by meaning.

    Prints confidence, score and path[:page] with tabs between; the most confident first. Confidence says
    how a score compares with the best that unrelated queries find here: few of those get to 0.5.
    QUERY is only ever text: it is not opened and not fetched.
    """
    if query is None and image is None:
        raise BadInput("give QUERY, --image FILE, or both", hint="searchkit search 'two dogs on a beach'")
    if context is not None and not as_json:
        raise BadInput("--context is for --json", hint="add --json")
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
    from searchkit.collection.library import Collection
    from searchkit.search.trace import Trace
    from searchkit.types import Part

    trace = Trace() if explain else None
    unwanted = [Part(text=text, weight=weight) for text, weight in map(_weighted, avoid or ())]
    unwanted += [Part(image=file, weight=weight) for file, weight in map(_weighted, avoid_image or ())]

    runtime = settings.runtime(accept_licence=accept_licence)
    with Collection.open(settings.collection, create=False, runtime=runtime) as library:
        found = library.search(
            query,
            image=image,
            positives=[Part(text=text, weight=weight) for text, weight in map(_weighted, plus or ())],
            negatives=unwanted,
            k=settings.k,
            kind=kind,
            filter=where,
            label=label,
            since=since,
            until=until,
            sort=sort,
            hybrid=hybrid,
            rerank=None if rerank is None else _matcher(library, rerank, runtime),
            min_confidence=settings.min_confidence,
            collapse=settings.collapse,
            group=group,
            trace=trace,
        )
        more = None if context is None else [_context(library, hit, context) for hit in found]
    if trace is not None:
        output.explained(trace)
    output.hits(found, how, trace, more)
    if not found and not quiet:
        output.note("nothing found")
    return 0 if found else NOTHING_FOUND


def _matcher(library: Collection, name: str, runtime: Runtime) -> Reranker:
    from functools import partial

    from searchkit.collection.previews import open_picture
    from searchkit.registry import load_reranker

    return load_reranker(name, partial(open_picture, library), runtime)


def _context(library: Collection, hit: Hit, passages: int) -> dict[str, Any]:
    if hit.kind.value == "image":
        return {"context": None}
    near = library.around(hit, passages=passages)
    return {"context": {"start": near.start, "end": near.end, "text": near.text}}


def _weighted(given: str) -> tuple[str, float]:
    """What stands before `^` and the number behind it; 1 without one."""
    text, mark, number = given.rpartition("^")
    try:
        return (text, float(number)) if mark and text else (given, 1.0)
    except ValueError:
        return given, 1.0
