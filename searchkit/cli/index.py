"""`searchkit index`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
    CollectionName,
    Device,
    Dtype,
    Json,
    Model,
    Offline,
    Quiet,
    Verbose,
)
from searchkit.cli.progress import bar, stopping
from searchkit.errors import BadInput, CollectionMissing
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.types import Progress

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
    batch_size: Annotated[
        int | None, typer.Option("-b", "--batch-size", metavar="N", help="Items to encode and keep at once.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="Threads that read and decode.")
    ] = None,
    chunking: Annotated[
        Literal["window", "heading", "late"] | None,
        typer.Option("--chunking", help="Of a new collection: how documents become passages."),
    ] = None,
    chunk_tokens: Annotated[
        int | None, typer.Option("--chunk-tokens", metavar="N", help="Tokens of a passage at most.")
    ] = None,
    chunk_overlap: Annotated[
        int | None, typer.Option("--chunk-overlap", metavar="N", help="Tokens that neighbours share.")
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
        device=device,
        dtype=dtype,
        offline=offline,
    )
    runtime = settings.runtime(accept_licence=accept_licence)
    from searchkit.collection import Collection

    if verbose:
        output.say_more()
    there = any(os.path.lexists(os.path.expanduser(path)) for path in paths or ())
    try:
        library = Collection.open(
            settings.collection,
            model=settings.model,
            create=there,
            runtime=runtime,
            chunking=settings.passages(),
        )
    except CollectionMissing:
        if not paths:
            raise
        # a slip of the pen must not leave an empty collection behind
        raise BadInput(f"{paths[0]} does not exist", hint="check the spelling") from None
    with library:
        with stopping() as stop, bar(quiet=quiet) as show:
            report = library.add(
                *(paths or ()),
                on_progress=lambda p: show(_stage(p), p.done, p.total),
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
    if as_json:
        output.records([report.to_json()])
    if report.interrupted:
        return output.INTERRUPTED
    if report.failed:
        return output.FAILED if strict else SOME_FAILED
    return 0


def _stage(progress: Progress) -> str:
    """What is being done, and how far a long document is."""
    if not progress.parts:
        return progress.stage
    name = output.escape(os.path.basename(progress.path or ""))
    return f"{progress.stage} {name} {progress.part / progress.parts:.0%}"
