"""`searchkit train`"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from searchkit.cli import output
from searchkit.cli.options import Device, Json, Quiet, Steps
from searchkit.cli.progress import bar
from searchkit.errors import BadInput


class Folders(NamedTuple):
    """Where the data sets lie, where the run keeps what it needs to go on, and where the encoder goes."""

    data: Path
    work: Path
    out: Path


def train(
    *,
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
    steps: Steps = None,
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
    from searchkit.finetuning.plan import is_plan

    has_parent = is_plan(recipe)
    if not has_parent and (parent is not None or changes):
        raise BadInput(f"the recipe {recipe} starts from nothing", hint="leave out --parent and --set")
    changed = {"parent": parent, "steps": steps, **_changes(changes or [])}
    from searchkit.encoders.device import placement
    from searchkit.types import JSON_SCHEMA, Runtime

    if not quiet:
        output.say_more()
    folders = Folders(data, work or out.with_name(f"{out.name}.work"), out)
    where = placement(Runtime(device=device or "cpu")).device.type
    if has_parent:
        folder = _from_parent(recipe, changed, folders, quiet=quiet)
    else:
        folder = _from_teacher(recipe, folders, steps=steps, device=where, processes=processes)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0


def _changes(given: list[str]) -> dict[str, Any]:
    """Read each KEY=VALUE as a line of TOML."""
    try:
        return tomllib.loads("\n".join(given))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"--set: {error}", hint="values are as in a recipe: --set batch=128") from error


def _from_parent(recipe: str, changed: dict[str, Any], folders: Folders, *, quiet: bool) -> Path:
    """Train both towers of an encoder that is there already, on texts and pictures."""
    from searchkit.finetuning.plan import load_plan
    from searchkit.finetuning.run import run_plan
    from searchkit.types import Runtime

    plan = load_plan(recipe, **{name: value for name, value in changed.items() if value is not None})
    with bar(quiet=quiet) as show:
        return run_plan(
            plan,
            folders.data,
            folders.work,
            folders.out,
            Runtime(dtype="float32"),
            on_step=lambda done, total, loss: show(f"loss {loss:.3f}", done, total),
        )


def _from_teacher(recipe: str, folders: Folders, *, steps: int | None, device: str, processes: int) -> Path:
    """Train an image tower against a locked text tower: from nothing, or from a packaged one."""
    from searchkit.encoders.minilm import minilm
    from searchkit.training.loop import train as distil
    from searchkit.training.recipe import load_recipe
    from searchkit.training.start import train_started
    from searchkit.training.started import is_started, load_started

    encode = minilm().encode
    if is_started(recipe):
        if device != "cpu":
            raise BadInput(f"the recipe {recipe} is for a CPU", hint="leave out --device")
        return train_started(
            load_started(recipe), folders.data, folders.work, folders.out, encode, steps=steps
        )
    return distil(
        load_recipe(recipe),
        folders.data,
        folders.work,
        folders.out,
        encode,
        steps=steps,
        device=device,
        processes=processes,
    )
