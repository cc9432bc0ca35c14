"""`searchkit worker`"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import BatchOptions, CollectionName, Quiet, RuntimeOptions, Verbose
from searchkit.cli.progress import stopping
from searchkit.cli.settings import load
from searchkit.settings import Settings

if TYPE_CHECKING:
    from searchkit.types import IndexReport


@dataclass(frozen=True)
class WorkerOptions:
    """How long a worker lasts, and how many there are."""

    once: Annotated[bool, typer.Option("--once", help="End when nothing is waiting.")] = False
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="So many processes.")] = 1
    lease: Annotated[
        float,
        typer.Option(
            "--lease", metavar="SECONDS", min=0.5, max=3600, help="Silence after which one is dead."
        ),
    ] = 60.0
    memory: Annotated[
        int, typer.Option("--memory", metavar="MB", min=0, help="End (75) when larger; 0: never.")
    ] = 0


def worker(
    *,
    options: WorkerOptions,
    batch: BatchOptions,
    runtime: RuntimeOptions,
    collection: CollectionName = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Index what 'index --queue' and 'watch' have queued, until Ctrl-C.

    Any number of workers share a queue; one that is killed loses nothing. With --jobs, a worker that dies or
    grows beyond --memory is replaced: after its batch, or at once where it has half as much again.
    """
    given = {"collection": collection, **vars(batch), **vars(runtime)}
    settings = load(**given)
    from searchkit.indexers.memory import spare

    spare()
    if verbose:
        output.say_more()
    with stopping() as stop:
        if options.jobs > 1:
            from searchkit.indexers.worker import supervise

            arguments = _arguments(options, given, quiet=quiet, verbose=verbose)
            code = supervise(arguments, options.jobs, stop)
        else:
            code = _work(settings, options, stop, quiet=quiet, verbose=verbose)
        return output.INTERRUPTED if stop() else code


def _arguments(
    options: WorkerOptions, given: Mapping[str, object], *, quiet: bool, verbose: bool
) -> list[str]:
    """Return the command line of one of several workers."""
    arguments = ["worker", "--lease", str(options.lease), "--memory", str(options.memory)]
    arguments += ["--once"] * options.once + ["-q"] * quiet + ["-v"] * verbose
    for name, value in given.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(option)
        elif value is not None:
            arguments += [option, str(value)]
    return arguments


def _work(
    settings: Settings, options: WorkerOptions, stop: Callable[[], bool], *, quiet: bool, verbose: bool
) -> int:
    """Do jobs in this process until there is a reason to end; return the exit code."""
    from searchkit.collection.indexing import ocr_of
    from searchkit.collection.jobs import How
    from searchkit.collection.library import Collection
    from searchkit.indexers.worker import Worker

    def on_report(report: IndexReport) -> None:
        for warning in report.warnings:
            output.note(f"warning: {warning}")
        if verbose:
            output.summary(report)

    how = How(settings.batch_size, settings.threads, options.lease, stop)
    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        ocr_of(library.current)  # what every job would fail for is said at once
        here = Worker(library, how, megabytes=options.memory, on_report=on_report)
        code: int = here.run(once=options.once)
        counts = library.catalog.jobs.counts(library.current.manifest.space)
    if not quiet:
        states = ("waiting", "done", "dead")
        output.note(", ".join(f"{state} {counts.get(state, 0)}" for state in states))
    return code
