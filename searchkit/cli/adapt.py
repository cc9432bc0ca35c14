"""`searchkit adapt`"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Device, Dtype, Json, Offline, Quiet
from searchkit.cli.progress import bar
from searchkit.errors import BadInput
from searchkit.settings import load

if TYPE_CHECKING:
    from searchkit.collection.library import Collection
    from searchkit.finetuning.adapt import Report
    from searchkit.finetuning.encoders import EncoderReport

REJECTED = 1
SHOWN = 5
"""Rows that could not be used, before the rest is only counted."""


def adapt(
    pairs: Annotated[
        Path | None,
        typer.Option(
            "--pairs", metavar="FILE", help="CSV, JSONL or parquet: image, text, text2, image2, negatives."
        ),
    ] = None,
    how: Annotated[
        Literal["adapter", "lit-image", "lit-text", "lora", "full"],
        typer.Option(
            "--how",
            help="adapter moves questions; the others train a copy of the encoder: one tower locked, "
            "low-rank updates, everything.",
        ),
    ] = "adapter",
    replay: Annotated[
        Path | None,
        typer.Option("--replay", metavar="FILE", help="Generic pairs to repeat, against forgetting."),
    ] = None,
    steps: Annotated[
        int | None, typer.Option("--steps", metavar="N", min=1, help="Instead of the recipe's number.")
    ] = None,
    own: Annotated[
        bool,
        typer.Option("--own", help="Pairs from the files: captions of pictures, headings of sections."),
    ] = False,
    ratings: Annotated[
        bool, typer.Option("--ratings", help="Pairs from the results that were rated in the page.")
    ] = False,
    use: Annotated[str | None, typer.Option("--use", metavar="NAME", help="Put this adapter in use.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Search without an adapter again.")] = False,
    show_all: Annotated[bool, typer.Option("--list", help="Show the adapters there are.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Use it even if it is not better.")] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="Of the split and the training.")] = 0,
    collection: CollectionName = None,
    device: Device = None,
    dtype: Dtype = None,
    offline: Offline = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Learn from pairs what questions to this collection mean, and use it if it is better.

    Some of the pairs are held out: only where their questions are answered better than before, with
    confidence, is the adapter put in use. Nothing is encoded again. Exit 1: not better, nothing changed.
    With --how, an encoder is trained and kept likewise; searchkit index --model FOLDER puts it in use.
    """
    if sum((pairs is not None, own, ratings, use is not None, off, show_all)) != 1:
        raise BadInput(
            "give one of --pairs, --own, --ratings, --use, --off and --list",
            hint="searchkit adapt --pairs pairs.csv",
        )
    settings = load(collection=collection, device=device, dtype=dtype, offline=offline)
    from searchkit.collection.library import Collection
    from searchkit.finetuning.adapt import adapt as run
    from searchkit.finetuning.adapt import use as switch
    from searchkit.finetuning.ratings import write_pairs

    if how == "adapter" and steps is not None:
        raise BadInput("--steps is for training an encoder", hint="add --how lora")
    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        if own:
            from searchkit.finetuning.gather import gather

            pairs = library.root / "pairs" / "own.jsonl"
            count = gather(library, pairs)
            if not count:
                raise BadInput(
                    f"no picture of {library.root} has a caption and no section a heading of its own",
                    hint="give pairs: searchkit adapt --pairs pairs.csv",
                )
            if not quiet:
                output.note(f"{count} pairs from the files: {pairs}")
        if ratings:
            pairs = library.root / "pairs" / "ratings.jsonl"
            write_pairs(library, pairs)
        if pairs is not None and how != "adapter":
            from searchkit.finetuning.encoders import adapt_encoder

            with bar(quiet=quiet) as show:
                made = adapt_encoder(
                    library,
                    pairs,
                    how,
                    replay=replay,
                    force=force,
                    steps=steps,
                    seed=seed,
                    on_progress=show,
                )
            return _made(made, settings.collection, as_json=as_json, quiet=quiet)
        if pairs is None:
            if use is not None or off:
                switch(library, use)
            return _list(library, as_json=as_json, quiet=quiet and not show_all)
        with bar(quiet=quiet) as show:
            report = run(library, pairs, replay=replay, force=force, seed=seed, on_progress=show)
    if as_json:
        output.records([report.to_json()])
    else:
        output.table([("searching", "metric", "before", "after", "difference", "95 %"), *_rows(report)])
    if not quiet:
        _say(report)
    return 0 if report.in_use else REJECTED


def _rows(report: Report) -> Iterator[tuple[str, ...]]:
    from searchkit.evaluation.compare import PRIMARY, rows

    for one in report.verdicts:
        generic = {} if one.generic is None else {f"generic {PRIMARY}": one.generic}
        for row in rows({**one.found, **generic}):
            yield (str(one.direction), *row)


def _say(report: Report) -> None:
    """Words for a person: what could not be used, what was decided, and the way back."""
    _say_rows(report)
    for left in report.left_out:
        output.note(f"not tried: {left}")
    for one in report.verdicts:
        counts = f"{one.train} pairs to learn from, {one.held_out} held-out questions"
        output.note(f"{one.direction}: {'accepted' if one.accepted else 'rejected'}, {one.why} ({counts})")
    if report.in_use:
        output.note(f"in use: {report.name} ({report.seconds:.0f} s). The way back: searchkit adapt --off")
    else:
        output.note("nothing was changed; --force uses it anyway")


def _say_rows(report: Report | EncoderReport) -> None:
    for bad in report.bad[:SHOWN]:
        output.note(f"row {bad.row}: {bad.reason}")
    if report.bad:
        output.note(f"{len(report.bad)} of {report.rows} rows could not be used")
    if report.removed:
        output.note(
            f"{report.removed} of {report.pairs} pairs were nearly the same as held-out ones: not used"
        )


def _made(report: EncoderReport, collection: object, *, as_json: bool, quiet: bool) -> int:
    """What became of an encoder: the table, which tower moved, and how to put it in use."""
    from searchkit.evaluation.compare import PRIMARY, rows

    trial = report.trial
    if as_json:
        output.records([report.to_json()])
    else:
        generic = {f"generic {PRIMARY}": trial.generic}
        lines = [(str(one.direction), *row) for one in trial.verdicts for row in rows(one.found)]
        lines += [(way, *rows({name: one})[0]) for name, some in generic.items() for way, one in some.items()]
        output.table([("searching", "metric", "before", "after", "difference", "95 %"), *lines])
    if not quiet:
        _say_rows(report)
        moved = " and ".join(trial.towers.plan.learns)
        output.note(f"moved: {moved}, {trial.strength:g} of the way ({report.seconds:.0f} s)")
        output.note(f"{'accepted' if trial.accepted else 'rejected'}: {trial.why}")
        if report.folder is None:
            output.note("nothing was changed; --force keeps it anyway")
        else:
            output.note(f"to use it: searchkit index -c {collection} --model {report.folder}")
    return REJECTED if report.folder is None else 0


def _list(library: Collection, *, as_json: bool, quiet: bool) -> int:
    from searchkit.collection.manifest import read_manifest
    from searchkit.finetuning.adapt import adapters
    from searchkit.types import JSON_SCHEMA

    active = read_manifest(library.root).adapter
    found: list[tuple[str, dict[str, Any]]] = list(adapters(library))
    if as_json:
        output.records({"schema": JSON_SCHEMA, **card, "in_use": name == active} for name, card in found)
    elif not quiet:
        lines = [(name, card.get("made", ""), "in use" if name == active else "") for name, card in found]
        output.table([("adapter", "made", ""), *lines])
    return 0
