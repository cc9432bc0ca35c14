"""`searchkit index`"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
    BatchSize,
    CollectionName,
    Device,
    Dtype,
    Json,
    Model,
    Offline,
    Quiet,
    Threads,
    Verbose,
)
from searchkit.cli.progress import bar, stopping
from searchkit.errors import BadInput, CollectionMissing
from searchkit.settings import Settings, load

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.protocols import Encoder
    from searchkit.types import Progress, Runtime

SOME_FAILED = 3


def index(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Folders and files. Default: all known.")
    ] = None,
    collection: CollectionName = None,
    model: Model = None,
    include: Annotated[
        list[str] | None, typer.Option("--include", metavar="GLOB", help="Only these, as in .gitignore.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Not these, as in .gitignore.")
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Delete even when more than half of a source is gone.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try files again that failed before.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 2, not 3, when files failed.")] = False,
    queue: Annotated[
        bool, typer.Option("--queue", help="Only queue what is due; 'searchkit worker' does it.")
    ] = False,
    catalog: Annotated[
        str | None,
        typer.Option("--catalog", metavar="URL", help="PostgreSQL for the catalog of a new one."),
    ] = None,
    batch_size: BatchSize = None,
    threads: Threads = None,
    chunking: Annotated[
        Literal["window", "heading", "sentence", "late"] | None,
        typer.Option("--chunking", help="Of a new collection: how documents become passages."),
    ] = None,
    chunk_tokens: Annotated[
        int | None, typer.Option("--chunk-tokens", metavar="N", help="Tokens of a passage at most.")
    ] = None,
    chunk_overlap: Annotated[
        int | None, typer.Option("--chunk-overlap", metavar="N", help="Tokens that neighbours share.")
    ] = None,
    language: Annotated[
        str | None,
        typer.Option("--language", metavar="NAME", help="Of the words in hybrid search; auto, none."),
    ] = None,
    ocr: Annotated[
        bool | None, typer.Option("--ocr/--no-ocr", help="Read text in scans and pictures (needs tesseract).")
    ] = None,
    ocr_languages: Annotated[
        str | None, typer.Option("--ocr-languages", metavar="NAMES", help="As tesseract names them: eng+deu.")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Index folders and files, or update them.

    Unchanged files cost nothing; moved and copied ones are not encoded again. Ctrl-C keeps what is done.
    """
    settings = load(
        collection=collection,
        model=model,
        batch_size=batch_size,
        threads=threads,
        chunking=chunking,
        chunk_tokens=chunk_tokens,
        chunk_overlap=chunk_overlap,
        language=language,
        ocr=ocr,
        ocr_languages=ocr_languages,
        device=device,
        dtype=dtype,
        offline=offline,
    )
    runtime = settings.runtime(accept_licence=accept_licence)
    from searchkit.indexers.memory import spare

    spare()
    if verbose:
        output.say_more()
    if queue and prune:
        raise BadInput("--queue does not go with --prune", hint="run without --queue")
    if model and (include or exclude or prune):
        hint = "leave out --include, --exclude and --prune"
        raise BadInput("a change of model is of everything", hint=hint)
    given = tuple(paths or ())
    library, encoder = _open(settings, given, runtime, model, catalog)
    with library:
        with stopping() as stop, bar(quiet=quiet) as show:

            def on_progress(progress: Progress) -> None:
                show(_stage(progress), progress.done, progress.total)

            if queue and encoder is None:
                from searchkit.collection.jobs import ASKED, enqueue

                report = enqueue(
                    library,
                    *given,
                    include=include or (),
                    exclude=exclude or (),
                    retry_failed=retry_failed,
                    priority=ASKED,
                    stop=stop,
                )
            elif encoder is not None:
                from searchkit.collection.spaces import refill

                report = refill(
                    library,
                    encoder,
                    *given,
                    batch_size=settings.batch_size,
                    threads=settings.threads,
                    retry_failed=retry_failed,
                    on_progress=on_progress,
                    stop=stop,
                )
            else:
                report = library.add(
                    *given,
                    on_progress=on_progress,
                    include=include or (),
                    exclude=exclude or (),
                    prune=prune,
                    retry_failed=retry_failed,
                    batch_size=settings.batch_size,
                    threads=settings.threads,
                    stop=stop,
                )
        if verbose:
            for failure in library.failures():
                output.note(f"failed: {output.about(failure.path, failure.reason)}")
    if not quiet:
        output.summary(report)
        if queue:
            output.note(f"queued {report.queued}; searchkit worker does them")
    if as_json:
        output.records([{**report.to_json(), **({"queued": report.queued} if queue else {})}])
    if report.interrupted:
        return output.INTERRUPTED
    if report.failed:
        return output.FAILED if strict else SOME_FAILED
    return 0


def _open(
    settings: Settings, paths: Sequence[str], runtime: Runtime, model: str | None, catalog: str | None
) -> tuple[Collection, Encoder | None]:
    """The collection, made when it is not there, and the encoder that it is to change to."""
    from searchkit.collection.library import Collection

    try:
        library = Collection.open(
            settings.collection,
            create=False,
            runtime=runtime,
            catalog=catalog or "",
            chunking=settings.passages(),
            language=settings.language,
            ocr=settings.read_by(),
        )
    except CollectionMissing:
        if not paths:
            raise
        if not any(os.path.lexists(os.path.expanduser(path)) for path in paths):
            # a slip of the pen must not leave an empty collection behind
            raise BadInput(f"{paths[0]} does not exist", hint="check the spelling") from None
        library = Collection.open(
            settings.collection,
            model=settings.model,
            runtime=runtime,
            catalog=settings.catalog or "",
            chunking=settings.passages(),
            language=settings.language,
            ocr=settings.read_by(),
        )
        return library, None
    if model is None:  # a setting is for new collections: what exists changes only when it is told to
        return Collection.open(settings.collection, model=settings.model, create=False, runtime=runtime), None
    from searchkit.registry import load_encoder, same_model

    made_with = library.manifest.encoder
    # a name that is known may have other weights than the collection was made with
    encoder = load_encoder(made_with if same_model(model, made_with) else model, runtime)
    return library, None if encoder.space.key == library.manifest.space else encoder


def _stage(progress: Progress) -> str:
    """What is being done, and how far a long document is."""
    if not progress.parts:
        return progress.stage
    name = output.escape(os.path.basename(progress.path or ""))
    return f"{progress.stage} {name} {progress.part / progress.parts:.0%}"
