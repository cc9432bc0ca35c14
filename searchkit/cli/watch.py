"""`searchkit watch`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    BatchSize,
    CollectionName,
    Device,
    Dtype,
    Json,
    Offline,
    Quiet,
    Threads,
    Verbose,
)
from searchkit.cli.progress import stopping
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.types import IndexReport


def watch(
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Folders and files. Default: all known.")
    ] = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="Between two looks at everything.")
    ] = 900.0,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look for changes; network drives are looked at in any case.")
    ] = False,
    batch_size: BatchSize = None,
    threads: Threads = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Keep a collection up to date until Ctrl-C.

    A change is indexed within seconds; everything is looked at now and then besides. Says something when
    something changed; --json prints a report after every look.
    """
    settings = load(
        collection=collection,
        batch_size=batch_size,
        threads=threads,
        device=device,
        dtype=dtype,
        offline=offline,
    )
    from searchkit.indexers.memory import spare
    from searchkit.indexers.watch import watch as run

    spare()
    if verbose:
        output.say_more()

    def on_report(report: IndexReport) -> None:
        news = report.indexed or report.reused or report.deleted or report.warnings
        if verbose or (news and not quiet):
            output.summary(report)
        if as_json:
            output.records([report.to_json()])

    with stopping() as stop:
        run(
            settings.collection,
            paths or (),
            every=every,
            poll=poll,
            stop=stop,
            on_report=on_report,
            batch_size=settings.batch_size,
            threads=settings.threads,
            runtime=settings.runtime(),
        )
        return output.INTERRUPTED if stop() else 0
