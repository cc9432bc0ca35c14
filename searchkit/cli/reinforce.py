"""`searchkit reinforce`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Device, Dtype, Json, Offline, Quiet
from searchkit.cli.progress import bar
from searchkit.settings import load


def reinforce(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="A parquet of captioned or labelled images.")],
    teachers: Annotated[
        str, typer.Option("--teachers", metavar="A,B", help="Encoders; 'features' is the recipe's own.")
    ],
    augmentations: Annotated[
        int, typer.Option("--augmentations", metavar="N", min=1, help="Views of each picture.")
    ] = 10,
    captioner: Annotated[
        str | None,
        typer.Option(
            "--captioner",
            metavar="C",
            help="Who writes more captions: a BLIP's name or folder, or a plugin.",
        ),
    ] = None,
    captions: Annotated[
        int, typer.Option("--captions", metavar="N", min=1, help="That a BLIP writes of each picture.")
    ] = 5,
    split: Annotated[
        str | None, typer.Option("--split", metavar="NAME", help="Only rows of this split.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option("--recipe", metavar="NAME|FILE", help="Its prompts for labels, and its teacher."),
    ] = "pocket",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Default: DATA, ending in .reinforced."),
    ] = None,
    threads: Annotated[int, typer.Option("--threads", metavar="N", min=1, help="That decode.")] = 2,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Keep what teachers see of a data set, in augmentations that training can repeat.

    A run that was stopped goes on where it was. A recipe reads it: reinforced = "DIR" at a data set.
    """
    from searchkit.registry import load_captioner
    from searchkit.training.data import load_pictures, text_column
    from searchkit.training.recipe import PictureFile, load_recipe
    from searchkit.training.reinforce import reinforce as run
    from searchkit.training.stored_teachers import stored_teachers
    from searchkit.types import JSON_SCHEMA

    settings = load(device=device, dtype=dtype, offline=offline)
    runtime = settings.runtime(accept_licence=accept_licence)
    told = load_recipe(recipe)
    writer = load_captioner(captioner, runtime, captions=captions, seed=told.seed) if captioner else None
    spec = PictureFile(data.name, text_column(data), 1.0, split=split)
    pictures = load_pictures(data.parent, spec, told.templates)
    names = [name.strip() for name in teachers.split(",") if name.strip()]
    chosen = stored_teachers(names, data.parent, told.teacher, runtime=runtime, threads=threads)
    with bar(quiet=quiet) as show:
        folder = run(
            pictures,
            chosen,
            out or data.with_suffix(".reinforced"),
            augmentations=augmentations,
            captioner=writer,
            seed=told.seed,
            threads=threads,
            on_progress=lambda done, total: show("reinforce", done, total),
        )
    if as_json:
        output.records([{"schema": JSON_SCHEMA, **output.path_fields(str(folder))}])
    else:
        output.paths([str(folder)])
    return 0
