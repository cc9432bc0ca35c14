"""`searchkit train`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import Device, Json, Quiet


def train(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the recipe's data sets are.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the encoder.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="A recipe's name, or a TOML file.")
    ] = "pocket",
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Checkpoints and features. Default: OUT.work")
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="Instead of the recipe's number.")
    ] = None,
    device: Device = None,
    processes: Annotated[
        int,
        typer.Option("--processes", metavar="N", min=0, help="That render all views first: for a GPU."),
    ] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train an image tower by a recipe. A run that was stopped goes on where it was.

    The folder it writes is an encoder: searchkit index --model FOLDER.
    """
    from searchkit.encoders.device import placement
    from searchkit.encoders.minilm import minilm
    from searchkit.training.loop import train as run
    from searchkit.training.recipe import load_recipe
    from searchkit.types import JSON_SCHEMA, Runtime

    if not quiet:
        output.say_more()
    work = work or out.with_name(f"{out.name}.work")
    where = placement(Runtime(device=device or "cpu")).device.type
    folder = run(
        load_recipe(recipe),
        data,
        work,
        out,
        minilm().encode,
        steps=steps,
        device=where,
        processes=processes,
    )
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0
