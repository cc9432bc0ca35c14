"""`searchkit ui`"""

from __future__ import annotations

from typing import Annotated

import typer

from searchkit.cli.options import CollectionName
from searchkit.cli.settings import load
from searchkit.settings import UI_TOKEN


def ui(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to serve; with --token, others too.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="N", min=1, max=65535)] = 8501,
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="SECRET",
            envvar=UI_TOKEN,
            help="Who has it may see the page: needed where other machines can reach it.",
        ),
    ] = None,
    collection: CollectionName = None,
) -> int:
    """Search from a page in the browser."""
    settings = load(collection=collection)
    from searchkit.ui.launch import run

    code: int = run(host, port, headless, settings.collection, token)
    return code
