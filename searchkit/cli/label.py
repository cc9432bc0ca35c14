"""`searchkit label`"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName, Json, Quiet, RuntimeOptions
from searchkit.cli.settings import load
from searchkit.errors import BadInput

if TYPE_CHECKING:
    from searchkit.collection.labels import Labelled

NOTHING_LABELLED = 1


def label(
    *,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Indexed files and folders. Default: all.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="A,B,…", help="Names of what may be in the pictures.")
    ] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence",
            metavar="0..1",
            min=0,
            max=1,
            help="Leave those less sure without. Default: 0.1; 0 gives each picture a label.",
        ),
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take the labels away.")] = False,
    collection: CollectionName = None,
    runtime: RuntimeOptions,
    as_json: Json = False,
    quiet: Quiet = False,
) -> int:
    """Give each indexed picture the label that fits it best, without any training.

    Prints confidence, label and path with tabs between. The confidence is the share of the label among
    all of them and "none of these"; what has less than a tenth goes without. Search then takes --label cat,
    or --filter "label_confidence > 0.8".
    """
    names = [name.strip() for name in (labels or "").split(",") if name.strip()]
    if bool(names) == clear:
        raise BadInput("give either --labels or --clear", hint='searchkit label --labels "cat,dog,receipt"')
    settings = load(collection=collection, **vars(runtime))
    threshold = {} if min_confidence is None else {"min_confidence": min_confidence}
    from searchkit.collection.library import Collection

    with Collection.open(settings.collection, create=False, runtime=settings.runtime()) as library:
        pictures = list(library.label(names, *(paths or ()), **threshold))
    _print(pictures, as_json=as_json)
    given = Counter(picture.label for picture in pictures)
    if not quiet:
        counts = ", ".join(f"{name or 'none'} {count}" for name, count in given.most_common())
        output.note(f"labels taken away from {len(pictures)} pictures" if clear else f"labelled: {counts}")
    return 0 if clear or any(given[name] for name in names) else NOTHING_LABELLED


def _print(pictures: Sequence[Labelled], *, as_json: bool) -> None:
    from searchkit.types import JSON_SCHEMA

    if as_json:
        output.records(
            {
                "schema": JSON_SCHEMA,
                "label": picture.label,
                "confidence": round(picture.confidence, 4),
                **output.path_fields(picture.path),
            }
            for picture in pictures
        )
    else:
        output.lines(
            f"{picture.confidence:.3f}\t{output.escape(picture.label or '-')}\t{output.escape(picture.path)}"
            for picture in pictures
        )
