"""`searchkit bench`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Device, Dtype, Json, Model, Offline, Quiet
from searchkit.cli.progress import bar
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.speed.bench import Figures


def bench(
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
    threads: Annotated[
        int | None, typer.Option("--threads", metavar="N", help="Threads that read and decode.")
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Measure how fast an encoder indexes pictures and reads texts on this machine.

    Pictures go the way that 'searchkit index' takes, into a collection that is thrown away. The figures
    are kept for 'searchkit models'.
    """
    settings = load(
        model=model, batch_size=batch_size, threads=threads, device=device, dtype=dtype, offline=offline
    )
    runtime = settings.runtime(accept_licence=accept_licence)
    from searchkit.registry import DEFAULT_ENCODER, load_encoder
    from searchkit.speed.bench import measure, remember

    encoder = load_encoder(settings.model or DEFAULT_ENCODER, runtime)
    with bar(quiet=quiet) as show:
        found = measure(
            encoder,
            paths or (),
            images=images,
            batch_size=settings.batch_size,
            threads=settings.threads,
            runtime=runtime,
            on_progress=lambda p: show(p.stage, p.done, p.total),
        )
    remember(found)
    if as_json:
        output.records([found.to_json()])
    else:
        output.table(_rows(found))
    return 0


def _rows(found: Figures) -> list[tuple[str, str]]:
    rows = [("encoder", found.encoder), ("runs on", f"{found.processor} ({found.device}, {found.dtype})")]
    if found.images_per_second is not None:
        rows += [
            ("images", f"{found.images_per_second:.1f} a second, of {found.images}"),
            ("  CPU", f"{found.cpu_ms_per_image:.1f} ms an image"),
            ("  of it to decode", f"{found.decode_cpu_ms:.1f} ms"),
            ("  of it to encode", f"{found.encode_cpu_ms:.1f} ms ({found.encoder_share:.0%})"),
        ]
    rows += [
        ("questions", f"{found.texts_per_second:.0f} a second"),
        ("passages", f"{found.passages_per_second:.0f} a second, of {found.passage_tokens} tokens"),
    ]
    if found.peak_mb is not None:
        rows.append(("memory", f"{found.peak_mb:.0f} MB at the most"))
    return rows
