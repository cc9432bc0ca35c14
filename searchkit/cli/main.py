"""The script `searchkit`: all commands, and the boundary at which errors become text and exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.adapt import adapt
from searchkit.cli.bench import bench
from searchkit.cli.config import config
from searchkit.cli.doctor import doctor
from searchkit.cli.evaluate import evaluate
from searchkit.cli.export import export
from searchkit.cli.index import index
from searchkit.cli.label import label
from searchkit.cli.ls import ls
from searchkit.cli.models import models
from searchkit.cli.options import expanded
from searchkit.cli.reinforce import reinforce
from searchkit.cli.rm import rm
from searchkit.cli.search import search
from searchkit.cli.similar import similar
from searchkit.cli.spaces import spaces
from searchkit.cli.status import status
from searchkit.cli.train import train
from searchkit.cli.ui import ui
from searchkit.cli.watch import watch
from searchkit.cli.worker import worker
from searchkit.settings import DEBUG, FROM

COMMANDS: tuple[tuple[Callable[..., int], str], ...] = (
    (index, "searchkit index ~/Pictures ~/papers --exclude '*.psd'"),
    (search, "searchkit search 'two dogs on a beach' -k 5 --kind image"),
    (similar, "searchkit similar ~/Pictures/cat.jpg -f"),
    (label, "searchkit label ~/Pictures --labels 'cat,dog,receipt'"),
    (status, "searchkit status -c holidays"),
    (ls, "searchkit ls ~/papers -0 | xargs -0 du -ch"),
    (rm, "searchkit rm ~/Pictures/old"),
    (doctor, "searchkit doctor --fix"),
    (watch, "searchkit watch ~/Pictures"),
    (worker, "searchkit worker --jobs 4"),
    (spaces, "searchkit spaces rollback"),
    (ui, "searchkit ui --port 8600"),
    (models, "searchkit models --json"),
    (evaluate, "searchkit evaluate ./scifact --split test --hybrid convex"),
    (adapt, "searchkit adapt -c shop --pairs products.csv"),
    (bench, "searchkit bench ~/Pictures --model pocket"),
    (train, "searchkit train --recipe pocket --data ./corpus --out ./my-model"),
    (reinforce, "searchkit reinforce ./corpus/flickr8k.parquet --split train --teachers features,pocket"),
    (export, "searchkit export ./my-model.work ./my-model"),
    (config, "searchkit config --json"),
)
"""Every command with its example, in the order of `searchkit --help`."""


def _leave(code: int, **_: object) -> None:
    """End with the exit code that a command returned."""
    raise typer.Exit(code)


def _version(asked: bool) -> None:
    if asked:
        from searchkit import __version__

        typer.echo(f"searchkit {__version__}")
        raise typer.Exit


# Plain help text: it reads the same in a pipe, and a bordered one costs a third of the start
app = typer.Typer(
    name="searchkit",
    result_callback=_leave,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def searchkit(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_version, help="Print the version.")
    ] = False,
    settings: Annotated[
        str | None,
        typer.Option("--settings", metavar="FILE", help="Take all settings of this file, and of no other."),
    ] = None,
) -> None:
    """Find pictures and documents by meaning, on your own machine, in one index."""
    if settings is not None:
        os.environ[FROM] = os.path.abspath(os.path.expanduser(settings))  # for the processes it starts, too


for _command, _example in COMMANDS:
    app.command(epilog=f"Example: {_example}")(expanded(_command))


def main() -> None:
    """Run a command and leave with its exit code: 0 done; 1 nothing found, not better, or different;
    2 failed; 3 some files failed; 4 encoder and collection do not fit; 5 a model is missing; 75 a worker has
    grown too large; 130 interrupted."""
    # threads of torch that wait spin otherwise, and on a busy machine they take the time of those that work
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        app()
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        sys.exit(output.failure(error))
