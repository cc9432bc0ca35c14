"""The speed of an encoder on this machine: pictures through the real path of indexing, and texts.

Wall time tells how long a folder will take; CPU time tells what takes it, on a busy machine too.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchkit.collection.library import Collection
from searchkit.errors import BadInput
from searchkit.ingest.run import Options
from searchkit.ingest.sync import Ingest
from searchkit.registry import AUTO
from searchkit.speed.machine import peak_mb, processor
from searchkit.speed.records import Speed, load_speeds, save_speed
from searchkit.speed.workload import PICTURES, link_pictures, passages, queries, write_pictures
from searchkit.types import JSON_SCHEMA, EncoderRecord, Progress, Runtime, Space, TokenVectors, Vectors

if TYPE_CHECKING:
    from PIL.Image import Image

    from searchkit.protocols import Encoder

__all__ = ["Figures", "load_speeds", "measure", "processor", "remember"]

IMAGES = 128
WARM_UP = 4
"""Pictures that are indexed before the clock starts, to load weights and libraries and to make tables."""
PATIENCE = 60.0
"""Seconds after which a slow encoder is measured on the pictures that it has encoded by then."""
SETTLED = 2.0
"""Seconds for which a measurement is repeated."""
QUERIES, PASSAGES = 256, 64


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one measurement. Those of pictures are None for an encoder of text alone."""

    encoder: str
    space: str
    processor: str
    device: str
    dtype: str
    date: str
    """The time in ISO format, UTC."""
    threads: int
    """The number of threads that read and decode; the encoder has its own."""
    images: int
    """The number of pictures that were encoded."""
    images_per_second: float | None
    """Pictures a second of wall time, from the walk to the store, as in `searchkit index`."""
    cpu_ms_per_image: float | None
    """CPU milliseconds a picture, of all threads."""
    decode_cpu_ms: float | None
    """The part of `cpu_ms_per_image` that is reading, hashing, decoding and scaling."""
    encode_cpu_ms: float | None
    """CPU milliseconds of the network a picture, measured again by itself on the same pixels."""
    encoder_share: float | None
    """The network's share, `encode_cpu_ms / cpu_ms_per_image`, in [0, 1]."""
    texts_per_second: float
    """Short questions a second of wall time, many at once."""
    passages_per_second: float
    """Passages of `passage_tokens` a second of wall time."""
    passage_tokens: int
    """The tokens of a passage: 128, or as many as the encoder's window has room for."""
    peak_mb: float | None
    """The peak of this process's resident memory, in 10⁶ bytes; None where it is not known."""

    def to_json(self) -> dict[str, Any]:
        return {"schema": JSON_SCHEMA, **asdict(self)}


def measure(
    encoder: Encoder,
    paths: Sequence[str | Path] = (),
    *,
    images: int = IMAGES,
    batch_size: int = 32,
    threads: int = 2,
    runtime: Runtime = AUTO,
    on_progress: Callable[[Progress], object] | None = None,
) -> Figures:
    """Measures the speed of an encoder on at most `images` pictures, and on questions and passages.

    The pictures are those of `paths`, folders and files, or made ones without paths; they are indexed into a
    temporary collection. `runtime` is the one that the encoder was loaded with.

    Raises `BadInput` for a path that is not there, and when no picture can be read.
    """
    from searchkit.encoders.device import placement

    where = placement(runtime)
    pictures = _Pictures()
    if encoder.record.pixels:
        options = Options(batch_size, threads, on_progress=on_progress)
        with tempfile.TemporaryDirectory(prefix="searchkit-bench-") as scratch:
            pictures = _measure_pictures(encoder, paths, images, options, Path(scratch))
    texts, tokens = passages(encoder, PASSAGES)
    return Figures(
        encoder=encoder.record.name,
        space=encoder.space.key,
        processor=processor(where.device.type),
        device=where.device.type,
        dtype=str(where.dtype).removeprefix("torch."),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        threads=threads,
        **asdict(pictures),
        texts_per_second=_rate(encoder, queries(encoder, QUERIES)),
        passages_per_second=_rate(encoder, texts),
        passage_tokens=tokens,
        peak_mb=peak_mb(),
    )


def remember(figures: Figures) -> None:
    """Keeps the figures for `searchkit models`, in place of those of the same space."""
    speed = Speed(
        figures.encoder,
        figures.images_per_second,
        figures.texts_per_second,
        figures.processor,
        figures.date,
    )
    save_speed(figures.space, speed)


@dataclass(frozen=True, slots=True)
class _Pictures:
    """The fields of `Figures` that are about pictures."""

    images: int = 0
    images_per_second: float | None = None
    cpu_ms_per_image: float | None = None
    decode_cpu_ms: float | None = None
    encode_cpu_ms: float | None = None
    encoder_share: float | None = None


def _measure_pictures(
    encoder: Encoder, paths: Sequence[str | Path], images: int, options: Options, scratch: Path
) -> _Pictures:
    warm_up, folder = scratch / "warm-up", scratch / "pictures"
    write_pictures(warm_up, WARM_UP, seed=1)
    if paths:
        link_pictures(paths, folder, images)
    else:
        write_pictures(folder, images)
    with Collection.open(scratch / "collection", encoder=encoder) as library:
        _index(library, warm_up, encoder, Options(options.batch_size, options.threads))
        timed = _Timed(encoder, keep=options.batch_size)
        began, cpu = time.monotonic(), time.process_time()
        options.stop = lambda: time.monotonic() - began > PATIENCE
        done = _index(library, folder, timed, options)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if not done:
        raise BadInput(
            f"no picture could be read in {', '.join(map(str, paths))}",
            hint="searchkit index says of each why not; see searchkit doctor",
        )
    alone = _encode_cpu(encoder, timed.kept)
    return _Pictures(
        images=done,
        images_per_second=round(done / seconds, 2),
        cpu_ms_per_image=round(1e3 * cpu / done, 2),
        decode_cpu_ms=round(1e3 * timed.decode_cpu / timed.prepared, 2),
        encode_cpu_ms=round(1e3 * alone, 2),
        encoder_share=round(min(1.0, alone * done / cpu), 3),
    )


def _index(library: Collection, folder: Path, encoder: Encoder, options: Options) -> int:
    """Encodes a folder into the collection, and returns the number of its pictures.

    It leaves out the steps that `Collection.add` takes once, at the end of a run.
    """
    space = library.manifest.space
    ingest = Ingest(library.catalog, space, lambda: library.store, lambda: encoder, options)
    ingest.sync(library.catalog.add_source(str(folder)), PICTURES)
    return ingest.report.images


class _Timed:
    """An encoder that records the CPU time of the threads that prepare pictures for it.

    They do nothing but load files, and a thread's clock starts with the thread: after each picture, the clock
    has the time of all pictures of its thread, from reading the file on.
    """

    def __init__(self, encoder: Encoder, *, keep: int) -> None:
        self.record: EncoderRecord = encoder.record
        self.space: Space = encoder.space
        self._encoder, self._keep = encoder, keep
        self.prepared = 0
        self.kept: list[np.ndarray] = []
        """The pixels of the first `keep` pictures."""
        self._clocks: dict[int, float] = {}
        self._lock = threading.Lock()

    @property
    def decode_cpu(self) -> float:
        """CPU seconds of all threads that prepared pictures."""
        return sum(self._clocks.values())

    def prepare_image(self, image: Image) -> np.ndarray:
        pixels = self._encoder.prepare_image(image)
        with self._lock:
            self.prepared += 1
            if len(self.kept) < self._keep:
                self.kept.append(pixels)
            self._clocks[threading.get_ident()] = time.thread_time()
        return pixels

    @property
    def temperature(self) -> float:
        return self._encoder.temperature

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        return self._encoder.encode_text(texts)

    def token_vectors(self, texts: Sequence[str]) -> list[TokenVectors]:
        return self._encoder.token_vectors(texts)

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        return self._encoder.encode_images(pixels)

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self._encoder.token_offsets(text)


def _encode_cpu(encoder: Encoder, pixels: Sequence[np.ndarray]) -> float:
    """CPU seconds a picture of the network alone."""
    encoder.encode_images(pixels)
    began, cpu, rounds = time.monotonic(), time.process_time(), 0
    while rounds == 0 or time.monotonic() - began < SETTLED:
        encoder.encode_images(pixels)
        rounds += 1
    return (time.process_time() - cpu) / (rounds * len(pixels))


def _rate(encoder: Encoder, texts: Sequence[str]) -> float:
    """Texts a second of wall time."""
    encoder.encode_text(texts[: len(texts) // 4])
    began, rounds = time.monotonic(), 0
    while rounds == 0 or time.monotonic() - began < SETTLED:
        encoder.encode_text(texts)
        rounds += 1
    return round(rounds * len(texts) / (time.monotonic() - began), 1)
