"""Writing what was encoded: under the exclusive turn, first into the store and then into the catalog.

A crash between the two is repaired by running again, because an item's id follows from its path and content.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from searchkit.catalog.catalog import Asset, Catalog, Content, Source
from searchkit.errors import Unreadable
from searchkit.ingest.encode import in_parts
from searchkit.ingest.ids import ids_of, item_id
from searchkit.ingest.load import READ, Failed, failed
from searchkit.ingest.rows import Batch, Encoded, LongDocument, Rows
from searchkit.ingest.run import Run
from searchkit.ingest.thumbs import name_of
from searchkit.parsers.child import Stopped
from searchkit.protocols import VectorStore
from searchkit.types import FileEntry, Item, Kind, Vectors


class Commit:
    """Brings what was encoded into one space. The store is opened when there is something to write.

    `contents` are those that the space holds, by their sha256; each that is written is added.
    """

    def __init__(
        self,
        catalog: Catalog,
        space: str,
        *,
        store: Callable[[], VectorStore],
        contents: dict[str, Content],
        run: Run,
    ) -> None:
        self._catalog, self._space, self._contents, self._run = catalog, space, contents, run
        self._open_store = store

    @cached_property
    def _store(self) -> VectorStore:
        return self._open_store()

    def write(self, source: Source, batch: Batch) -> None:
        """Write the rows of a batch, and copies of what the space holds; then tell the catalog."""
        copies = self._stored({file.sha256 for file in batch.files if file.rows is None})
        items: list[Item] = []
        vectors: list[Vectors] = []
        assets: list[Asset] = []
        for file in batch.files:
            if file.rows is None:
                held, file_vectors = copies[file.sha256]
                file_items = [_moved(item, source, file.entry) for item in held]
            else:
                file_items, file_vectors = file.rows.items, file.rows.vectors
                self._keep_thumbnails(file.rows)
            self._count(file, len(file_items), _pictures(file_items))
            items += file_items
            vectors.append(file_vectors)
            assets.append(self._asset(source, file, len(file_items)))
        self._record(source, assets, items, np.concatenate(vectors))

    def write_long(self, source: Source, document: LongDocument) -> None:
        """Write a document in parts, each before the next is encoded; then tell the catalog.

        Where the document breaks, or the run is stopped, what was written of it is taken out again.
        """
        file = document.file
        written = pictures = 0
        try:
            for rows in document.parts or self._copied_parts(source, file):
                self._keep_thumbnails(rows)
                with self._run.options.exclusive():
                    self._catalog.jobs.owe_refresh(self._space)
                    self._store.write(rows.items, rows.vectors)
                self._run.changed = True
                written += len(rows.items)
                pictures += _pictures(rows.items)
        except (Stopped, Unreadable) as error:
            with self._run.options.exclusive():
                self._store.delete(ids_of(Content(file.entry.path, file.sha256, written)))
            if isinstance(error, Unreadable):
                self.fail(source, failed(file.entry, error, file.sha256))
            return
        self._count(file, written, pictures)
        self._record(source, [self._asset(source, file, written)])

    def touch(self, entry: FileEntry) -> None:
        """Note a file that was written again with the content that the space holds of it."""
        self._catalog.touch([entry])
        self._catalog.clear_failures([entry.path])
        self._run.report.unchanged += 1

    def fail(self, source: Source, failure: Failed) -> None:
        """Note a failure in the ledger, unless the file has gone since it was found."""
        if failure.decoder == READ and not os.path.lexists(failure.entry.path):
            return
        self._catalog.fail(
            source, failure.entry, reason=failure.reason, decoder=failure.decoder, sha256=failure.sha256
        )

    def _record(
        self,
        source: Source,
        assets: Sequence[Asset],
        items: Sequence[Item] = (),
        vectors: Vectors | None = None,
    ) -> None:
        """Write what is not in the store yet; when all is there, and only then, the catalog hears of it."""
        with self._run.options.exclusive():
            self._catalog.jobs.owe_refresh(self._space)
            if vectors is not None:
                self._store.write(items, vectors)
            self._run.changed = True
            self._catalog.record(source, self._space, assets)
        self._run.options.on_written([asset.path for asset in assets])
        for asset in assets:
            content = Content(asset.path, asset.sha256, asset.items, asset.left_out)
            self._contents.setdefault(asset.sha256, content)

    def _stored(self, hashes: set[str]) -> dict[str, tuple[list[Item], Vectors]]:
        """Items and vectors of contents that the space holds, by sha256, read from the store in one go."""
        ids = {sha256: ids_of(self._contents[sha256]) for sha256 in sorted(hashes)}
        every = [i for content_ids in ids.values() for i in content_ids]
        items = {item.id: item for item in self._store.get(every)} if every else {}
        vectors = self._store.vectors(every)
        ends = np.cumsum([len(content_ids) for content_ids in ids.values()])
        return {
            sha256: ([items[i] for i in content_ids], vectors[end - len(content_ids) : end])
            for (sha256, content_ids), end in zip(ids.items(), ends, strict=True)
        }

    def _copied_parts(self, source: Source, file: Encoded) -> Iterator[Rows]:
        """The rows of a long document that the space holds at another place."""
        for ids in in_parts(ids_of(self._contents[file.sha256])):
            if self._run.stopped():
                raise Stopped
            items = [_moved(item, source, file.entry) for item in self._store.get(ids)]
            yield Rows(items, self._store.vectors(ids), thumbnails=[])

    def _keep_thumbnails(self, rows: Rows) -> None:
        for item, data in rows.thumbnails:
            self._run.options.keep_thumbnail(name_of(item, self._space), data)

    def _asset(self, source: Source, file: Encoded, items: int) -> Asset:
        if file.sha256 in self._contents:
            left_out = self._contents[file.sha256].left_out
        else:
            left_out = json.dumps(dict(file.left_out)) if file.left_out else None
        return Asset(
            file.entry.path,
            source.path,
            file.entry.size,
            file.entry.mtime_ns,
            file.sha256,
            file.kind.value,
            items=items,
            left_out=left_out,
        )

    def _count(self, file: Encoded, items: int, pictures: int) -> None:
        report = self._run.report
        report.indexed += file.is_new
        report.reused += not file.is_new
        if file.is_new:
            report.images += pictures
            report.passages += items - pictures
            report.left_out += file.left_out
            report.read_by_ocr += file.read.total()


def _pictures(items: Sequence[Item]) -> int:
    return sum(item.kind is Kind.IMAGE for item in items)


def _moved(item: Item, source: Source, entry: FileEntry) -> Item:
    """An item of the same content at another place."""
    return item._replace(
        id=item_id(entry.path, item.sha256, item.ordinal),
        path=entry.path,
        source=source.path,
        mtime=entry.mtime_ns / 1e9,
    )
