"""`searchkit models`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Json, Quiet
from searchkit.cli.settings import load
from searchkit.errors import BadInput

if TYPE_CHECKING:
    from searchkit.types import Runtime

DIFFERENT = 1


def models(
    action: Annotated[
        Literal["list", "pull", "verify"], typer.Argument(help="What to do; pull and verify take a NAME.")
    ] = "list",
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="As --model takes it.")] = None,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """List the encoders that --model takes, fetch one ahead, or compare one with its official export.

    Besides these, --model takes any repository of the hub of the same families, as owner/model or
    owner/model@revision, and any folder that holds such a checkpoint or that 'searchkit train' wrote.
    The last column is measured by 'searchkit bench --model NAME'.
    """
    if (name is None) != (action == "list"):
        raise BadInput(
            f"models {action} takes {'no name' if action == 'list' else 'a name'}",
            hint="searchkit models; searchkit models pull jinaai/jina-clip-v1",
        )
    runtime = load().runtime(accept_licence=accept_licence)
    if name is None:
        return _list(as_json=as_json)
    if action == "pull":
        return _pull(name, runtime, as_json=as_json, quiet=quiet)
    return _verify(name, runtime, as_json=as_json)


def _list(*, as_json: bool) -> int:
    from dataclasses import asdict

    from searchkit.registry import encoder_records, is_here
    from searchkit.speed.bench import load_speeds
    from searchkit.types import JSON_SCHEMA

    speeds = load_speeds()
    encoders = [(record, is_here(record), speeds.get(record.name)) for record in encoder_records()]
    if as_json:
        output.records(
            {
                "schema": JSON_SCHEMA,
                **asdict(record),
                "here": here,
                "images_per_second": speed and speed.images_per_second,
                "texts_per_second": speed and speed.texts_per_second,
            }
            for record, here, speed in encoders
        )
        return 0
    head = ("name", "here", "licence", "dim", "languages", "window", "pixels", "MB", "images/s", "texts/s")
    rows = [
        (
            record.name,
            "yes" if here else "no",
            record.licence + " (restricted)" * record.restricted,
            record.dim,
            record.languages,
            record.text_window,
            record.pixels or "text only",
            f"{record.megabytes:.0f}",
            f"{speed.images_per_second:.0f}" if speed and speed.images_per_second else "",
            f"{speed.texts_per_second:.0f}" if speed else "",
        )
        for record, here, speed in encoders
    ]
    output.table([head, *rows])
    return 0


def _pull(name: str, runtime: Runtime, *, as_json: bool, quiet: bool) -> int:
    from searchkit.registry import pull
    from searchkit.types import JSON_SCHEMA

    pulled = pull(name, runtime)
    if as_json:
        record = {"schema": JSON_SCHEMA, "name": pulled.name, "sha256": pulled.sha256}
        output.records([{**record, **output.path_fields(str(pulled.folder))}])
    else:
        output.paths([str(pulled.folder)])
        if not quiet:
            output.note(f"{pulled.name}: {pulled.megabytes} MB of weights, sha256 {pulled.sha256}")
    return 0


def _verify(name: str, runtime: Runtime, *, as_json: bool) -> int:
    from dataclasses import replace

    from searchkit.evaluation.verify import verify
    from searchkit.registry import exports, load_encoder

    encoder = load_encoder(name, replace(runtime, dtype="float32"))
    result = verify(encoder, *exports(encoder.record.name, runtime))
    if as_json:
        output.records([result.to_json()])
    else:
        output.table(
            [("what", "input", "cosine"), *((r.what, r.input, f"{r.cosine:.6f}") for r in result.rows)]
        )
        output.note(f"{name}: {'equal to' if result.ok else 'DIFFERS FROM'} its official export")
    return 0 if result.ok else DIFFERENT
