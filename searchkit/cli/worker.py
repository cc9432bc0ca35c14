"""`searchkit worker`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import BatchSize, CollectionName, Device, Dtype, Offline, Quiet, Threads, Verbose
from searchkit.cli.progress import stopping
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.types import IndexReport


def worker(
    once: Annotated[bool, typer.Option("--once", help="End when nothing is waiting.")] = False,
    jobs: Annotated[int, typer.Option("--jobs", metavar="N", min=1, help="So many processes.")] = 1,
    lease: Annotated[
        float,
        typer.Option(
            "--lease", metavar="SECONDS", min=0.5, max=3600, help="Silence after which one is dead."
        ),
    ] = 60.0,
    memory: Annotated[
        int, typer.Option("--memory", metavar="MB", min=0, help="End (75) when larger; 0: never.")
    ] = 0,
    batch_size: BatchSize = None,
    threads: Threads = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    collection: CollectionName = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Index what 'index --queue' and 'watch' have queued, until Ctrl-C.

    Any number of workers share a queue; one that is killed loses nothing. With --jobs, a worker that dies or
    grows beyond --memory is replaced: after its batch, or at once where it has half as much again.
    """
    given = {"batch_size": batch_size, "threads": threads, "device": device, "dtype": dtype}
    settings = load(collection=collection, offline=offline, **given)
    from searchkit.collection.indexing import ocr_of
    from searchkit.collection.jobs import How
    from searchkit.collection.library import Collection
    from searchkit.indexers.memory import spare
    from searchkit.indexers.worker import Worker, supervise

    spare()
    if verbose:
        output.say_more()

    def on_report(report: IndexReport) -> None:
        for warning in report.warnings:
            output.note(f"warning: {warning}")
        if verbose:
            output.summary(report)

    with stopping() as stop:
        if jobs > 1:
            arguments = ["worker", "--lease", str(lease), "--memory", str(memory)]
            arguments += ["--once"] * once + ["-q"] * quiet + ["-v"] * verbose + ["--offline"] * bool(offline)
            for name, value in {"collection": collection, **given}.items():
                arguments += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
            code = supervise(arguments, jobs, stop)
        else:
            how = How(settings.batch_size, settings.threads, lease, stop)
            runtime = settings.runtime()
            with Collection.open(settings.collection, create=False, runtime=runtime) as library:
                ocr_of(library.current)  # what every job would fail for is said at once
                code = Worker(library, how, megabytes=memory, on_report=on_report).run(once=once)
                left = library.catalog.jobs.counts(library.current.manifest.space)
            if not quiet:
                output.note(
                    ", ".join(f"{state} {left.get(state, 0)}" for state in ("waiting", "done", "dead"))
                )
        return output.INTERRUPTED if stop() else code
