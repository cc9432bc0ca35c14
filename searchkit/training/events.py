"""Events: the numbers of a training run for TensorBoard, beside its `log.jsonl`."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

FOLDER = "events"

Write = Callable[[int, Mapping[str, float]], None]
"""Called with a step and its numbers by name."""


@contextmanager
def events(run: Path, done: int) -> Iterator[Write]:
    """A function that writes the numbers of a step into the folder `events` of a run that has `done` so many
    steps.

    What a killed run wrote behind them is hidden. Without tensorboardX nothing is written.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError:
        _say_once()
        yield lambda step, numbers: None
        return
    folder = run / FOLDER
    if not done:
        shutil.rmtree(folder, ignore_errors=True)
    # files are named by the second: a run that goes on within it must not take the name of the one before
    writer = SummaryWriter(str(folder), purge_step=done + 1 if done else None, filename_suffix=f".{done:08}")

    def write(step: int, numbers: Mapping[str, float]) -> None:
        for name, number in numbers.items():
            writer.add_scalar(name, number, step)

    try:
        yield write
    finally:
        writer.close()


@cache
def _say_once() -> None:
    log.info("no events for TensorBoard: they need tensorboardX (pip install 'searchkit[tensorboard]')")
