"""`searchkit search`"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
    CollectionName,
    Count,
    FormOptions,
    KindName,
    Quiet,
    RuntimeOptions,
)
from searchkit.cli.settings import load
from searchkit.errors import BadInput
from searchkit.settings import Settings

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.protocols import Reranker
    from searchkit.search.trace import Trace
    from searchkit.types import Hit, Part, Runtime


@dataclass(frozen=True)
class QuestionOptions:
    """What is searched for, among which items, and in which order the hits come."""

    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="What it is about, in words.")] = None
    image: Annotated[
        str | None, typer.Option("--image", metavar="FILE", help="Ask with a picture, or with both.")
    ] = None
    plus: Annotated[
        list[str] | None, typer.Option("--plus", metavar="TEXT", help="And this; 'snow^0.5' counts half.")
    ] = None
    avoid: Annotated[
        list[str] | None, typer.Option("--not", metavar="TEXT", help="But not this; 'people^2' counts twice.")
    ] = None
    avoid_image: Annotated[
        list[str] | None, typer.Option("--not-image", metavar="FILE", help="But not like this picture.")
    ] = None
    k: Count = None
    kind: KindName = None
    where: Annotated[
        str | None,
        typer.Option("--filter", metavar="EXPR", help="Only where this holds: \"path LIKE '%/2024/%'\""),
    ] = None
    min_confidence: Annotated[
        float | None, typer.Option("--min-confidence", metavar="0..1", help="Nothing less sure than this.")
    ] = None
    collapse: Annotated[
        Literal["exact", "near", "none"] | None,
        typer.Option("--collapse", help="Show copies once, bursts and near-copies too, or each."),
    ] = None
    group: Annotated[
        Literal["document"] | None,
        typer.Option("--group", help="Each document once, with its best passages."),
    ] = None
    label: Annotated[
        str | None, typer.Option("--label", metavar="NAME", help="Only pictures that got this label.")
    ] = None
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="DATE", help="Taken, or else changed, on that day or later."),
    ] = None
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="DATE", help="Taken, or else changed, on that day or before."),
    ] = None
    hybrid: Annotated[
        bool, typer.Option("--hybrid", help="Exact words, of passages and file names, count too.")
    ] = False
    rerank: Annotated[
        str | None,
        typer.Option("--rerank", metavar="NAME|FOLDER", help="Look at the best pictures again: a BLIP."),
    ] = None
    sort: Annotated[Literal["confidence", "date"], typer.Option("--sort", help="The order of the hits.")] = (
        "confidence"
    )


Context = Annotated[
    int | None,
    typer.Option("--context", metavar="N", min=0, help="With --json: N passages before and after too."),
]
Explain = Annotated[
    bool, typer.Option("--explain", help="Say how the hits were found: plan, times, ranks and scores.")
]


def search(
    *,
    question: QuestionOptions,
    context: Context = None,
    explain: Explain = False,
    runtime: RuntimeOptions,
    accept_licence: AcceptLicence = False,
    printed: FormOptions,
    collection: CollectionName = None,
    quiet: Quiet = False,
) -> int:
    """Find pictures and passages by meaning.

    Prints confidence, score and path[:page] with tabs between; the most confident first. Confidence says
    how a score compares with the best that unrelated queries find here: few of those get to 0.5.
    QUERY is only ever text: it is not opened and not fetched.
    """
    if question.query is None and question.image is None:
        raise BadInput("give QUERY, --image FILE, or both", hint="searchkit search 'two dogs on a beach'")
    if context is not None and not printed.as_json:
        raise BadInput("--context is for --json", hint="add --json")
    form = output.form(**vars(printed))
    limits = {"min_confidence": question.min_confidence, "collapse": question.collapse}
    settings = load(collection=collection, k=question.k, **limits, **vars(runtime))
    if quiet:
        output.say_less()
    from searchkit.collection.library import Collection
    from searchkit.search.trace import Trace

    trace = Trace() if explain else None
    merged = settings.runtime(accept_licence=accept_licence)
    with Collection.open(settings.collection, create=False, runtime=merged) as library:
        reranker = None if question.rerank is None else _reranker(library, question.rerank, merged)
        hits = _hits(library, question, settings, reranker=reranker, trace=trace)
        contexts = None if context is None else [_context(library, hit, context) for hit in hits]
    if trace is not None:
        output.explained(trace)
    output.hits(hits, form, trace, contexts)
    if not hits and not quiet:
        output.note("nothing found")
    return 0 if hits else output.NOTHING_FOUND


def _hits(
    library: Collection,
    question: QuestionOptions,
    settings: Settings,
    *,
    reranker: Reranker | None,
    trace: Trace | None,
) -> list[Hit]:
    return library.search(
        question.query,
        image=question.image,
        positives=_parts("text", question.plus),
        negatives=[*_parts("text", question.avoid), *_parts("image", question.avoid_image)],
        k=settings.k,
        kind=question.kind,
        filter=question.where,
        label=question.label,
        since=question.since,
        until=question.until,
        sort=question.sort,
        hybrid=question.hybrid,
        rerank=reranker,
        min_confidence=settings.min_confidence,
        collapse=settings.collapse,
        group=question.group,
        trace=trace,
    )


def _parts(what: Literal["text", "image"], values: Sequence[str] | None) -> list[Part]:
    """Return one part of a question for each value of an option: its text, or its picture, and the weight."""
    from searchkit.types import Part

    weighted = map(_weighted, values or ())
    return [Part(weight=weight, **{what: value}) for value, weight in weighted]


def _weighted(value: str) -> tuple[str, float]:
    """Split a value into what stands before `^` and the number behind it; the weight is 1 without one."""
    text, mark, number = value.rpartition("^")
    try:
        return (text, float(number)) if mark and text else (value, 1.0)
    except ValueError:
        return value, 1.0


def _reranker(library: Collection, name: str, runtime: Runtime) -> Reranker:
    from functools import partial

    from searchkit.collection.previews import open_picture
    from searchkit.registry import load_reranker

    return load_reranker(name, partial(open_picture, library), runtime)


def _context(library: Collection, hit: Hit, passages: int) -> dict[str, Any]:
    """Return the JSON field with the text around a passage: so many passages before and after it."""
    if hit.kind.value == "image":
        return {"context": None}
    near = library.around(hit, passages=passages)
    return {"context": {"start": near.start, "end": near.end, "text": near.text}}
