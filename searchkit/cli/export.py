"""`searchkit export`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import Json


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The --work folder of 'searchkit train'.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Where to write the encoder.")],
    dtype: Annotated[
        Literal["float16", "float32"], typer.Option("--dtype", help="The numbers in the file.")
    ] = "float16",
    as_json: Json = False,
) -> int:
    """Write what a training run has learned so far as an encoder, also while it runs.

    Branches of convolutions become single ones, which compute the same. The folder it writes is an encoder:
    searchkit index --model FOLDER.
    """
    from searchkit.training.export import export_run
    from searchkit.types import JSON_SCHEMA

    folder = export_run(run, out, dtype=dtype)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0
