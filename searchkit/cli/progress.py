"""A bar on stderr while something runs, and the orderly end when it is interrupted."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Show = Callable[[str, int, int], None]
"""Takes what is being done, how many are done, and of how many (0: not known yet)."""


@contextmanager
def bar(*, quiet: bool = False) -> Iterator[Show]:
    """Give a function that draws progress; it does nothing with `quiet`, or where stderr is no terminal."""
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
    """Give a function that says whether SIGINT or SIGTERM has come; a second signal is not caught."""
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}
    signalled = False

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(_number: int, _frame: FrameType | None) -> None:
        nonlocal signalled
        signalled = True
        restore()
        # not print: a handler may run in the middle of another write to the same stream
        os.write(2, b"\nstopping when this batch is kept; once more stops at once\n")

    for number in signals:
        signal.signal(number, handle)
    try:
        yield lambda: signalled
    finally:
        restore()
