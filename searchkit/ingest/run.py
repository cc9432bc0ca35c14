"""One run of indexing: how it goes about it, and how far it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from searchkit.ingest.ocr import Ocr
from searchkit.types import IndexReport, Progress


@dataclass(slots=True)
class Options:
    """How one run goes about it."""

    batch_size: int = 32
    """Items that are encoded, and files that are written, at once."""
    threads: int = 2
    """Threads that read and decode files."""
    prune: bool = False
    """Delete even where so many files are gone at once that it looks like an accident."""
    retry_failed: bool = False
    """Try failed files again that have not changed."""
    on_progress: Callable[[Progress], object] | None = None
    stop: Callable[[], bool] = lambda: False
    """Asked after each file whether the run is to end."""
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext
    """Entered around each write, where no lock is held for the whole run."""
    on_written: Callable[[Sequence[str]], object] = lambda paths: None
    """Called with the paths of each batch that is in store and catalog."""
    keep_thumbnail: Callable[[str, bytes], object] = lambda name, data: None
    """Called with the name and the WebP of each picture that was decoded, before its item is written."""
    ocr: Ocr | None = None
    """The reader of pages without text, and of pictures; None where their text is not to be read."""
    shared: bool = False
    """Others fill the space at the same time: a content that it holds is looked up when it is met."""

    def tell(self, stage: str, done: int, total: int, path: str | None) -> None:
        """Report progress: `done` of `total` files, this path the last."""
        if self.on_progress is not None:
            self.on_progress(Progress(stage, done, total, path))


class Run:
    """The course of one run over any number of sources."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.report = IndexReport()
        """What was done so far, added up over the sources."""
        self.changed = False
        """Whether the store was written to."""

    def stopped(self) -> bool:
        """Whether the run is to end. Once it was asked to, it stays so: the report says "interrupted"."""
        self.report.interrupted = self.report.interrupted or self.options.stop()
        return self.report.interrupted
