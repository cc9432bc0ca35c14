"""`searchkit bench`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Json, Model, Quiet, RuntimeOptions, Threads
from searchkit.cli.progress import bar
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.speed.bench import Figures


def bench(
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Pictures. Default: some are made.")
    ] = None,
    model: Model = None,
    images: Annotated[
        int, typer.Option("--images", metavar="N", min=1, help="How many pictures at most.")
    ] = 128,
    batch_size: Annotated[
        int | None, typer.Option("-b", "--batch-size", metavar="N", help="Pictures to encode at once.")
    ] = None,
    threads: Threads = None,
    runtime: RuntimeOptions,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Measure how fast an encoder indexes pictures and reads texts on this machine.

    Pictures go the way that 'searchkit index' takes, into a collection that is thrown away. The figures
    are kept for 'searchkit models'.
    """
    settings = load(model=model, batch_size=batch_size, threads=threads, **vars(runtime))
    where = settings.runtime(accept_licence=accept_licence)
    from searchkit.registry import DEFAULT_ENCODER, load_encoder
    from searchkit.speed.bench import measure, remember

    encoder = load_encoder(settings.model or DEFAULT_ENCODER, where)
    with bar(quiet=quiet) as show:
        figures = measure(
            encoder,
            paths or (),
            images=images,
            batch_size=settings.batch_size,
            threads=settings.threads,
            runtime=where,
            on_progress=lambda p: show(p.stage, p.done, p.total),
        )
    remember(figures)
    if as_json:
        output.records([figures.to_json()])
    else:
        output.table(_rows(figures))
    return 0


def _rows(figures: Figures) -> list[tuple[str, str]]:
    rows = [
        ("encoder", figures.encoder),
        ("runs on", f"{figures.processor} ({figures.device}, {figures.dtype})"),
    ]
    if figures.images_per_second is not None:
        rows += [
            ("images", f"{figures.images_per_second:.1f} a second, of {figures.images}"),
            ("  CPU", f"{figures.cpu_ms_per_image:.1f} ms an image"),
            ("  of it to decode", f"{figures.decode_cpu_ms:.1f} ms"),
            ("  of it to encode", f"{figures.encode_cpu_ms:.1f} ms ({figures.encoder_share:.0%})"),
        ]
    rows += [
        ("questions", f"{figures.texts_per_second:.0f} a second"),
        ("passages", f"{figures.passages_per_second:.0f} a second, of {figures.passage_tokens} tokens"),
    ]
    if figures.peak_mb is not None:
        rows.append(("memory", f"{figures.peak_mb:.0f} MB at the most"))
    return rows
