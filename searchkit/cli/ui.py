"""`searchkit ui`"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from searchkit.cli import output
from searchkit.cli.options import CollectionName
from searchkit.cli.settings import load
from searchkit.errors import BadInput
from searchkit.settings import UI_TOKEN


def ui(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to serve; with a token, others too.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535)] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
    token: Annotated[
        str | None,
        typer.Option("--token", metavar="SECRET", help="The token itself: whoever lists processes sees it."),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="Its first line is the token that visitors must give, needed where other machines can reach "
            f"the page. -: standard input. Default: the variable {UI_TOKEN}.",
        ),
    ] = None,
    collection: CollectionName = None,
) -> int:
    """Search from a page in the browser."""
    settings = load(collection=collection)
    secret = _token(token, token_file)
    from searchkit.ui.launch import run

    code: int = run(host, port, headless, settings.collection, secret)
    return code


def _token(token: str | None, file: str | None) -> str | None:
    """Return the token that was given in one of three ways. Raises `BadInput` for two, and for an unusable
    file."""
    if file is None:
        if token:
            output.note("warning: who lists processes sees the token; --token-file keeps it out of there")
        return token or os.environ.get(UI_TOKEN)
    if token:
        raise BadInput("--token does not go with --token-file", hint="leave out --token")
    try:
        if file == "-":
            line = sys.stdin.readline()
        else:
            with Path(file).expanduser().open(encoding="utf-8") as lines:
                line = lines.readline()
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"cannot read the token from {file}: {error}", hint="name a text file") from error
    if not line.strip():
        raise BadInput(f"there is no token in the first line of {file}", hint="write one there")
    return line.strip()
