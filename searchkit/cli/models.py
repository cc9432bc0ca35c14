"""`searchkit models`"""

from __future__ import annotations

from searchkit.cli import output
from searchkit.cli.options import Json


def models(as_json: Json = False) -> int:
    """List the encoders that --model takes."""
    from dataclasses import asdict

    from searchkit.registry import encoder_records
    from searchkit.types import JSON_SCHEMA

    found = encoder_records()
    if as_json:
        output.records({"schema": JSON_SCHEMA, **asdict(record)} for record in found)
        return 0
    head = ("name", "dim", "licence", "languages", "window", "pixels", "MB", "source")
    columns = ("name", "dim", "licence", "languages", "text_window", "pixels", "megabytes", "source")
    output.table([head, *([getattr(record, column) for column in columns] for record in found)])
    return 0
