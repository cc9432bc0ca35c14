"""Options that several commands share, so that they have one spelling and one help text.

A command is a function, and its parameters are its options. Options that travel together are the fields of a
dataclass: a parameter of that type stands for all of them, in their order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, Literal, get_type_hints

import typer

Paths = Annotated[
    list[str] | None, typer.Argument(metavar="PATH", help="Folders and files. Default: all known.")
]
CollectionName = Annotated[
    str | None,
    typer.Option("-c", "--collection", metavar="NAME|PATH", help="The collection. Default: 'default'."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FOLDER", help="The encoder; see 'searchkit models'."),
]
BatchSize = Annotated[
    int | None, typer.Option("-b", "--batch-size", metavar="N", help="Items to encode and keep at once.")
]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="Threads that read and decode.")]
ChunkTokens = Annotated[
    int | None, typer.Option("--chunk-tokens", metavar="N", help="Tokens of a passage at most.")
]
ChunkOverlap = Annotated[
    int | None, typer.Option("--chunk-overlap", metavar="N", help="Tokens that neighbours share.")
]
Steps = Annotated[
    int | None, typer.Option("--steps", metavar="N", min=1, help="Instead of the recipe's number.")
]
Device = Annotated[
    Literal["auto", "cpu", "cuda", "mps"] | None, typer.Option("--device", help="Where the encoder runs.")
]
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16", "float16"] | None,
    typer.Option("--dtype", help="The encoder's numbers. auto: bfloat16 where the hardware multiplies it."),
]
Offline = Annotated[
    bool | None, typer.Option("--offline", help="Fetch nothing: a model that is not here is missing.")
]
AcceptLicence = Annotated[
    bool, typer.Option("--accept-licence", help="I have read the model's restricted licence and accept it.")
]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only on stderr.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more on stderr.")]
Null = Annotated[bool, typer.Option("-0", "--null", help="Paths only, as raw bytes, NUL after each.")]
PathsOnly = Annotated[bool, typer.Option("-f", "--files", help="Paths only, each once.")]
Count = Annotated[int | None, typer.Option("-k", metavar="N", help="How many results at most. Default: 10.")]
KindName = Annotated[
    Literal["image", "passage"] | None, typer.Option("--kind", help="Only pictures, or only passages.")
]


@dataclass(frozen=True)
class BatchOptions:
    """How many items and files are worked at together."""

    batch_size: BatchSize = None
    threads: Threads = None


@dataclass(frozen=True)
class RuntimeOptions:
    """Where and in which numbers the encoder runs, and whether it may be fetched."""

    device: Device = None
    dtype: Dtype = None
    offline: Offline = None


@dataclass(frozen=True)
class FormOptions:
    """The form in which hits are printed."""

    paths_only: PathsOnly = False
    null: Null = False
    as_json: Json = False


def expanded(command: Callable[..., int]) -> Callable[..., int]:
    """Return the command with one parameter for each field of the dataclasses among its parameters.

    Typer reads a command's options from its signature, which has to name each of them.
    """
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: hint for name, hint in hints.items() if is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        name = parameter.name
        given = parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[name])
        parameters += _fields_as_parameters(groups[name]) if name in groups else [given]

    @wraps(command)
    def run(**values: Any) -> int:
        filled = {
            name: group(**{field.name: values.pop(field.name) for field in fields(group)})
            for name, group in groups.items()
        }
        return command(**filled, **values)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _fields_as_parameters(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)

    def default(field: Field[Any]) -> Any:
        return inspect.Parameter.empty if field.default is MISSING else field.default

    for field in fields(group):
        kind, annotation = inspect.Parameter.KEYWORD_ONLY, hints[field.name]
        yield inspect.Parameter(field.name, kind, default=default(field), annotation=annotation)
