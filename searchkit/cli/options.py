"""Options that several commands share, so that they have one spelling and one help text."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

CollectionName = Annotated[
    str | None,
    typer.Option("-c", "--collection", metavar="NAME|PATH", help="The collection. Default: 'default'."),
]
Model = Annotated[
    str | None,
    typer.Option("--model", metavar="NAME|FOLDER", help="The encoder; see 'searchkit models'."),
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
BatchSize = Annotated[
    int | None, typer.Option("-b", "--batch-size", metavar="N", help="Items to encode and keep at once.")
]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="Threads that read and decode.")]
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
