"""`searchkit adapt`"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet, RuntimeOptions, Steps
from searchkit.cli.progress import bar
from searchkit.cli.settings import load
from searchkit.errors import BadInput

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.finetuning.adapt import Report
    from searchkit.finetuning.encoders import EncoderReport

REJECTED = 1
SHOWN = 5
"""How many rows that could not be used are shown; the rest is only counted."""
HEAD = ("searching", "metric", "before", "after", "difference", "95 %")


@dataclass(frozen=True)
class AdaptOptions:
    """What is learned from and how, or which adapter is put in use instead."""

    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs", metavar="FILE", help="CSV, JSONL or parquet: image, text, text2, image2, negatives."
        ),
    ] = None
    how: Annotated[
        Literal["adapter", "lit-image", "lit-text", "lora", "full"],
        typer.Option(
            "--how",
            help="adapter moves questions; the others train a copy of the encoder: one tower locked, "
            "low-rank updates, everything.",
        ),
    ] = "adapter"
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Generic pairs to repeat, against forgetting."),
    ] = None
    steps: Steps = None
    own: Annotated[
        bool,
        typer.Option("--own", help="Pairs from the files: captions of pictures, headings of sections."),
    ] = False
    ratings: Annotated[
        bool, typer.Option("--ratings", help="Pairs from the results that were rated in the page.")
    ] = False
    use: Annotated[str | None, typer.Option("--use", metavar="NAME", help="Put this adapter in use.")] = None
    off: Annotated[bool, typer.Option("--off", help="Search without an adapter again.")] = False
    show_all: Annotated[bool, typer.Option("--list", help="Show the adapters there are.")] = False
    force: Annotated[bool, typer.Option("--force", help="Use it even if it is not better.")] = False
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the split and the training.")] = 0

    @property
    def learns(self) -> bool:
        """Whether something is learned; otherwise adapters are listed, and one may be put in use."""
        return self.pairs is not None or self.own or self.ratings


def adapt(
    *,
    options: AdaptOptions,
    collection: CollectionName = None,
    runtime: RuntimeOptions,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Learn from pairs what questions to this collection mean, and use it if it is better.

    Some of the pairs are held out: only where their questions are answered better than before, with
    confidence, is the adapter put in use. Nothing is encoded again. Exit 1: not better, nothing changed.
    With --how, an encoder is trained and kept likewise; searchkit index --model FOLDER puts it in use.
    """
    sources = (options.pairs is not None, options.own, options.ratings)
    if sum((*sources, options.use is not None, options.off, options.show_all)) != 1:
        raise BadInput(
            "give one of --pairs, --own, --ratings, --use, --off and --list",
            hint="searchkit adapt --pairs pairs.csv",
        )
    settings = load(collection=collection, **vars(runtime))
    if options.how == "adapter" and options.steps is not None:
        raise BadInput("--steps is for training an encoder", hint="add --how lora")
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        if not options.learns:
            return _change(library, options, as_json=as_json, quiet=quiet)
        pairs = _pairs(library, options, quiet=quiet)
        if options.how == "adapter":
            return _learn_adapter(library, pairs, options, as_json=as_json, quiet=quiet)
        encoder = _train_encoder(library, pairs, options, quiet=quiet)
        return _print_encoder(encoder, settings.collection, as_json=as_json, quiet=quiet)


def _pairs(library: Collection, options: AdaptOptions, *, quiet: bool) -> Path:
    """Return the file of pairs to learn from, written first where the collection itself is their source."""
    if options.pairs is not None:
        return options.pairs
    from searchkit.finetuning.gather import gather
    from searchkit.finetuning.ratings import write_pairs

    if options.ratings:
        pairs = library.root / "pairs" / "ratings.jsonl"
        write_pairs(library, pairs)
        return pairs
    pairs = library.root / "pairs" / "own.jsonl"
    count = gather(library, pairs)
    if not count:
        raise BadInput(
            f"no picture of {library.root} has a caption and no section a heading of its own",
            hint="give pairs: searchkit adapt --pairs pairs.csv",
        )
    if not quiet:
        output.note(f"{count} pairs from the files: {pairs}")
    return pairs


# an adapter


def _learn_adapter(
    library: Collection, pairs: Path, options: AdaptOptions, *, as_json: bool, quiet: bool
) -> int:
    from searchkit.finetuning.adapt import adapt as learn

    with bar(quiet=quiet) as show:
        report = learn(
            library,
            pairs,
            replay=options.replay,
            force=options.force,
            seed=options.seed,
            on_progress=show,
        )
    if as_json:
        output.records([report.to_json()])
    else:
        output.table([HEAD, *_adapter_rows(report)])
    if not quiet:
        _explain_adapter(report)
    return 0 if report.in_use else REJECTED


def _adapter_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Yield a row for each way of searching and each metric of it."""
    from searchkit.evaluation.compare import PRIMARY, rows

    for verdict in report.verdicts:
        generic = {} if verdict.generic is None else {f"generic {PRIMARY}": verdict.generic}
        for row in rows({**verdict.found, **generic}):
            yield (str(verdict.direction), *row)


def _explain_adapter(report: Report) -> None:
    """Say on stderr what could not be used, what was decided, and how to undo it."""
    _explain_pairs(report)
    for direction in report.left_out:
        output.note(f"not tried: {direction}")
    for verdict in report.verdicts:
        counts = f"{verdict.train} pairs to learn from, {verdict.held_out} held-out questions"
        decision = "accepted" if verdict.accepted else "rejected"
        output.note(f"{verdict.direction}: {decision}, {verdict.why} ({counts})")
    if report.in_use:
        output.note(f"in use: {report.name} ({report.seconds:.0f} s). The way back: searchkit adapt --off")
    else:
        output.note("nothing was changed; --force uses it anyway")


def _explain_pairs(report: Report | EncoderReport) -> None:
    for bad in report.bad[:SHOWN]:
        output.note(f"row {bad.row}: {bad.reason}")
    if report.bad:
        output.note(f"{len(report.bad)} of {report.rows} rows could not be used")
    if report.removed:
        output.note(
            f"{report.removed} of {report.pairs} pairs were nearly the same as held-out ones: not used"
        )


# an encoder


def _train_encoder(library: Collection, pairs: Path, options: AdaptOptions, *, quiet: bool) -> EncoderReport:
    from searchkit.finetuning.encoders import adapt_encoder

    with bar(quiet=quiet) as show:
        return adapt_encoder(
            library,
            pairs,
            options.how,
            replay=options.replay,
            force=options.force,
            steps=options.steps,
            seed=options.seed,
            on_progress=show,
        )


def _print_encoder(report: EncoderReport, collection: object, *, as_json: bool, quiet: bool) -> int:
    """Print how the trained encoder compares, which tower moved and how to use it; return the exit code."""
    if as_json:
        output.records([report.to_json()])
    else:
        output.table([HEAD, *_encoder_rows(report)])
    if not quiet:
        _explain_pairs(report)
        trial = report.trial
        moved = " and ".join(trial.towers.plan.learns)
        output.note(f"moved: {moved}, {trial.strength:g} of the way ({report.seconds:.0f} s)")
        output.note(f"{'accepted' if trial.accepted else 'rejected'}: {trial.why}")
        if report.folder is None:
            output.note("nothing was changed; --force keeps it anyway")
        else:
            output.note(f"to use it: searchkit index -c {collection} --model {report.folder}")
    return REJECTED if report.folder is None else 0


def _encoder_rows(report: EncoderReport) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the collection's own pairs, then those of the generic ones."""
    from searchkit.evaluation.compare import PRIMARY, rows

    for verdict in report.trial.verdicts:
        for row in rows(verdict.found):
            yield (str(verdict.direction), *row)
    for direction, difference in report.trial.generic.items():
        yield (direction, *rows({f"generic {PRIMARY}": difference})[0])


# the adapters that are there


def _change(library: Collection, options: AdaptOptions, *, as_json: bool, quiet: bool) -> int:
    """Put an adapter in use, or none, where that is asked for; then list them."""
    from searchkit.collection.manifest import read_manifest
    from searchkit.finetuning.adapt import adapters, use
    from searchkit.types import JSON_SCHEMA

    if not options.show_all:
        use(library, options.use)
    active = read_manifest(library.root).adapter
    cards: list[tuple[str, dict[str, Any]]] = list(adapters(library))
    if as_json:
        output.records({"schema": JSON_SCHEMA, **card, "in_use": name == active} for name, card in cards)
    elif options.show_all or not quiet:
        rows = [(name, card.get("made", ""), "in use" if name == active else "") for name, card in cards]
        output.table([("adapter", "made", ""), *rows])
    return 0
