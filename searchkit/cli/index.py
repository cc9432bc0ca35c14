"""`searchkit index`"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
    BatchOptions,
    ChunkOverlap,
    ChunkTokens,
    CollectionName,
    Json,
    Model,
    Paths,
    Quiet,
    RuntimeOptions,
    Verbose,
)
from searchkit.cli.progress import bar, stopping
from searchkit.cli.settings import load
from searchkit.errors import BadInput, CollectionMissing
from searchkit.settings import Settings, without_password

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.protocols import Encoder
    from searchkit.types import IndexReport, Progress, Runtime


@dataclass(frozen=True)
class RunOptions:
    """The files that an index run takes, what it does with them, and where a new catalog is."""

    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Only these, as in .gitignore.")
    ] = None
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Not these, as in .gitignore.")
    ] = None
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete even when more than half of a source is gone.")
    ] = False
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that failed before.")
    ] = False
    strict: Annotated[bool, typer.Option("--strict", help="Exit 2, not 3, when files failed.")] = False
    queue: Annotated[
        bool, typer.Option("--queue", help="Only queue what is due; 'searchkit worker' does it.")
    ] = False
    catalog: Annotated[
        str | None,
        typer.Option("--catalog", metavar="URL", help="PostgreSQL for the catalog of a new one."),
    ] = None


@dataclass(frozen=True)
class DocumentOptions:
    """How documents become passages, and which words of theirs are found."""

    chunking: Annotated[
        Literal["window", "heading", "sentence", "late"] | None,
        typer.Option("--chunking", help="Of a new collection: how documents become passages."),
    ] = None
    chunk_tokens: ChunkTokens = None
    chunk_overlap: ChunkOverlap = None
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="NAME", help="Of the words in hybrid search; auto, none."),
    ] = None
    ocr: Annotated[
        bool | None, typer.Option("--ocr/--no-ocr", help="Read text in scans and pictures (needs tesseract).")
    ] = None
    ocr_languages: Annotated[
        str | None, typer.Option("--ocr-languages", metavar="NAMES", help="As tesseract names them: eng+deu.")
    ] = None


def index(
    *,
    paths: Paths = None,
    collection: CollectionName = None,
    model: Model = None,
    run: RunOptions,
    batch: BatchOptions,
    documents: DocumentOptions,
    runtime: RuntimeOptions,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Index folders and files, or update them.

    Unchanged files cost nothing; moved and copied ones are not encoded again. Ctrl-C keeps what is done.
    """
    given = {"collection": collection, "model": model, "catalog": run.catalog}
    settings = load(**given, **vars(batch), **vars(documents), **vars(runtime))
    if run.catalog and run.catalog != without_password(run.catalog):
        output.note("warning: who lists processes sees the password; SEARCHKIT_CATALOG keeps it out of there")
    if run.queue and run.prune:
        raise BadInput("--queue does not go with --prune", hint="run without --queue")
    if model and (run.include or run.exclude or run.prune):
        hint = "leave out --include, --exclude and --prune"
        raise BadInput("a change of model is of everything", hint=hint)
    from searchkit.indexers.memory import spare

    spare()
    if verbose:
        output.say_more()
    where = settings.runtime(accept_licence=accept_licence)
    library, encoder = _open(settings, paths or (), where, model=model, catalog=run.catalog)
    with library:
        report = _run(library, encoder, paths or (), settings=settings, run=run, quiet=quiet)
        if verbose:
            for failure in library.failures():
                output.note(f"failed: {output.about(failure.path, failure.reason)}")
    if not quiet:
        output.summary(report)
        if run.queue:
            output.note(f"queued {report.queued}; searchkit worker does them")
    if as_json:
        output.records([{**report.to_json(), **({"queued": report.queued} if run.queue else {})}])
    if report.interrupted:
        return output.INTERRUPTED
    if report.failed:
        return output.FAILED if run.strict else output.SOME_FAILED
    return 0


def _open(
    settings: Settings, paths: Sequence[str], runtime: Runtime, *, model: str | None, catalog: str | None
) -> tuple[Collection, Encoder | None]:
    """Return the collection, made when it is not there, and the encoder that it is to change to."""
    from searchkit.collection.library import Collection

    made: dict[str, Any] = {
        "runtime": runtime,
        "chunking": settings.passages(),
        "language": settings.language,
        "ocr": settings.read_by(),
    }
    try:
        library = Collection.open(settings.collection, create=False, catalog=catalog or "", **made)
    except CollectionMissing:
        if not paths:
            raise
        if not any(os.path.lexists(os.path.expanduser(path)) for path in paths):
            # a slip of the pen must not leave an empty collection behind
            raise BadInput(f"{paths[0]} does not exist", hint="check the spelling") from None
        at = settings.catalog or ""
        return Collection.open(settings.collection, model=settings.model, catalog=at, **made), None
    if model is None:  # a setting is for new collections: what exists changes only when it is told to
        return Collection.open(settings.collection, model=settings.model, create=False, runtime=runtime), None
    from searchkit.registry import load_encoder, same_model

    made_with = library.manifest.encoder
    # a name that is known may have other weights than the collection was made with
    encoder = load_encoder(made_with if same_model(model, made_with) else model, runtime)
    return library, None if encoder.space.key == library.manifest.space else encoder


def _run(
    library: Collection,
    encoder: Encoder | None,
    paths: Sequence[str],
    *,
    settings: Settings,
    run: RunOptions,
    quiet: bool,
) -> IndexReport:
    """Fill another space where there is an encoder to change to, else queue what is due, else index it."""
    with stopping() as stop, bar(quiet=quiet) as show:

        def on_progress(progress: Progress) -> None:
            show(_stage(progress), progress.done, progress.total)

        files: dict[str, Any] = {"include": run.include or (), "exclude": run.exclude or ()}
        limits: dict[str, Any] = {"retry_failed": run.retry_failed, "stop": stop}
        batch: dict[str, Any] = {"batch_size": settings.batch_size, "threads": settings.threads}
        if encoder is not None:
            from searchkit.collection.spaces import refill

            return refill(library, encoder, *paths, on_progress=on_progress, **batch, **limits)
        if run.queue:
            from searchkit.collection.jobs import ASKED, enqueue

            return enqueue(library, *paths, priority=ASKED, **files, **limits)
        return library.add(*paths, prune=run.prune, on_progress=on_progress, **files, **batch, **limits)


def _stage(progress: Progress) -> str:
    """Say what is being done, and how far a long document is."""
    if not progress.parts:
        return progress.stage
    name = output.escape(os.path.basename(progress.path or ""))
    return f"{progress.stage} {name} {progress.part / progress.parts:.0%}"
