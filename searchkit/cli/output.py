"""What the command line prints, and the one place where errors become text and exit codes.

stdout carries results as bytes, so that any file name can be printed; stderr carries words for a person.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from searchkit.errors import BadInput, SearchkitError
from searchkit.settings import DEBUG

if TYPE_CHECKING:
    from searchkit.search.trace import Trace
    from searchkit.types import Hit, IndexReport

NOTHING_FOUND = 1
FAILED = 2
SOME_FAILED = 3
INTERRUPTED = 130


class Form(StrEnum):
    """How a list of results is written."""

    LINES = "lines"
    PATHS = "paths"
    NULL = "null"
    JSON = "json"


def form(*, as_json: bool = False, null: bool = False, paths_only: bool = False) -> Form:
    """Return the form that the flags ask for. Raises `BadInput` for JSON together with another."""
    if as_json and (null or paths_only):
        raise BadInput("--json does not go with -f or -0", hint="choose one of them")
    if as_json:
        return Form.JSON
    return Form.NULL if null else Form.PATHS if paths_only else Form.LINES


# results


def hits(
    results: Sequence[Hit],
    form: Form,
    trace: Trace | None = None,
    extra_fields: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """Print hits. As lines, a `trace` adds the rank that each leg gave, and a terminal shows the beginning of
    a passage and the hit's copies; as JSON, each hit gets its `extra_fields`."""
    if form in (Form.PATHS, Form.NULL):
        paths(dict.fromkeys(hit.path for hit in results), form)
    elif form is Form.JSON:
        pairs = zip(results, extra_fields or [{}] * len(results), strict=True)
        records({**hit.to_json(), **_legs(hit, trace), **extra} for hit, extra in pairs)
    else:
        lines(line for hit in results for line in _lines(hit, trace))


def explained(trace: Trace) -> None:
    """Say on stderr how a search went as a whole: the plan of each kind, and the time of each step."""
    for kind, plan in trace.plan.items():
        note(f"{kind}: {plan}")
    note("times: " + ", ".join(f"{step} {took:.1f} ms" for step, took in trace.milliseconds.items()))


def _legs(hit: Hit, trace: Trace | None) -> dict[str, Any]:
    if trace is None:
        return {}
    legs = trace.of(hit.item.id).items()
    return {"explain": {leg: {"rank": rank, "score": round(score, 6)} for leg, (rank, score) in legs}}


def _lines(hit: Hit, trace: Trace | None) -> Iterator[str]:
    line = f"{hit.confidence:.3f}\t{hit.score:.3f}\t{escape(hit.path)}{_page(hit.page)}"
    if trace is not None:
        legs = trace.of(hit.item.id).items()
        line += "\t" + ", ".join(f"{leg} {rank} ({score:.3f})" for leg, (rank, score) in legs)
    yield line
    if not sys.stdout.isatty():
        return
    room = shutil.get_terminal_size().columns - 5
    for item in (hit.item, *hit.passages):
        if item.text:
            page = f"{_page(item.page)[1:]}  ".lstrip() if hit.passages else ""
            mark = "[OCR] " if item.ocr else ""
            yield "    " + (page + mark + escape(" ".join(item.text.split())))[:room]
    if hit.copies:
        yield "    " + f"and {len(hit.copies)} more like it: {escape(hit.copies[0])}"[:room]


def _page(number: int | None) -> str:
    return "" if number is None else f":{number}"


def paths(names: Iterable[str], form: Form = Form.PATHS) -> None:
    """Print a path a line with control characters escaped, or with `Form.NULL` the bytes as they are."""
    if form is Form.NULL:
        _write(os.fsencode(path) + b"\0" for path in names)
    else:
        lines(map(escape, names))


def records(objects: Iterable[Mapping[str, Any]]) -> None:
    """Print a JSON object a line, in UTF-8 whatever the locale."""
    _write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for record in objects)


def table(rows: Sequence[Sequence[object]]) -> None:
    """Print rows in aligned columns with two spaces between them."""
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def lines(texts: Iterable[str]) -> None:
    """Print lines of text as they are; bytes of names that are not UTF-8 are written as those bytes."""
    _write(line.encode("utf-8", "surrogateescape") + b"\n" for line in texts)


def path_fields(path: str) -> dict[str, str]:
    """Return the JSON fields of a path: its text, and its bytes in base64 too where it is not UTF-8."""
    raw = os.fsencode(path)
    shown = raw.decode("utf-8", "replace")
    if shown.encode() == raw:
        return {"path": shown}
    return {"path": shown, "path_b64": base64.b64encode(raw).decode("ascii")}


def about(path: str | None, message: str) -> str:
    """Return a message as one line with its path in front, unless it names the path already."""
    return escape(message if path is None or path in message else f"{path}: {message}")


def escape(text: str) -> str:
    r"""Write control characters and line separators as escapes: a name is one line and moves no cursor.

    >>> escape("a\nb\x1b[2J \u2028 é")
    'a\\nb\\x1b[2J \\u2028 é'
    """
    unsafe = {c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp")}
    return "".join(c.encode("unicode_escape").decode() if c in unsafe else c for c in text)


def _write(chunks: Iterable[bytes]) -> None:
    try:
        for chunk in chunks:
            sys.stdout.buffer.write(chunk)
        sys.stdout.flush()
    except BrokenPipeError:  # `searchkit search … | head -1` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None


# words for a person


def note(message: str) -> None:
    """Print a line on stderr."""
    print(escape(message), file=sys.stderr)


def say_more() -> None:
    """Show what the library logs, on stderr."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("searchkit").setLevel(logging.INFO)


def say_less() -> None:
    """Show only the errors among what the library logs."""
    logging.getLogger("searchkit").setLevel(logging.ERROR)


def summary(report: IndexReport) -> None:
    """Say on stderr what an index run did: its warnings, then its counts in one line."""
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.left_out:
        from searchkit.types import LEFT_OUT

        counts = (f"{count} {LEFT_OUT[name]}" for name, count in report.left_out.items())
        note(f"not findable: {', '.join(counts)}")
    failed = f"failed {report.failed}" + " (searchkit doctor lists them)" * bool(report.failed)
    rest = f", offline sources {report.offline}" if report.offline else ""
    rest += f", read by OCR {report.read_by_ocr}" if report.read_by_ocr else ""
    note(
        f"{'interrupted: ' * report.interrupted}indexed {report.indexed}, reused {report.reused}, "
        f"unchanged {report.unchanged}, deleted {report.deleted}, {failed}{rest} in {report.seconds:.1f} s"
    )


TROUBLES = {
    "No space left|disk is full": ("the disk is full", "free some space and run again: what is done is kept"),
    "database is locked": ("another program holds the catalog", "end it, or wait, and run again"),
    "connection failed|server closed the connection|connection is (lost|closed)|terminating connection": (
        "the database of the catalog does not answer any more",
        "start it and run again: what is done is kept",
    ),
}
"""Pattern of what a library reports when the machine is in the way → message, hint."""


def failure(error: Exception) -> int:
    """Print what went wrong and what to do about it; return the exit code."""
    trouble = next((words for pattern, words in TROUBLES.items() if re.search(pattern, str(error))), None)
    if isinstance(error, SearchkitError):
        message, hint, code = str(error), error.hint, error.exit_code
    elif trouble is not None:
        message, hint, code = f"{trouble[0]} ({str(error).splitlines()[0][:200]})", trouble[1], FAILED
    elif isinstance(error, OSError) and error.strerror:
        where = f": {os.fsdecode(error.filename)}" if error.filename else ""
        message, hint, code = f"{error.strerror}{where}", "", FAILED
    else:
        message = f"unexpected {type(error).__name__}: {error}"
        hint, code = f"{DEBUG}=1 shows where it came from", FAILED
    note(f"searchkit: {message}")
    if hint:
        note(f"hint: {hint}")
    return code
