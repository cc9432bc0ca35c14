"""`searchkit evaluate`"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import AcceptLicence, Device, Dtype, Json, Model, Offline, Quiet, Verbose
from searchkit.cli.progress import Show, bar
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.types import Evaluation, Runtime


def evaluate(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A BEIR folder, or a parquet of captioned or labelled images; with --compare, pairs.",
        ),
    ],
    model: Model = None,
    split: Annotated[str, typer.Option("--split", metavar="NAME", help="The split to measure.")] = "test",
    chunking: Annotated[
        Literal["whole", "window", "heading", "sentence", "late"],
        typer.Option("--chunking", help="BEIR: a vector a document, or one a passage, cut so."),
    ] = "whole",
    chunk_tokens: Annotated[
        int | None, typer.Option("--chunk-tokens", metavar="N", help="Tokens of a passage at most.")
    ] = None,
    chunk_overlap: Annotated[
        int | None, typer.Option("--chunk-overlap", metavar="N", help="Tokens that neighbours share.")
    ] = None,
    fusion: Annotated[
        Literal["max", "sum", "reciprocal"],
        typer.Option("--fusion", help="How passages' scores become a document's."),
    ] = "max",
    hybrid: Annotated[
        Literal["reciprocal", "convex"] | None,
        typer.Option("--hybrid", help="BEIR: exact words too, fused by rank or by score."),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Labelled images: only those of a source.")
    ] = None,
    first: Annotated[
        bool,
        typer.Option("--first-name", help="Of labels like 'goldfish, Carassius auratus' the first name."),
    ] = False,
    held_out: Annotated[
        int,
        typer.Option(
            "--held-out", metavar="N", min=0, help="Labelled images: the one in N that is held out."
        ),
    ] = 0,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare", metavar="A B", help="Two encoders, or an encoder and an adapter's folder, on pairs."
        ),
    ] = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure an encoder on an evaluation set.

    A BEIR folder gives nDCG@10, recall and MRR; captioned images the retrieval in both directions; labelled
    images zero-shot top-1 and top-5, with one prompt and with the ensemble of many.
    """
    settings = load(model=model, device=device, dtype=dtype, offline=offline)
    runtime = settings.runtime(accept_licence=accept_licence)
    if verbose:
        output.say_more()
    if compare is not None:
        return _compare(path, compare, runtime, as_json=as_json, quiet=quiet)
    cut = None if chunking == "whole" else (chunking, chunk_tokens, chunk_overlap)
    with bar(quiet=quiet) as show:
        texts = {"cut": cut, "fusion": fusion, "hybrid": hybrid}
        labels = {"source": source, "first": first, "held_out": held_out}
        found = _measure(path, split, settings.model, runtime, show, {"beir": texts, "labels": labels})
    if as_json:
        output.records([found.to_json()])
        return 0
    rows: list[tuple[str, object]] = [
        ("task", found.task),
        ("encoder", f"{found.encoder} ({found.dim} dimensions)"),
        ("queries", found.queries),
    ]
    output.table([*rows, *_flat(found.metrics)])
    return 0


def _compare(path: Path, names: tuple[str, str], runtime: Runtime, *, as_json: bool, quiet: bool) -> int:
    from searchkit.evaluation.compare import rows, to_json
    from searchkit.finetuning.comparison import compare_on_pairs
    from searchkit.types import JSON_SCHEMA

    with bar(quiet=quiet) as show:
        found = compare_on_pairs(
            path, *names, runtime, on_progress=lambda done, total: show("encode", done, total)
        )
    if as_json:
        metrics = {way: to_json(metrics) for way, metrics in found.items()}
        output.records(
            [{"schema": JSON_SCHEMA, "task": path.name, "compared": list(names), "metrics": metrics}]
        )
    else:
        lines = [(way, *row) for way, metrics in found.items() for row in rows(metrics)]
        output.table([("searching", "metric", *names, "difference", "95 %"), *lines])
    return 0


def _measure(
    path: Path,
    split: str,
    model: str | None,
    runtime: Runtime,
    show: Show,
    options: Mapping[str, Mapping[str, Any]],
) -> Evaluation:
    """With the options of the task that the file holds."""
    from searchkit import evaluation
    from searchkit.registry import DEFAULT_ENCODER, load_encoder

    task = evaluation.detect_task(path)
    encoder = load_encoder(model or DEFAULT_ENCODER, runtime)

    def progress(done: int, total: int) -> None:
        show("encode", done, total)

    if task == "labels":
        source, first = options[task]["source"], options[task]["first"]
        labelled = evaluation.load_labels(path, split, source)
        if options[task]["held_out"]:
            labelled = evaluation.held_out_labels(labelled, options[task]["held_out"])
        return evaluation.evaluate_labels(encoder, labelled, first=first, on_progress=progress)
    if task == "beir":
        from searchkit.types import Chunking

        cut, fusion, hybrid = (options[task][name] for name in ("cut", "fusion", "hybrid"))
        return evaluation.evaluate_beir(
            encoder,
            evaluation.load_beir(path, split),
            chunking=None if cut is None else Chunking(*cut),
            fusion=fusion,
            hybrid=hybrid,
            on_progress=progress,
        )
    return evaluation.evaluate_captions(encoder, evaluation.load_captions(path, split), on_progress=progress)


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, str(value) if isinstance(value, int) else f"{value:.4f}"
