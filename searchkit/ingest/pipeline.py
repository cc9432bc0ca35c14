"""The main path of indexing: walk → load in threads → encode in batches → write, then deletions.

A batch is in the store before the catalog says so; a crash between the two is repaired by running again,
because an item's id follows from its path and content.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from searchkit.catalog.catalog import Asset, Catalog, Content, Source
from searchkit.errors import Unreadable
from searchkit.ingest.documents import Piece, Pixels
from searchkit.ingest.embed import Embedder
from searchkit.ingest.load import READ, Failed, Loaded, Loader, decoder_of, failed
from searchkit.ingest.ocr import Ocr
from searchkit.ingest.thumbs import name_of
from searchkit.ingest.walk import Problem, Selection, entry_of, walk
from searchkit.parsers.child import Stopped, heard
from searchkit.protocols import Encoder, VectorStore
from searchkit.types import (
    DEFAULTS,
    OCR_HEADING,
    Chunking,
    FileEntry,
    IndexReport,
    Item,
    Kind,
    Passage,
    Progress,
    Vectors,
)

AHEAD = 128 << 20
"""Bytes of files that are loaded and not yet encoded: beyond, no further file is begun."""
PART = 2048
"""Items of a long document that are written at once."""
COPY_COST = 1 / 16
"""What an item that is copied counts in a batch, where one to be encoded counts 1."""
MASS_DELETION = 0.5
"""More than this part of a source vanishing at once is taken for an accident until `prune` says otherwise."""


ID = r"[0-9a-f]{20}-[0-9a-f]{20}-[0-9]{1,9}"


def item_id(path: str, sha256: str, ordinal: int) -> str:
    """The same path, content and place give the same id, and an id always has the same vector."""
    return f"{hashlib.sha256(os.fsencode(path)).hexdigest()[:20]}-{sha256[:20]}-{ordinal}"


def ids_of(content: Content) -> list[str]:
    return [item_id(content.path, content.sha256, n) for n in range(content.items)]


def sweep_tombstones(catalog: Catalog, out: Callable[[str, list[str]], object]) -> set[str]:
    """Take out of the stores what the catalog has already forgotten; `out` does that, given a space and ids.
    Returns the sha256 of what was taken out.

    Before a run and after it, not within: a file that moved is copied from where it was.
    """
    buried = catalog.tombstones()
    for space in sorted({grave.space for grave in buried}):
        mine = [grave for grave in buried if grave.space == space]
        out(space, [i for grave in mine for i in ids_of(grave.content)])
        catalog.clear_tombstones([grave.id for grave in mine])
    return {grave.content.sha256 for grave in buried}


@dataclass(slots=True)
class Options:
    """How one run goes about it."""

    batch_size: int = 32
    threads: int = 2
    prune: bool = False
    retry_failed: bool = False
    on_progress: Callable[[Progress], object] | None = None
    stop: Callable[[], bool] = lambda: False
    exclusive: Callable[[], AbstractContextManager[object]] = nullcontext
    """Entered around each write, where no lock is held for the whole run."""
    on_written: Callable[[Sequence[str]], object] = lambda paths: None
    """Called with the paths of each batch that is in store and catalog."""
    keep_thumbnail: Callable[[str, bytes], object] = lambda name, data: None
    """Called with the name and the WebP of each picture that was decoded, before its item is written."""
    ocr: Ocr | None = None
    """What reads pages without text, and pictures; None for what is not to be read."""
    shared: bool = False
    """Others fill the space at the same time: what it holds is looked up when it is asked for."""


class _Shared(dict[str, Content]):
    """The contents of a space, each looked up when first asked for: for a run over a few of many files."""

    def __init__(self, catalog: Catalog, space: str) -> None:
        super().__init__()
        self._catalog, self._space = catalog, space

    def __contains__(self, sha256: object) -> bool:
        if super().__contains__(sha256):
            return True
        found = self._catalog.content(self._space, str(sha256))
        if found is not None:
            self[found.sha256] = found
        return found is not None


@dataclass(slots=True)
class _Scan:
    """What the walk of one source found, beside what the catalog knew."""

    pending: list[FileEntry] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    blind: list[str] = field(default_factory=list)
    """Paths that could not be looked at: they, and what lies below, are neither seen nor gone."""


class Ingest:
    """Brings sources into one space. `report` adds up over the sources of a run.

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
        self.catalog, self.space, self.options, self.chunking = catalog, space, options, chunking
        self._open_store, self._open_encoder = store, encoder
        self.report = IndexReport()
        self.changed = False
        """Whether the store was written to."""

    @cached_property
    def store(self) -> VectorStore:
        return self._open_store()

    @cached_property
    def encoder(self) -> Encoder:
        return self._open_encoder()

    @cached_property
    def _embed(self) -> Embedder:
        return Embedder(self.encoder, self.chunking)

    @cached_property
    def _known(self) -> dict[str, Content]:
        if self.options.shared:
            return _Shared(self.catalog, self.space)
        return self.catalog.contents(self.space)

    def sync(self, source: Source, selection: Selection, *, scope: str | None = None) -> None:
        """Make the space true to a source, or to the part of it at or below `scope`."""
        known = self._inside(source, scope)
        scan = self._scan(source, selection, scope, known)
        if scan is None:
            return
        offline = self.report.offline
        self._encode(source, scan.pending, known)
        if not self.report.interrupted and self.report.offline == offline:
            self._delete(source, scan, known, selection)

    def look(
        self, source: Source, selection: Selection, *, scope: str | None = None
    ) -> tuple[list[FileEntry], bool]:
        """What is due in a source, and whether something seems gone from it; nothing of either is done."""
        known = self._inside(source, scope)
        scan = self._scan(source, selection, scope, known)
        if scan is None:
            return [], False
        return scan.pending, bool(self._gone(scan, known, selected=selection.partial))

    def update(self, source: Source, paths: Sequence[str]) -> None:
        """Bring these files of a source up to date. Those that are not there are left to `drop_gone`, which
        sees the whole source and can tell gone from offline."""
        known = {asset.path: asset for asset in self.catalog.assets(self.space, paths=paths)}
        ledger = self.catalog.failed_at(paths)
        entries = [entry for path in paths if (entry := entry_of(path)) is not None]
        due = [e for e in entries if self._is_due(e, known.get(e.path), ledger.get(e.path))]
        self._encode(source, due, known)

    def drop_gone(self, source: Source, selection: Selection) -> None:
        """Forget what is gone from a source; what is new in it waits."""
        known = self._inside(source, None)
        scan = self._scan(source, selection, None, known)
        if scan is not None:
            self._delete(source, scan, known, selection)

    def _inside(self, source: Source, scope: str | None) -> dict[str, Asset]:
        inside = self.catalog.assets(self.space, under=scope or source.path)
        return {asset.path: asset for asset in inside if asset.source == source.path}

    # scan

    def _scan(
        self, source: Source, selection: Selection, scope: str | None, known: dict[str, Asset]
    ) -> _Scan | None:
        """Walk; None when it was stopped, or the source is offline: unreadable, or empty where something
        was known."""
        scan = _Scan()
        root = scope or source.path
        ledger = self.catalog.failed_as(under=root)
        problems: list[Problem] = []
        for found in walk(source.path, selection, start=scope):
            if isinstance(found, Problem):
                problems.append(found)
                scan.blind.append(found.path)
                continue
            scan.seen.add(found.path)
            if self._is_due(found, known.get(found.path), ledger.get(found.path)):
                scan.pending.append(found)
            self._tell("scan", len(scan.seen), 0, found.path)
            if self.options.stop():
                self.report.interrupted = True
                return None
        unreadable = any(problem.path == root for problem in problems)
        emptied = bool(known) and scope is None and not scan.seen
        if (unreadable and scope is None) or emptied:
            self._offline(source, "unreadable" if unreadable else "empty")
            return None
        self.report.seen += len(scan.seen)
        self.catalog.mark_source(source, "ready")
        # problems of an earlier walk are over unless this one met them again
        self.catalog.clear_failures([p for p, (_, _, decoder) in ledger.items() if decoder == "walk"])
        for problem in problems:
            entry = FileEntry(problem.path, 0, 0)
            self.catalog.fail(source, entry, reason=problem.reason, decoder="walk", sha256=None)
        return scan

    def _is_due(self, entry: FileEntry, asset: Asset | None, failed: tuple[int, int, str] | None) -> bool:
        stamp = (entry.size, entry.mtime_ns)
        if failed is not None and not self.options.retry_failed:
            if failed == (*stamp, decoder_of(entry.path)):
                return False
        elif asset is not None and asset.encoded == asset.sha256 and (asset.size, asset.mtime_ns) == stamp:
            self.report.unchanged += 1
            return False
        return True

    def _offline(self, source: Source, why: str) -> None:
        self.catalog.mark_source(source, "offline")
        self.report.offline += 1
        shown = os.fsencode(source.path).decode("utf-8", "replace")
        self.report.warnings.append(
            f"{shown} is {why}: taken for offline, nothing was deleted "
            f"(if it is gone for good: searchkit rm {shown})"
        )

    # encode and write

    def _encode(self, source: Source, pending: Sequence[FileEntry], known: dict[str, Asset]) -> None:
        waiting: list[Loaded] = []
        try:
            with heard(self.options.stop):
                self._encode_each(source, pending, known, waiting)
        except Stopped:  # over a file that was being read
            self.report.interrupted = True
        self._write(source, waiting)

    def _encode_each(
        self, source: Source, pending: Sequence[FileEntry], known: dict[str, Asset], waiting: list[Loaded]
    ) -> None:
        """Those that are still to be written are left in `waiting`."""
        total = len(pending)
        for done, loaded in enumerate(self._load(pending), start=1):
            if isinstance(loaded, Failed):
                if loaded.decoder == READ and (why := _away(source.path)):
                    self._offline(source, why)  # in the middle of the run
                    break
                self._fail(source, loaded)
            elif (asset := known.get(loaded.entry.path)) and asset.encoded == loaded.sha256:
                self.catalog.touch([loaded.entry])  # written again, same content
                self.catalog.clear_failures([loaded.entry.path])
                self.report.unchanged += 1
            elif self._is_long(loaded):
                self._write(source, waiting)
                waiting.clear()
                self._write_long(source, loaded, (done, total))
            else:
                waiting.append(loaded)
            if sum(map(self._cost, waiting)) >= self.options.batch_size:
                self._write(source, waiting)
                waiting.clear()
            self._tell("encode", done, total, loaded.entry.path)
            if self.report.interrupted or self.options.stop():
                self.report.interrupted = True
                break

    def _fail(self, source: Source, one: Failed) -> None:
        if one.decoder == READ and not os.path.lexists(one.entry.path):
            return  # gone since it was found
        self.catalog.fail(source, one.entry, reason=one.reason, decoder=one.decoder, sha256=one.sha256)

    def _load(self, pending: Sequence[FileEntry]) -> Iterator[Loaded | Failed]:
        """Files in order, read and decoded by threads a bounded way ahead of the encoder: in files, and in
        the bytes that they have."""
        if not pending:
            return
        over = threading.Event()
        loader = Loader(
            self.encoder,
            self._known,
            self.chunking,
            self.options.ocr,
            stop=lambda: over.is_set() or self.options.stop(),
        )
        ahead = 2 * self.options.batch_size
        with ThreadPoolExecutor(self.options.threads) as pool:
            queue: deque[tuple[int, Future[Loaded | Failed]]] = deque()
            entries = iter(pending)
            held = 0
            try:
                while True:
                    while len(queue) < ahead and held < AHEAD and (entry := next(entries, None)) is not None:
                        queue.append((entry.size, pool.submit(loader, entry)))
                        held += entry.size
                    if not queue:
                        return
                    size, future = queue.popleft()
                    yield future.result()
                    del future  # with the content, which may be large
                    held -= size
            finally:
                over.set()  # what is still being read is not waited for
                pool.shutdown(wait=True, cancel_futures=True)

    def _is_long(self, one: Loaded) -> bool:
        return one.rest is not None or (not one.pieces and self._known[one.sha256].items > PART)

    def _cost(self, one: Loaded) -> float:
        """What a file counts in a batch: its items, those to be copied less than those to be encoded."""
        return len(one.pieces) or self._known[one.sha256].items * COPY_COST

    def _write(self, source: Source, batch: Sequence[Loaded]) -> None:
        """Encode what is new, copy what is known, write both; then, and only then, tell the catalog."""
        if not batch:
            return
        fresh = {one.sha256: one for one in reversed(batch) if one.sha256 not in self._known}
        vectors = dict(zip(fresh, self._embed(list(fresh.values())), strict=True)) if fresh else {}
        old = self._stored({one.sha256 for one in batch} - fresh.keys())
        items: list[Item] = []
        rows: list[np.ndarray] = []
        assets: list[Asset] = []
        for one in batch:
            if one.sha256 in old:
                known, theirs = old[one.sha256]
                mine = [_moved(item, source, one.entry) for item in known]
            else:
                pieces = fresh[one.sha256].pieces
                mine, theirs = _items(source, one, pieces), vectors[one.sha256]
                self._keep_thumbnails(mine, pieces)
            pictures = sum(item.kind is Kind.IMAGE for item in mine)
            self._count(one, len(mine), pictures, encoded=fresh.get(one.sha256) is one)
            items += mine
            rows.append(theirs)
            assets.append(self._asset(source, fresh.get(one.sha256, one), one.entry, len(mine)))
        self._record(source, assets, items, np.concatenate(rows))

    def _write_long(self, source: Source, one: Loaded, done: tuple[int, int]) -> None:
        """A document in parts, each in the store before the next is encoded. The catalog hears of it when
        all are there; what was written of one that is not finished is taken out again."""
        encoded = one.sha256 not in self._known
        parts = self._encoded_parts(source, one, done) if encoded else self._copied_parts(source, one)
        written = pictures = 0
        try:
            for items, vectors in parts:
                with self.options.exclusive():
                    self.catalog.jobs.owe_refresh(self.space)
                    self.store.write(items, vectors)
                self.changed = True
                written += len(items)
                pictures += sum(item.kind is Kind.IMAGE for item in items)
        except (Stopped, Unreadable) as error:
            with self.options.exclusive():
                self.store.delete(ids_of(Content(one.entry.path, one.sha256, written)))
            if isinstance(error, Unreadable):
                self._fail(source, failed(one.entry, error, one.sha256))
            else:
                self.report.interrupted = True
            return
        self._count(one, written, pictures, encoded=encoded)
        self._record(source, [self._asset(source, one, one.entry, written)])

    def _encoded_parts(
        self, source: Source, one: Loaded, done: tuple[int, int]
    ) -> Iterator[tuple[list[Item], Vectors]]:
        items: list[Item] = []
        rows: list[np.ndarray] = []
        first = 0
        for pieces, vectors in self._embed.stream(one):
            if self.options.stop():
                raise Stopped
            some = _items(source, one, pieces, first=first + len(items))
            self._keep_thumbnails(some, pieces)
            items += some
            rows.append(vectors)
            self._tell_part(one, pieces[-1], done)
            if len(items) >= PART:
                yield items, np.concatenate(rows)
                first, items, rows = first + len(items), [], []
        if items:
            yield items, np.concatenate(rows)

    def _copied_parts(self, source: Source, one: Loaded) -> Iterator[tuple[list[Item], Vectors]]:
        ids = ids_of(self._known[one.sha256])
        for start in range(0, len(ids), PART):
            if self.options.stop():
                raise Stopped
            some = ids[start : start + PART]
            yield [_moved(item, source, one.entry) for item in self.store.get(some)], self.store.vectors(some)

    def _keep_thumbnails(self, items: Sequence[Item], pieces: Sequence[Piece]) -> None:
        for item, piece in zip(items, pieces, strict=True):
            if isinstance(piece, Pixels) and piece.thumbnail:
                self.options.keep_thumbnail(name_of(item, self.space), piece.thumbnail)

    def _record(
        self,
        source: Source,
        assets: Sequence[Asset],
        items: Sequence[Item] = (),
        vectors: Vectors | None = None,
    ) -> None:
        """Write what is not in the store yet; when all is there, and only then, the catalog hears of it."""
        with self.options.exclusive():
            self.catalog.jobs.owe_refresh(self.space)
            if vectors is not None:
                self.store.write(items, vectors)
            self.changed = True
            self.catalog.record(source, self.space, assets)
        self.options.on_written([asset.path for asset in assets])
        for asset in assets:
            content = Content(asset.path, asset.sha256, asset.items, asset.left_out)
            self._known.setdefault(asset.sha256, content)

    def _asset(self, source: Source, one: Loaded, entry: FileEntry, items: int) -> Asset:
        if one.pieces and one.sha256 not in self._known:
            left_out = json.dumps(dict(one.left_out)) if one.left_out else None
        else:
            left_out = self._known[one.sha256].left_out
        return Asset(
            entry.path,
            source.path,
            entry.size,
            entry.mtime_ns,
            one.sha256,
            one.kind.value,
            items=items,
            left_out=left_out,
        )

    def _count(self, one: Loaded, items: int, pictures: int, *, encoded: bool) -> None:
        self.report.indexed += encoded
        self.report.reused += not encoded
        if encoded:
            self.report.images += pictures
            self.report.passages += items - pictures
            self.report.left_out += one.left_out
            self.report.read_by_ocr += one.read.total()

    def _stored(self, hashes: set[str]) -> dict[str, tuple[list[Item], Vectors]]:
        """Items and vectors of known contents, by hash, read from the store in one go."""
        ids = {sha256: ids_of(self._known[sha256]) for sha256 in sorted(hashes)}
        every = [i for some in ids.values() for i in some]
        items = {item.id: item for item in self.store.get(every)} if every else {}
        vectors = self.store.vectors(every)
        ends = np.cumsum([len(some) for some in ids.values()])
        return {
            sha256: ([items[i] for i in some], vectors[end - len(some) : end])
            for (sha256, some), end in zip(ids.items(), ends, strict=True)
        }

    # delete

    def _delete(self, source: Source, scan: _Scan, known: dict[str, Asset], selection: Selection) -> None:
        """Drop what the walk could have seen and did not."""
        gone = self._gone(scan, known, selected=selection.partial)
        if gone and (why := _away(source.path)):
            self._offline(source, why)  # since the walk began: what it did not see may be there
            return
        if gone:
            self._forget(source, scan, gone, selection, of=len(known))
        stale = [p for p in self.catalog.failed_as(under=source.path) if not os.path.lexists(p)]
        self.catalog.clear_failures(stale)

    @staticmethod
    def _gone(scan: _Scan, known: dict[str, Asset], *, selected: bool) -> list[Asset]:
        hidden = set(scan.blind)
        below = tuple(path.rstrip(os.sep) + os.sep for path in scan.blind)
        return [
            asset
            for path, asset in known.items()
            if path not in scan.seen
            and path not in hidden
            and not path.startswith(below)
            and not (selected and os.path.lexists(path))  # left out by a pattern is not gone
        ]

    def _forget(
        self, source: Source, scan: _Scan, gone: list[Asset], selection: Selection, *, of: int
    ) -> None:
        """Forget these of so many, unless so many are lost that it looks like an accident."""
        there = {asset.sha256 for asset in self.catalog.assets(under=source.path) if asset.path in scan.seen}
        lost = [asset for asset in gone if asset.sha256 not in there]  # the others have moved
        if len(lost) > MASS_DELETION * of and not self.options.prune:
            self.report.warnings.append(
                f"{len(lost)} of {of} files of {source.path} are gone: nothing was deleted "
                "(if that is right, run again with --prune)"
            )
            gone = [asset for asset in gone if asset.sha256 in there]
        with self.options.exclusive():  # the walk was a while ago: who brings one back writes under this, too
            still = [asset.path for asset in gone if not _is_back(asset.path, source, selection)]
            self.report.deleted += self.catalog.forget(still)

    def _tell_part(self, one: Loaded, piece: Piece, done: tuple[int, int]) -> None:
        """How far a long document is: in pages, where it has any."""
        document = one.document
        if self.options.on_progress is None or document is None:
            return
        place = piece.page if document.pages else piece.end if isinstance(piece, Passage) else None
        parts = len(document.pages) or len(document.text)
        files = Progress("encode", *done, one.entry.path, min(place or parts, parts), parts)
        self.options.on_progress(files)

    def _tell(self, stage: str, done: int, total: int, path: str | None) -> None:
        if self.options.on_progress is not None:
            self.options.on_progress(Progress(stage, done, total, path))


def _away(root: str) -> str:
    """Why nothing can be said of what is in a source now: it is "unreadable" or "empty"; else ""."""
    try:
        with os.scandir(root) as listing:
            return "" if next(listing, None) else "empty"
    except NotADirectoryError:
        return ""
    except OSError:
        return "unreadable"


def _is_back(path: str, source: Source, selection: Selection) -> bool:
    """Whether a file that a walk did not see is there now, where a walk would come to it."""
    return entry_of(path) is not None and selection.reaches(source.path, path)


def _moved(item: Item, source: Source, entry: FileEntry) -> Item:
    """An item of the same content at another place."""
    return item._replace(
        id=item_id(entry.path, item.sha256, item.ordinal),
        path=entry.path,
        source=source.path,
        mtime=entry.mtime_ns / 1e9,
    )


def _items(source: Source, one: Loaded, pieces: Sequence[Piece], *, first: int = 0) -> list[Item]:
    """The items of some pieces of a content, numbered from `first`, at the place of the file."""
    entry = one.entry
    common = {
        "path": entry.path,
        "source": source.path,
        "sha256": one.sha256,
        "mtime": entry.mtime_ns / 1e9,
        "size": entry.size,
    }
    return [
        Item(
            id=item_id(entry.path, one.sha256, n),
            ordinal=n,
            page=piece.page,
            **_of(piece),
            **common,  # type: ignore[arg-type]
        )
        for n, piece in enumerate(pieces, start=first)
    ]


def _of(piece: Piece) -> dict[str, Any]:
    if isinstance(piece, Pixels):
        kind = Kind.IMAGE
        return {"kind": kind, "width": piece.width, "height": piece.height, "taken": piece.taken}
    return {
        "kind": Kind.PASSAGE,
        "start": piece.start,
        "end": piece.end,
        "text": piece.text,
        "heading": OCR_HEADING if piece.ocr else piece.context,
    }


def scopes(sources: Iterable[Source], path: str) -> tuple[Source | None, list[Source]]:
    """The source that encloses a path (the deepest), and those that lie inside it."""
    known = list(sources)
    around = [s for s in known if s.path == path or path.startswith(s.path.rstrip(os.sep) + os.sep)]
    inside = [s for s in known if s.path.startswith(path.rstrip(os.sep) + os.sep)]
    return max(around, key=lambda s: len(s.path), default=None), inside
