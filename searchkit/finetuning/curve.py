"""The learning curves of an adaptation, in a file of the collection that others read while it runs."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

FILE = "learning.jsonl"
SILENT = 120.0
"""Seconds without a sign after which a run that has not ended is taken for dead."""
BEAT = 1.0
"""Least seconds between two signs."""


@dataclass(frozen=True, slots=True)
class Look:
    """A map at one step: the loss that it learns by, and the score that it is chosen by."""

    attempt: int
    """Number of the attempt, from 1: each has another learning rate, or other negatives."""
    attempts: int
    step: int
    steps: int
    """The most steps of an attempt: it ends early when nothing gets better."""
    loss: float
    """The mean loss since the look before."""
    score: float
    """The score on the development pairs, at the best strength."""
    before: float
    """The score without a map."""

    @property
    def done(self) -> float:
        """The share of all steps, in [0, 1].

        >>> Look(2, 2, 25, 100, 0.0, 0.0, 0.0).done
        0.625
        """
        return ((self.attempt - 1) * self.steps + self.step) / (self.attempts * self.steps)


class Curve:
    """Writes the file of one run, and passes its progress on. In a `with` block an exception ends the run."""

    def __init__(self, folder: Path, pairs: str, on_progress: Callable[[str, int, int], object]) -> None:
        self._file, self._on_progress, self._beaten = folder / FILE, on_progress, 0.0
        folder.mkdir(parents=True, exist_ok=True)
        scratch = self._file.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(_line(began=time.time(), pairs=pairs), "utf-8")
        scratch.replace(self._file)  # not emptied: whoever still writes the old one keeps it

    def __call__(self, what: str, done: int, total: int) -> None:
        self._on_progress(what, done, total)
        if time.monotonic() - self._beaten > BEAT:
            self._beaten = time.monotonic()
            os.utime(self._file)

    def look(self, way: str, look: Look) -> None:
        self._append(way=way, at=time.time(), **asdict(look))

    def end(self, outcome: str) -> None:
        self._append(ended=time.time(), said=outcome)

    def _append(self, **values: Any) -> None:
        with self._file.open("a", encoding="utf-8") as file:
            file.write(_line(**values))

    def __enter__(self) -> Curve:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.end(str(error) or type(error).__name__)


def _line(**values: Any) -> str:
    return json.dumps(values, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class Learning:
    """The content of the file: the run that goes on, or the last one."""

    pairs: str
    began: float
    """Seconds since the epoch."""
    looks: Mapping[str, tuple[tuple[float, Look], ...]]
    """The looks at each way of searching ("text-image"), each with its time in seconds since the epoch."""
    ended: str
    """The outcome of the run; empty while it runs, and when it died."""
    goes_on: bool

    @property
    def seconds_left(self) -> float | None:
        """The most seconds that are left of the way of searching that is learned now; None where that is
        unknown."""
        if not (self.goes_on and self.looks):
            return None
        when, last = list(self.looks.values())[-1][-1]
        first, begun = list(self.looks.values())[-1][0]
        if last.done <= begun.done:
            return None
        return (when - first) / (last.done - begun.done) * (1 - last.done)


def read_learning(folder: Path) -> Learning | None:
    """Read the file of a folder; None where nothing was ever learned, or the file cannot be read."""
    file = folder / FILE
    try:
        age = time.time() - file.stat().st_mtime
        whole = file.read_text("utf-8").rpartition("\n")[0]  # the rest is being written
        lines = [json.loads(line) for line in whole.splitlines()]
        pairs, began = str(lines[0]["pairs"]), float(lines[0]["began"])
        looks: dict[str, tuple[tuple[float, Look], ...]] = {}
        ended = ""
        for line in lines[1:]:
            if "ended" in line:
                ended = str(line["said"])
                continue
            way, at = line.pop("way"), float(line.pop("at"))
            looks[way] = (*looks.get(way, ()), (at, Look(**line)))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None
    return Learning(pairs, began, looks, ended, not ended and age < SILENT)
