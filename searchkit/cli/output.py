"""All that the command line prints, and the one place where errors become text and exit codes.

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
    """The form that the flags ask for. Raises `BadInput` for JSON together with another."""
    if as_json and (null or paths_only):
        raise BadInput("--json does not go with -f or -0", hint="choose one of them")
    if as_json:
        return Form.JSON
    return Form.NULL if null else Form.PATHS if paths_only else Form.LINES


# results


def hits(
    found: Sequence[Hit],
    how: Form,
    trace: Trace | None = None,
    more: Sequence[Mapping[str, Any]] | None = None,
) -> None:
    """One hit a line, with a `trace` where each leg had it; on a terminal a passage's beginning follows, and
    what else the hit stands for. In JSON each hit has `more` of its own."""
    if how in (Form.PATHS, Form.NULL):
        paths(dict.fromkeys(hit.path for hit in found), how)
    elif how is Form.JSON:
        added = more or [{}] * len(found)
        pairs = zip(found, added, strict=True)
        records({**hit.to_json(), **_legs(hit, trace), **one} for hit, one in pairs)
    else:
        lines(line for hit in found for line in _lines(hit, trace))


def explained(trace: Trace) -> None:
    """How a search went as a whole."""
    for kind, plan in trace.plan.items():
        note(f"{kind}: {plan}")
    note("times: " + ", ".join(f"{step} {took:.1f} ms" for step, took in trace.milliseconds.items()))


def _legs(hit: Hit, trace: Trace | None) -> dict[str, Any]:
    if trace is None:
        return {}
    found = trace.of(hit.item.id).items()
    return {"explain": {leg: {"rank": rank, "score": round(score, 6)} for leg, (rank, score) in found}}


def _lines(hit: Hit, trace: Trace | None) -> Iterator[str]:
    line = f"{hit.confidence:.3f}\t{hit.score:.3f}\t{escape(hit.path)}{_page(hit.page)}"
    if trace is not None:
        found = trace.of(hit.item.id).items()
        line += "\t" + ", ".join(f"{leg} {rank} ({score:.3f})" for leg, (rank, score) in found)
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


def paths(found: Iterable[str], how: Form = Form.PATHS) -> None:
    """A path a line with control characters escaped, or with `Form.NULL` the bytes as they are."""
    if how is Form.NULL:
        _write(os.fsencode(path) + b"\0" for path in found)
    else:
        lines(map(escape, found))


def records(found: Iterable[Mapping[str, Any]]) -> None:
    """A JSON object a line, in UTF-8 whatever the locale."""
    _write(json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n" for record in found)


def table(rows: Sequence[Sequence[object]]) -> None:
    """Columns of equal width, two spaces between them."""
    cells = [[escape(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def lines(found: Iterable[str]) -> None:
    """Lines of text as they are; bytes of names that are not UTF-8 are written as those bytes."""
    _write(line.encode("utf-8", "surrogateescape") + b"\n" for line in found)


def path_fields(path: str) -> dict[str, str]:
    """A path for JSON: as text, and in base64 too where it is not UTF-8."""
    raw = os.fsencode(path)
    shown = raw.decode("utf-8", "replace")
    if shown.encode() == raw:
        return {"path": shown}
    return {"path": shown, "path_b64": base64.b64encode(raw).decode("ascii")}


def about(path: str | None, message: str) -> str:
    """The message with its path in front, unless it names it already; one line."""
    return escape(message if path is None or path in message else f"{path}: {message}")


def escape(text: str) -> str:
    r"""Control characters and line separators as escapes, so that a name is one line and moves no cursor.

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
    print(escape(message), file=sys.stderr)


def say_more() -> None:
    """Show what the library logs."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("searchkit").setLevel(logging.INFO)


def say_less() -> None:
    """Show only what failed of what the library logs."""
    logging.getLogger("searchkit").setLevel(logging.ERROR)


def summary(report: IndexReport) -> None:
    """The warnings of a run and its counts, in one line."""
    for warning in report.warnings:
        note(f"warning: {warning}")
    if report.left_out:
        from searchkit.types import LEFT_OUT

        note("not findable: " + ", ".join(f"{n} {LEFT_OUT[name]}" for name, n in report.left_out.items()))
    failed = f"failed {report.failed}" + " (searchkit doctor lists them)" * bool(report.failed)
    rest = f", offline sources {report.offline}" if report.offline else ""
    rest += f", read by OCR {report.read_by_ocr}" if report.read_by_ocr else ""
    note(
        f"{'interrupted: ' * report.interrupted}indexed {report.indexed}, reused {report.reused}, "
        f"unchanged {report.unchanged}, deleted {report.deleted}, {failed}{rest} in {report.seconds:.1f} s"
    )


TROUBLE = {
    "No space left|disk is full": ("the disk is full", "free some space and run again: what is done is kept"),
    "database is locked": ("another program holds the catalog", "end it, or wait, and run again"),
    "connection failed|server closed the connection|connection is (lost|closed)|terminating connection": (
        "the database of the catalog does not answer any more",
        "start it and run again: what is done is kept",
    ),
}
"""What the libraries below say when the machine, not searchkit, is in the way; and what is said of it."""


def failure(error: Exception) -> int:
    """Print what went wrong and what to do about it; returns the exit code."""
    trouble = next((said for signs, said in TROUBLE.items() if re.search(signs, str(error))), None)
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
