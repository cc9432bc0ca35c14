"""`searchkit reinforce`"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Json, Quiet, RuntimeOptions
from searchkit.cli.progress import bar
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.types import Runtime


@dataclass(frozen=True)
class StoreOptions:
    """The data set that is kept, the teachers and captioner that see it, and its augmentations."""

    data: Annotated[Path, typer.Argument(metavar="DATA", help="A parquet of captioned or labelled images.")]
    teachers: Annotated[
        str, typer.Option("--teachers", metavar="A,B", help="Encoders; 'features' is the recipe's own.")
    ]
    augmentations: Annotated[
        int, typer.Option("--augmentations", metavar="N", min=1, help="Views of each picture.")
    ] = 10
    captioner: Annotated[
        str | None,
        typer.Option(
            "--captioner",
            metavar="C",
            help="Who writes more captions: a BLIP's name or folder, or a plugin.",
        ),
    ] = None
    captions: Annotated[
        int, typer.Option("--captions", metavar="N", min=1, help="That a BLIP writes of each picture.")
    ] = 5
    split: Annotated[str | None, typer.Option("--split", metavar="NAME", help="Only rows of this split.")] = (
        None
    )
    recipe: Annotated[
        str,
        typer.Option("--recipe", metavar="NAME|FILE", help="Its prompts for labels, and its teacher."),
    ] = "pocket"
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Default: DATA, ending in .reinforced."),
    ] = None
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="That decode.")] = 2


def reinforce(
    *,
    options: StoreOptions,
    runtime: RuntimeOptions,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Keep what teachers see of a data set, in augmentations that training can repeat.

    A run that was stopped goes on where it was. A recipe reads it: reinforced = "DIR" at a data set.
    """
    settings = load(**vars(runtime))
    from searchkit.types import JSON_SCHEMA

    folder = _reinforce(options, settings.runtime(accept_licence=accept_licence), quiet=quiet)
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0


def _reinforce(options: StoreOptions, runtime: Runtime, *, quiet: bool) -> Path:
    """Load the recipe, the captioner, the pictures and the teachers, in this order, and fill the store."""
    from searchkit.registry import load_captioner
    from searchkit.training.data import load_pictures, text_column
    from searchkit.training.recipe import PictureFile, load_recipe
    from searchkit.training.reinforce import reinforce as fill
    from searchkit.training.stored_teachers import stored_teachers

    recipe = load_recipe(options.recipe)
    captioner = None
    if options.captioner:
        captioner = load_captioner(options.captioner, runtime, captions=options.captions, seed=recipe.seed)
    data, threads = options.data, options.threads
    spec = PictureFile(data.name, text_column(data), 1.0, split=options.split)
    pictures = load_pictures(data.parent, spec, recipe.templates)
    names = [name.strip() for name in options.teachers.split(",") if name.strip()]
    teachers = stored_teachers(names, data.parent, recipe.teacher, runtime=runtime, threads=threads)
    with bar(quiet=quiet) as show:
        return fill(
            pictures,
            teachers,
            options.out or data.with_suffix(".reinforced"),
            augmentations=options.augmentations,
            captioner=captioner,
            seed=recipe.seed,
            threads=threads,
            on_progress=lambda done, total: show("reinforce", done, total),
        )
