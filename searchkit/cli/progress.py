"""A bar on stderr while something runs, and the orderly end when it is interrupted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Show = Callable[[str, int, int], None]
"""(what is being done, how many are done, of how many; 0: not known yet)."""


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Show]:
    """A function that draws progress; where stderr is no terminal, or with `quiet`, it does nothing."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawing:
        task = drawing.add_task("", total=None)

        def show(stage: str, done: int, total: int) -> None:
            drawing.update(task, description=stage, completed=done, total=total or None)

        yield show


@contextmanager
def stopping() -> Iterator[Callable[[], bool]]:
    """A function that says whether SIGINT or SIGTERM has come. The second one acts as it always did."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}
    asked = False

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        restore()
        # not print: a handler may run in the middle of another write to the same stream
        os.write(2, b"\nstopping when this batch is kept; once more stops at once\n")

    for number in signals:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        restore()
