"""`searchkit train`"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

from searchkit.cli import output
from searchkit.cli.options import Device, Json, Quiet
from searchkit.cli.progress import bar
from searchkit.errors import BadInput


def train(
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where the recipe's data sets are.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the encoder.")],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME|FILE", help="A recipe's name, or a TOML file.")
    ] = "pocket",
    work: Annotated[
        Path | None, typer.Option("--work", metavar="DIR", help="Checkpoints and features. Default: OUT.work")
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option("--parent", metavar="NAME|FOLDER", help="Start from this encoder, not the recipe's."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="Instead of the recipe's number.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Instead of what a recipe with a parent says."),
    ] = None,
    device: Device = None,
    processes: Annotated[
        int,
        typer.Option("--processes", metavar="N", min=0, help="That render all views first: for a GPU."),
    ] = 0,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Train an encoder's towers by a recipe. A run that was stopped goes on where it was.

    The folder it writes is an encoder: searchkit index --model FOLDER.
    """
    # Huge pages for large activations: a step takes a sixth less and more. Read once, when torch is imported.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    from searchkit.encoders.device import placement
    from searchkit.finetuning.plan import is_plan
    from searchkit.types import JSON_SCHEMA, Runtime

    if not quiet:
        output.say_more()
    work = work or out.with_name(f"{out.name}.work")
    where = placement(Runtime(device=device or "cpu")).device.type
    if is_plan(recipe):
        changed = {"parent": parent, "steps": steps, **_changes(changes or [])}
        folder = _from_parent(recipe, changed, data=data, work=work, out=out, quiet=quiet)
    elif parent is not None or changes:
        raise BadInput(f"the recipe {recipe} starts from nothing", hint="leave out --parent and --set")
    else:
        folder = _from_teacher(recipe, steps, where, data=data, work=work, out=out, processes=processes)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0


def _changes(given: list[str]) -> dict[str, Any]:
    """Each KEY=VALUE with its value as TOML."""
    try:
        return tomllib.loads("\n".join(given))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"--set: {error}", hint="values are as in a recipe: --set batch=128") from error


def _from_parent(
    recipe: str, changed: dict[str, Any], *, data: Path, work: Path, out: Path, quiet: bool
) -> Path:
    """Both towers of an encoder that is there already, on texts and pictures."""
    from searchkit.finetuning.plan import load_plan
    from searchkit.finetuning.run import run_plan
    from searchkit.types import Runtime

    plan = load_plan(recipe, **{name: value for name, value in changed.items() if value is not None})
    with bar(quiet=quiet) as show:
        return run_plan(
            plan,
            data,
            work,
            out,
            Runtime(dtype="float32"),
            on_step=lambda done, total, loss: show(f"loss {loss:.3f}", done, total),
        )


def _from_teacher(
    recipe: str, steps: int | None, device: str, *, data: Path, work: Path, out: Path, processes: int
) -> Path:
    """An image tower from nothing, against a locked text tower and teachers."""
    from searchkit.encoders.minilm import minilm
    from searchkit.training.loop import train as run
    from searchkit.training.recipe import load_recipe

    encode = minilm().encode
    return run(load_recipe(recipe), data, work, out, encode, steps=steps, device=device, processes=processes)
