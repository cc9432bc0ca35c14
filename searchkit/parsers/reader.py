"""Reads documents in a process of its own: answers what `capped.py` asks. Nothing else may import it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple
from importlib import import_module
from pathlib import Path
from typing import Any

from searchkit.errors import NoText, Unreadable
from searchkit.parsers.child import Answer, answer_all
from searchkit.parsers.limits import MB, one_file, over_memory
from searchkit.types import Document, Embedded

AT_ONCE = 8 * MB
"""Bytes of pictures in one answer, beside the last of them."""


class _Reader:
    """Has the pictures of one document open at most."""

    def __init__(self) -> None:
        self._pictures: Iterator[Embedded] | None = None

    def idle(self) -> bool:
        return self._pictures is None

    def answer(self, question: dict[str, Any]) -> Answer:
        path = Path(question["path"])
        try:
            with one_file(path):
                if question["do"] == "more":
                    return self._some()
                self._pictures = None
                parser = getattr(import_module(question["module"]), question["parser"])()
                if question["do"] == "parse":
                    return _packed(parser.parse(path))
                self._pictures = iter(parser.pictures(path))
                return self._some()
        except Unreadable as error:
            return self._refused(error), b""
        except MemoryError:  # it was not over when that was told
            return self._refused(Unreadable(over_memory(path))), b""

    def _refused(self, error: Unreadable) -> dict[str, Any]:
        self._pictures = None
        head: dict[str, Any] = {"error": str(error), "hint": error.hint}
        if isinstance(error, NoText):
            head["blank"] = error.pages
        cause = error.__cause__
        head["unexpected"] = cause is not None and not isinstance(cause, OSError)
        if isinstance(cause, OSError):
            head["errno"] = cause.errno
        return head

    def _some(self) -> Answer:
        found: list[Embedded] = []
        size = 0
        for picture in self._pictures or ():
            found.append(picture)
            size += len(picture.data)
            if size >= AT_ONCE:
                break
        else:
            self._pictures = None
        given = [(len(picture.data), picture.page) for picture in found]
        head = {"pictures": given, "more": self._pictures is not None}
        return head, b"".join(picture.data for picture in found)


def _packed(document: Document) -> Answer:
    head = {
        "title": document.title,
        "pages": [astuple(page) for page in document.pages],
        "headings": [astuple(heading) for heading in document.headings],
    }
    return head, document.text.encode("utf-8", "surrogatepass")


def serve() -> None:
    reader = _Reader()
    answer_all(reader.answer, idle=reader.idle)
