"""Reading a document within budgets of time and memory, by any parser: in a process that may be ended."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from searchkit.errors import NoText, Unreadable
from searchkit.parsers.child import Answer, Child, Died, Full, Hung
from searchkit.parsers.limits import MB, PICTURE_SECONDS, TEXT_SECONDS, over_memory, over_time
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded, Heading, PageSpan

READER = Child("searchkit.parsers.reader")
TRIES = 2
"""Tries of a file that ends the process: the first end may have had another cause."""
IN_MEMORY = 16 * MB
"""Bytes of a document's pictures; more are laid down in a file."""

_turn = threading.Lock()
"""Held while one document is asked for, with as many questions as that takes."""


def parse(parser: Parser, path: Path) -> Document:
    """What `parser.parse` gives. Raises `Unreadable` as it does, and for a file that takes too much."""
    if not parser.capped:
        return parser.parse(path)
    with _turn:
        head, body = _ask(parser, path, "parse", TEXT_SECONDS)
    pages = tuple(PageSpan(*page) for page in head["pages"])
    headings = tuple(Heading(*heading) for heading in head["headings"])
    return Document(body.decode("utf-8", "surrogatepass"), pages, head["title"], headings)


def pictures(parser: Parser, path: Path) -> Iterator[Embedded]:
    """What `parser.pictures` gives: found all at once, then handed out one at a time, so that no process
    waits for whoever asked. Those that were found before the file turned out to be too much are given."""
    if not parser.capped:
        yield from parser.pictures(path)
        return
    found: list[tuple[int, int | None]] = []
    refused: Unreadable | None = None
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as kept:
        with _turn:
            do, left = "pictures", PICTURE_SECONDS
            while do:
                try:
                    head, body = _ask(parser, path, do, left)
                except Unreadable as error:
                    refused = error
                    break
                found += head["pictures"]
                kept.write(body)
                left -= head["seconds"]
                do = "more" if head["more"] else ""
        kept.seek(0)
        for length, page in found:
            yield Embedded(kept.read(length), page)
    if refused is not None:
        raise refused


def _ask(parser: Parser, path: Path, do: str, seconds: float) -> Answer:
    kind = type(parser)
    question = {"do": do, "path": os.path.abspath(path), "module": kind.__module__, "parser": kind.__name__}
    if seconds <= 0:
        raise Unreadable(over_time(path, PICTURE_SECONDS))
    for left in reversed(range(1 if do == "more" else TRIES)):
        try:
            answer, _ = READER.ask(question, seconds=seconds)
            return _checked(answer, path)
        except Full:
            raise Unreadable(over_memory(path)) from None
        except Hung:
            raise Unreadable(over_time(path, TEXT_SECONDS if do == "parse" else PICTURE_SECONDS)) from None
        except Died as error:
            if not left:
                raise Unreadable(f"{path} ends the process that reads it ({error})") from None
    raise AssertionError


def _checked(answer: Answer, path: Path) -> Answer:
    head: dict[str, Any] = answer[0]
    if "error" not in head:
        return answer
    if "blank" in head:
        raise NoText(head["error"], hint=head["hint"], pages=head["blank"])
    if head["full"] and head["unexpected"]:  # libraries say almost anything then
        raise Unreadable(over_memory(path))
    cause = OSError(head["errno"], "while it was read") if head.get("errno") else None
    raise Unreadable(head["error"], hint=head["hint"]) from cause
