"""`searchkit evaluate`"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import (
    AcceptLicence,
    ChunkOverlap,
    ChunkTokens,
    Json,
    Model,
    Quiet,
    RuntimeOptions,
    Verbose,
)
from searchkit.cli.progress import bar
from searchkit.cli.settings import load

if TYPE_CHECKING:
    from searchkit.types import Chunking, Evaluation, Runtime


@dataclass(frozen=True)
class TaskOptions:
    """The part of an evaluation set that is measured, and how each kind of set is."""

    split: Annotated[str, typer.Option("--split", metavar="NAME", help="The split to measure.")] = "test"
    chunking: Annotated[
        Literal["whole", "window", "heading", "sentence", "late"],
        typer.Option("--chunking", help="BEIR: a vector a document, or one a passage, cut so."),
    ] = "whole"
    chunk_tokens: ChunkTokens = None
    chunk_overlap: ChunkOverlap = None
    fusion: Annotated[
        Literal["max", "sum", "reciprocal"],
        typer.Option("--fusion", help="How passages' scores become a document's."),
    ] = "max"
    hybrid: Annotated[
        Literal["reciprocal", "convex"] | None,
        typer.Option("--hybrid", help="BEIR: exact words too, fused by rank or by score."),
    ] = None
    source: Annotated[
        str | None, typer.Option("--source", metavar="NAME", help="Labelled images: only those of a source.")
    ] = None
    first: Annotated[
        bool,
        typer.Option("--first-name", help="Of labels like 'goldfish, Carassius auratus' the first name."),
    ] = False
    held_out: Annotated[
        int,
        typer.Option(
            "--held-out", metavar="N", min=0, help="Labelled images: the one in N that is held out."
        ),
    ] = 0

    def passages(self) -> Chunking | None:
        """Return how documents are cut; None where each is encoded whole."""
        from searchkit.types import Chunking

        if self.chunking == "whole":
            return None
        return Chunking(self.chunking, self.chunk_tokens, self.chunk_overlap)


def evaluate(
    *,
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="A BEIR folder, or a parquet of captioned or labelled images; with --compare, pairs.",
        ),
    ],
    model: Model = None,
    task: TaskOptions,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare", metavar="A B", help="Two encoders, or an encoder and an adapter's folder, on pairs."
        ),
    ] = None,
    runtime: RuntimeOptions,
    accept_licence: AcceptLicence = False,
    as_json: Json = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Measure an encoder on an evaluation set.

    A BEIR folder gives nDCG@10, recall and MRR; captioned images the retrieval in both directions; labelled
    images zero-shot top-1 and top-5, with one prompt and with the ensemble of many.
    """
    settings = load(model=model, **vars(runtime))
    where = settings.runtime(accept_licence=accept_licence)
    if verbose:
        output.say_more()
    if compare is not None:
        return _compare(path, compare, where, as_json=as_json, quiet=quiet)
    evaluation = _measure(path, settings.model, task, where, quiet=quiet)
    if as_json:
        output.records([evaluation.to_json()])
        return 0
    rows: list[tuple[str, object]] = [
        ("task", evaluation.task),
        ("encoder", f"{evaluation.encoder} ({evaluation.dim} dimensions)"),
        ("queries", evaluation.queries),
    ]
    output.table([*rows, *_flat(evaluation.metrics)])
    return 0


def _compare(path: Path, names: tuple[str, str], runtime: Runtime, *, as_json: bool, quiet: bool) -> int:
    """Print the metrics of two encoders on the same pairs, and the difference with its interval."""
    from searchkit.evaluation.compare import rows, to_json
    from searchkit.finetuning.comparison import compare_on_pairs
    from searchkit.types import JSON_SCHEMA

    with bar(quiet=quiet) as show:
        compared = compare_on_pairs(
            path, *names, runtime, on_progress=lambda done, total: show("encode", done, total)
        )
    if as_json:
        metrics = {direction: to_json(differences) for direction, differences in compared.items()}
        output.records(
            [{"schema": JSON_SCHEMA, "task": path.name, "compared": list(names), "metrics": metrics}]
        )
    else:
        lines = [(direction, *row) for direction, metrics in compared.items() for row in rows(metrics)]
        output.table([("searching", "metric", *names, "difference", "95 %"), *lines])
    return 0


def _measure(
    path: Path, model: str | None, options: TaskOptions, runtime: Runtime, *, quiet: bool
) -> Evaluation:
    """Evaluate the encoder as the set asks for: by relevant documents, by labels or by captions."""
    from searchkit import evaluation
    from searchkit.registry import DEFAULT_ENCODER, load_encoder

    with bar(quiet=quiet) as show:
        task = evaluation.detect_task(path)
        encoder = load_encoder(model or DEFAULT_ENCODER, runtime)

        def progress(done: int, total: int) -> None:
            show("encode", done, total)

        if task == "labels":
            labelled = evaluation.load_labels(path, options.split, options.source)
            if options.held_out:
                labelled = evaluation.held_out_labels(labelled, options.held_out)
            return evaluation.evaluate_labels(encoder, labelled, first=options.first, on_progress=progress)
        if task == "beir":
            return evaluation.evaluate_beir(
                encoder,
                evaluation.load_beir(path, options.split),
                chunking=options.passages(),
                fusion=options.fusion,
                hybrid=options.hybrid,
                on_progress=progress,
            )
        captioned = evaluation.load_captions(path, options.split)
        return evaluation.evaluate_captions(encoder, captioned, on_progress=progress)


def _flat(metrics: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield a row for each number, named by the keys that lead to it."""
    for name, value in metrics.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield prefix + name, str(value) if isinstance(value, int) else f"{value:.4f}"
