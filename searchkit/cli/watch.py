"""`searchkit watch`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    BatchOptions,
    CollectionName,
    Json,
    Paths,
    Quiet,
    RuntimeOptions,
    Verbose,
)
from searchkit.cli.progress import stopping
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.types import IndexReport


def watch(
    *,
    paths: Paths = None,
    every: Annotated[
        float, typer.Option("--every", metavar="SECONDS", min=0.1, help="Between two looks at everything.")
    ] = 900.0,
    poll: Annotated[
        bool, typer.Option("--poll", help="Look for changes; network drives are looked at in any case.")
    ] = False,
    batch: BatchOptions,
    runtime: RuntimeOptions,
    as_json: Json = False,
    collection: CollectionName = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Keep a collection up to date until Ctrl-C.

    A change is indexed within seconds; everything is looked at now and then besides. Says something when
    something changed; --json prints a report after every look.
    """
    settings = load(collection=collection, **vars(batch), **vars(runtime))
    from searchkit.indexers.memory import spare
    from searchkit.indexers.watch import watch as keep_up_to_date

    spare()
    if verbose:
        output.say_more()

    def on_report(report: IndexReport) -> None:
        changed = report.indexed or report.reused or report.deleted or report.warnings
        if verbose or (changed and not quiet):
            output.summary(report)
        if as_json:
            output.records([report.to_json()])

    with stopping() as stop:
        keep_up_to_date(
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
