"""The main path of indexing: scan → encode → commit, then deletions.

What is due in a source goes through an encoder into the store and then the catalog, batch by batch; what is
gone from it leaves the catalog, and the stores with the next sweep of tombstones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

from searchkit.catalog.catalog import Catalog, Content, Source
from searchkit.ingest.commit import Commit
from searchkit.ingest.deletion import Deletion
from searchkit.ingest.encode import encode
from searchkit.ingest.held import Held, LazyContents
from searchkit.ingest.load import READ, Failed
from searchkit.ingest.rows import Batch, LongDocument, Unchanged
from searchkit.ingest.run import Options, Run
from searchkit.ingest.scan import Scan, Scanner
from searchkit.ingest.walk import Selection
from searchkit.protocols import Encoder, VectorStore
from searchkit.types import DEFAULTS, Chunking, FileEntry, IndexReport


class Ingest:
    """Brings sources into one space.

    The store and the encoder are opened when there is something for them to do: a run that finds nothing
    new imports neither lancedb nor torch.
    """

    def __init__(
        self,
        catalog: Catalog,
        space: str,
        store: Callable[[], VectorStore],
        encoder: Callable[[], Encoder],
        options: Options,
        chunking: Chunking = DEFAULTS,
    ) -> None:
        self._catalog, self._space, self._chunking = catalog, space, chunking
        self._open_store, self._open_encoder = store, encoder
        self._run = Run(options)
        self._scanner = Scanner(catalog, space, self._run)
        self._deletion = Deletion(catalog, self._run)

    @property
    def report(self) -> IndexReport:
        """What was done so far, added up over the sources."""
        return self._run.report

    @property
    def changed(self) -> bool:
        """Whether the store was written to."""
        return self._run.changed

    def sync(self, source: Source, selection: Selection, *, scope: str | None = None) -> None:
        """Make the space true to a source, or to the part of it at or below `scope`."""
        scan = self._scanner.scan(source, selection, scope)
        if scan is not None and self._write(source, scan) and not self.report.interrupted:
            self._delete(source, scan, selection)

    def look(
        self, source: Source, selection: Selection, *, scope: str | None = None
    ) -> tuple[list[FileEntry], bool]:
        """The files of a source that are due, and whether something seems gone from it; neither is acted
        on."""
        scan = self._scanner.scan(source, selection, scope)
        return ([], False) if scan is None else (scan.due, bool(scan.gone(selection)))

    def update(self, source: Source, paths: Sequence[str]) -> None:
        """Bring these files of a source up to date.

        Those that are not there are left to `drop_gone`, which sees the whole source and can tell gone from
        offline.
        """
        self._write(source, self._scanner.look_at(paths))

    def drop_gone(self, source: Source, selection: Selection) -> None:
        """Forget what is gone from a source; what is new in it waits."""
        scan = self._scanner.scan(source, selection)
        if scan is not None:
            self._delete(source, scan, selection)

    @cached_property
    def _encoder(self) -> Encoder:
        return self._open_encoder()

    @cached_property
    def _contents(self) -> dict[str, Content]:
        if self._run.options.shared:
            return LazyContents(self._catalog, self._space)
        return self._catalog.contents(self._space)

    @cached_property
    def _commit(self) -> Commit:
        return Commit(
            self._catalog, self._space, store=self._open_store, contents=self._contents, run=self._run
        )

    def _write(self, source: Source, scan: Scan) -> bool:
        """Encode and commit what is due; returns whether the source was there to the end."""
        if not scan.due:
            return True
        away = False
        results = encode(
            source.path,
            scan.due,
            encoder=self._encoder,
            chunking=self._chunking,
            held=Held(self._contents, {path: asset.encoded for path, asset in scan.assets.items()}),
            options=replace(self._run.options, stop=lambda: away or self._run.stopped()),
        )
        for result in results:
            match result:
                case Batch():
                    self._commit.write(source, result)
                case LongDocument():
                    self._commit.write_long(source, result)
                case Unchanged(entry):
                    self._commit.touch(entry)
                case Failed(decoder=decoder) if decoder == READ and self._scanner.is_away(source):
                    away = True  # in the middle of the run: no file is at fault
                case Failed():
                    self._commit.fail(source, result)
        return not away

    def _delete(self, source: Source, scan: Scan, selection: Selection) -> None:
        """Drop what the walk could have seen and did not."""
        gone = scan.gone(selection)
        if gone and self._scanner.is_away(source):
            return  # since the walk began: what it did not see may be there
        if gone:
            self._deletion.forget(source, scan, gone, selection)
        self._deletion.clear_stale_failures(source)
