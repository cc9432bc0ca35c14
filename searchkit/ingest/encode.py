"""Encoding turns due files into rows: it reads and decodes in threads, and encodes in batches.

It needs an encoder and nothing else: no catalog, and no store. So another engine can call it, on another
machine, and send the rows to the process that commits them.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import numpy as np

from searchkit.catalog.records import Content
from searchkit.ingest.documents import Piece
from searchkit.ingest.embed import Embedder
from searchkit.ingest.held import Held
from searchkit.ingest.load import Failed, Loaded, Loader
from searchkit.ingest.rows import (
    Batch,
    Encoded,
    LongDocument,
    Rows,
    Unchanged,
    described,
    items_of,
    thumbnails_of,
)
from searchkit.ingest.run import Options
from searchkit.parsers.child import Stopped, heard
from searchkit.protocols import Encoder
from searchkit.types import DEFAULTS, Chunking, FileEntry, Item, Passage, Progress, Vectors

AHEAD = 128 << 20
"""Bytes of files that are loaded and not yet encoded: beyond, no further file is begun."""
PART = 2048
"""Items of a long document that are written at once."""
COPY_COST = 1 / 16
"""What an item that is copied counts in a batch, where one to be encoded counts 1."""


def encode(
    source: str,
    due: Sequence[FileEntry],
    *,
    encoder: Encoder,
    chunking: Chunking = DEFAULTS,
    held: Held | None = None,
    options: Options | None = None,
) -> Iterator[Batch | LongDocument | Unchanged | Failed]:
    """Read, decode and encode files of the source at this path: yield rows and failures, in order of `due`.

    Contents that `held` has are not encoded again. After each file, and while one is read, `options.stop` is
    asked; when it says True, what was read so far is yielded as the last batch. Take each result before the
    next is asked for: what it added to `held` counts from then on.
    """
    held, options = held or Held(), options or Options()
    embed = Embedder(encoder, chunking)
    waiting: list[Loaded] = []
    loading = _load(due, options, encoder=encoder, chunking=chunking, contents=held.contents)
    for done, loaded in enumerate(_until_stopped(loading), start=1):
        path = loaded.entry.path
        if isinstance(loaded, Failed):
            yield loaded
        elif held.at.get(path) == loaded.sha256:
            yield Unchanged(loaded.entry)
        elif _is_long(loaded, held.contents):
            if waiting:
                batch, waiting = _batch(source, waiting, held.contents, embed), []
                yield batch
            if loaded.sha256 in held.contents:
                yield LongDocument(described(loaded, is_new=False), None)
            else:
                progress = Progress("encode", done, len(due), path)
                parts = _parts(source, loaded, embed=embed, options=options, progress=progress)
                yield LongDocument(described(loaded, is_new=True), parts)
        else:
            waiting.append(loaded)
        if sum(_cost(file, held.contents) for file in waiting) >= options.batch_size:
            batch, waiting = _batch(source, waiting, held.contents, embed), []
            yield batch
        options.tell("encode", done, len(due), path)
        if options.stop():
            break
    if waiting:
        yield _batch(source, waiting, held.contents, embed)


def _until_stopped(loading: Iterator[Loaded | Failed]) -> Iterator[Loaded | Failed]:
    """What is loaded, up to the file that was being read when the run was stopped."""
    with suppress(Stopped):
        yield from loading


def _load(
    due: Sequence[FileEntry],
    options: Options,
    *,
    encoder: Encoder,
    chunking: Chunking,
    contents: Mapping[str, Content],
) -> Iterator[Loaded | Failed]:
    """Read and decode files in threads, and yield them in order: ahead of the encoder by a bounded number of
    files, and of bytes. Raises `Stopped` over a file that was being read."""
    over = threading.Event()
    loader = Loader(encoder, contents, chunking, options.ocr, stop=lambda: over.is_set() or options.stop())
    ahead = 2 * options.batch_size
    with ThreadPoolExecutor(options.threads) as pool:
        queue: deque[tuple[int, Future[Loaded | Failed]]] = deque()
        entries = iter(due)
        pending = 0  # bytes
        try:
            while True:
                while len(queue) < ahead and pending < AHEAD and (entry := next(entries, None)) is not None:
                    queue.append((entry.size, pool.submit(loader, entry)))
                    pending += entry.size
                if not queue:
                    return
                size, future = queue.popleft()
                yield future.result()
                del future  # with the content, which may be large
                pending -= size
        finally:
            over.set()  # what is still being read is not waited for
            pool.shutdown(wait=True, cancel_futures=True)


def _is_long(loaded: Loaded, contents: Mapping[str, Content]) -> bool:
    """Whether a file is written in parts: it has more pieces than were made, or many items to be copied."""
    return loaded.rest is not None or (not loaded.pieces and contents[loaded.sha256].items > PART)


def _cost(loaded: Loaded, contents: Mapping[str, Content]) -> float:
    """What a file counts in a batch: its items, those to be copied less than those to be encoded."""
    return len(loaded.pieces) or contents[loaded.sha256].items * COPY_COST


def _batch(source: str, batch: Sequence[Loaded], contents: Mapping[str, Content], embed: Embedder) -> Batch:
    """Encode each content that is new, once; what the space holds stays without rows."""
    new = {loaded.sha256: loaded for loaded in reversed(batch) if loaded.sha256 not in contents}
    vectors = dict(zip(new, embed(list(new.values())), strict=True)) if new else {}
    files: list[Encoded] = []
    for loaded in batch:
        first = new.get(loaded.sha256)
        if first is None:
            files.append(described(loaded, is_new=False))
            continue
        items = items_of(source, loaded, first.pieces)
        rows = Rows(items, vectors[loaded.sha256], thumbnails_of(items, first.pieces))
        files.append(replace(described(first, is_new=loaded is first), entry=loaded.entry, rows=rows))
    return Batch(files)


def _parts(
    source: str, loaded: Loaded, *, embed: Embedder, options: Options, progress: Progress
) -> Iterator[Rows]:
    """The rows of a long document, encoded as they are asked for."""
    items: list[Item] = []
    vectors: list[Vectors] = []
    thumbnails: list[tuple[Item, bytes]] = []
    first = 0
    for pieces, encoded in _heard(embed.stream(loaded), options):
        if options.stop():
            raise Stopped
        new = items_of(source, loaded, pieces, first=first + len(items))
        items += new
        vectors.append(encoded)
        thumbnails += thumbnails_of(new, pieces)
        _tell_part(loaded, pieces[-1], options, progress)
        if len(items) >= PART:
            yield Rows(items, np.concatenate(vectors), thumbnails)
            first += len(items)
            items, vectors, thumbnails = [], [], []
    if items:
        yield Rows(items, np.concatenate(vectors), thumbnails)


def _heard(
    stream: Iterator[tuple[list[Piece], Vectors]], options: Options
) -> Iterator[tuple[list[Piece], Vectors]]:
    """The same, and what is read for it is left in the middle when the run is stopped."""
    while True:
        with heard(options.stop):
            step = next(stream, None)
        if step is None:
            return
        yield step


def _tell_part(loaded: Loaded, piece: Piece, options: Options, progress: Progress) -> None:
    """Report how far a long document is: in pages, where it has any, else in characters."""
    document = loaded.document
    if options.on_progress is None or document is None:
        return
    place = piece.page if document.pages else piece.end if isinstance(piece, Passage) else None
    parts = len(document.pages) or len(document.text)
    options.on_progress(replace(progress, part=min(place or parts, parts), parts=parts))


def in_parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """The ids of a long document, as many at a time as are written at once."""
    return (ids[start : start + PART] for start in range(0, len(ids), PART))
