"""How fast an encoder is on this machine: pictures through the real path of indexing, texts and passages.

Wall time says how long a folder takes; CPU time says where it goes, and holds on a busy machine too.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import random
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from platformdirs import user_cache_path

from searchkit.collection import Collection
from searchkit.errors import BadInput
from searchkit.ingest.chunk import TokenWindow
from searchkit.ingest.images import SUFFIXES
from searchkit.ingest.load import PASSAGE_TOKENS, SPECIAL_TOKENS
from searchkit.ingest.pipeline import Ingest, Options
from searchkit.ingest.walk import Selection, walk
from searchkit.registry import COMMIT_SUFFIX
from searchkit.search.confidence import neutral_queries
from searchkit.types import JSON_SCHEMA, Document, FileEntry, Progress, Runtime

if TYPE_CHECKING:
    from searchkit.protocols import Encoder

IMAGES = 128
WIDTH, HEIGHT = 1024, 768
MOST_SECONDS = 60.0
"""A slow encoder is measured on the pictures that it gets through in this time."""
SETTLED = 2.0
"""Seconds for which a thing is repeated until its speed is taken for steady."""
WARM_UP = 4
TEXTS, PASSAGES = 256, 64

SLOPE = 1.4
"""Amplitude over frequency: photographs have 1 to 1.5; this one compresses to their size as JPEG."""
CONTRAST, COLOUR = 50.0, 12.0
"""Standard deviations in grey levels, of the brightness and of what a channel differs from it."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one measurement found. Those of pictures are None for an encoder of text alone."""

    encoder: str
    space: str
    processor: str
    device: str
    dtype: str
    date: str
    threads: int
    """That read and decode, beside the encoder's own."""
    images: int
    images_per_second: float | None
    """Wall time: walk, read, hash, decode, encode and write, as `searchkit index` does."""
    cpu_ms_per_image: float | None
    """Of all threads, together and…"""
    decode_cpu_ms: float | None
    """…of those that read, hash, decode and scale, and…"""
    encode_cpu_ms: float | None
    """…of the network, measured alone on the same pixels."""
    encoder_share: float | None
    """`encode_cpu_ms` / `cpu_ms_per_image`, in [0, 1]."""
    texts_per_second: float
    """Short queries, in batches."""
    passages_per_second: float
    passage_tokens: int
    """Of such a passage: 128, or what the encoder's window leaves room for."""
    peak_mb: float | None
    """Resident memory of the whole process at its highest, in 10⁶ bytes; None where nobody can say."""

    def to_json(self) -> dict[str, Any]:
        return {"schema": JSON_SCHEMA, **asdict(self)}


def measure(
    encoder: Encoder,
    paths: Sequence[str | Path] = (),
    *,
    images: int = IMAGES,
    threads: int = 2,
    batch_size: int = 32,
    runtime: Runtime | None = None,
    on_progress: Callable[[Progress], object] | None = None,
) -> Figures:
    """Index at most `images` pictures of these folders and files, or made ones, into a collection that is
    thrown away; then encode queries and passages.

    Takes about a minute at most. Raises `BadInput` for a path that is not there and for pictures of which
    none can be read.
    """
    from searchkit.encoders.device import placement

    where = placement(runtime or Runtime())
    options = Options(batch_size, threads, on_progress=on_progress)
    pictures = _Pictures()
    if encoder.record.pixels:
        with tempfile.TemporaryDirectory(prefix="searchkit-bench-") as scratch:
            pictures = _measure_pictures(encoder, paths, images, options, Path(scratch))
    queries = _words(TEXTS)
    passages, tokens = _passages(encoder)
    return Figures(
        encoder=encoder.record.name,
        space=encoder.space.key,
        processor=processor() if where.device.type != "cuda" else _gpu(),
        device=where.device.type,
        dtype=str(where.dtype).removeprefix("torch."),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        threads=threads,
        **asdict(pictures),
        texts_per_second=round(_rate(encoder, [encoder.record.as_query(text) for text in queries]), 1),
        passages_per_second=round(_rate(encoder, [encoder.record.as_passage(text) for text in passages]), 1),
        passage_tokens=tokens,
        peak_mb=_peak_mb(),
    )


# pictures


@dataclass(frozen=True, slots=True)
class _Pictures:
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
    watched = _Watched(encoder, keep=options.batch_size)
    with Collection.open(scratch / "collection", encoder=watched) as library:
        _index(library, warm_up, watched, options)
        watched.forget()
        deadline = time.monotonic() + MOST_SECONDS
        options.stop = lambda: time.monotonic() > deadline
        began, cpu = time.monotonic(), time.process_time()
        done = _index(library, folder, watched, options)
        seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if not done:
        raise BadInput("none of these pictures can be read", hint="see why: searchkit index, then doctor")
    alone = _cpu_seconds_alone(encoder, watched.kept)
    return _Pictures(
        images=done,
        images_per_second=round(done / seconds, 2),
        cpu_ms_per_image=round(1e3 * cpu / done, 2),
        decode_cpu_ms=round(1e3 * watched.decode_seconds / watched.prepared, 2),
        encode_cpu_ms=round(1e3 * alone, 2),
        encoder_share=round(min(1.0, alone * done / cpu), 3),
    )


def _index(library: Collection, folder: Path, encoder: Encoder, options: Options) -> int:
    """What `Collection.add` does with a source, without what it does once at the end of a run."""
    ingest = Ingest(
        library.catalog, library.manifest.space, lambda: library.store, lambda: encoder, options
    )
    ingest.sync(library.catalog.add_source(str(folder)), Selection(SUFFIXES.__contains__))
    return ingest.report.images


class _Watched:
    """An encoder whose `prepare_image` notes the CPU time of the threads that call it.

    Such a thread does nothing but load files, so its clock at the end of a picture is what its pictures
    took, from the reading to the pixels.
    """

    def __init__(self, encoder: Encoder, *, keep: int) -> None:
        self.record, self.space, self.temperature = encoder.record, encoder.space, encoder.temperature
        self.encode_text, self.encode_images = encoder.encode_text, encoder.encode_images
        self.token_offsets = encoder.token_offsets
        self._prepare, self._keep = encoder.prepare_image, keep
        self.forget()

    def forget(self) -> None:
        self.kept: list[np.ndarray] = []
        """The pixels of the first pictures."""
        self.prepared = 0
        self._clocks: list[list[float]] = []
        """One number a thread, in a list that the thread writes to."""
        self._mine = threading.local()
        self._lock = threading.Lock()

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        pixels = self._prepare(image)
        with self._lock:
            self.prepared += 1
            if len(self.kept) < self._keep:
                self.kept.append(pixels)
            if not hasattr(self._mine, "clock"):
                self._mine.clock = [0.0]
                self._clocks.append(self._mine.clock)
        self._mine.clock[0] = time.thread_time()
        return pixels

    @property
    def decode_seconds(self) -> float:
        return sum(clock[0] for clock in self._clocks)


def _cpu_seconds_alone(encoder: Encoder, pixels: Sequence[np.ndarray]) -> float:
    """CPU seconds of the network a picture, with nothing beside it."""
    encoder.encode_images(pixels)
    began, cpu, rounds = time.monotonic(), time.process_time(), 0
    while time.monotonic() - began < SETTLED:
        encoder.encode_images(pixels)
        rounds += 1
    return (time.process_time() - cpu) / (rounds * len(pixels))


def link_pictures(paths: Sequence[str | Path], folder: Path, count: int) -> None:
    """Links in a new folder to the first `count` pictures below these paths. Raises `BadInput`."""
    folder.mkdir()
    for number, path in enumerate(islice(_found(paths), count)):
        link = folder / f"{number:06}{Path(path).suffix}"
        try:
            link.symlink_to(path)
        except OSError:  # not everybody may make links on Windows
            shutil.copyfile(path, link)
    if not any(folder.iterdir()):
        raise BadInput(
            f"there is no picture in {', '.join(map(str, paths))}", hint="without a PATH, pictures are made"
        )


def _found(paths: Sequence[str | Path]) -> Iterator[str]:
    for path in paths:
        start = os.path.abspath(Path(path).expanduser())
        if not os.path.lexists(start):
            raise BadInput(f"{path} does not exist", hint="check the spelling")
        for entry in walk(start, Selection(SUFFIXES.__contains__)):
            if isinstance(entry, FileEntry) and Path(entry.path).suffix.lower() in SUFFIXES:
                yield entry.path


# made pictures


def write_pictures(
    folder: Path, count: int, *, size: tuple[int, int] = (WIDTH, HEIGHT), seed: int = 0, distinct: int = 8
) -> None:
    """`count` JPEGs in a new folder, no two alike: `distinct` made pictures, moved sideways."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    made = [picture(rng, *size) for _ in range(min(count, distinct))]
    for number in range(count):
        # periodic in both directions, so that moving it round makes no seam
        moved = np.roll(made[number % len(made)], 17 * (number // len(made)), axis=1)
        Image.fromarray(moved).save(folder / f"{number:06}.jpg", quality=90)


def picture(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """(height, width, 3) uint8: a random field with a photograph's spectrum, amplitude ∝ 1 / f**SLOPE."""
    rows, columns = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)
    frequency = np.hypot(rows, columns).astype(np.float32)  # (height, width // 2 + 1), cycles a pixel
    frequency[0, 0] = np.inf  # no mean

    def field() -> np.ndarray:
        real, imaginary = rng.standard_normal((2, *frequency.shape), dtype=np.float32)
        values = np.fft.irfft2((real + 1j * imaginary) / frequency**SLOPE, (height, width))
        unit: np.ndarray = values / values.std()
        return unit

    bright, red, blue = field() * CONTRAST + 118, field() * COLOUR, field() * COLOUR
    pixels: np.ndarray = np.stack([bright + red, bright - (red + blue) / 2, bright + blue], axis=-1)
    return pixels.clip(0, 255).astype(np.uint8)


# texts


def _words(count: int) -> list[str]:
    """Short texts, no two alike."""
    queries = neutral_queries()
    return [f"{queries[n % len(queries)]} {n}" for n in range(count)]


def _passages(encoder: Encoder) -> tuple[list[str], int]:
    """Passages as long as indexing makes them at most, and their length in tokens."""
    prompt = len(encoder.token_offsets(encoder.record.passage_prompt))
    tokens = min(PASSAGE_TOKENS, encoder.record.text_window - SPECIAL_TOKENS - prompt)
    words = " ".join(neutral_queries()).split()
    random.Random(0).shuffle(words)
    window = TokenWindow(offsets=encoder.token_offsets, tokens=tokens, overlap=0)
    # without a border between sentences a passage is cut where the window ends
    text = " ".join(words * (1 + PASSAGES * tokens // len(words)))
    return [passage.text for passage in window(Document(text))][:PASSAGES], tokens


def _rate(encoder: Encoder, texts: Sequence[str]) -> float:
    """Texts a second."""
    encoder.encode_text(texts[: len(texts) // 4])
    began, rounds = time.monotonic(), 0
    while rounds == 0 or time.monotonic() - began < SETTLED:
        encoder.encode_text(texts)
        rounds += 1
    return rounds * len(texts) / (time.monotonic() - began)


# the machine


def processor() -> str:
    """What the processor calls itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def _gpu() -> str:
    import torch

    return torch.cuda.get_device_name()


def _peak_mb() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


# what is remembered for `searchkit models`


@dataclass(frozen=True, slots=True)
class Speed:
    """The last figures of an encoder on this machine."""

    encoder: str
    images_per_second: float | None
    texts_per_second: float
    processor: str
    date: str


def speeds_file() -> Path:
    return user_cache_path("searchkit") / "speeds.json"


def load_speeds() -> dict[str, Speed]:
    """By the encoder's name, without the commit; where several were measured, the latest. A damaged file
    is none."""
    speeds = (speed for entry in _read().values() if (speed := _speed(entry)) is not None)
    latest = sorted(speeds, key=lambda speed: speed.date)
    return {COMMIT_SUFFIX.sub("", speed.encoder): speed for speed in latest}


def remember(figures: Figures) -> None:
    """Keep them, by space. Where the cache cannot be written, they are not kept."""
    file = speeds_file()
    speed = Speed(
        figures.encoder,
        figures.images_per_second,
        figures.texts_per_second,
        figures.processor,
        figures.date,
    )
    text = json.dumps({**_read(), figures.space: asdict(speed)}, indent=2)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, encoding="utf-8", delete=False) as new:
            new.write(text + "\n")
        os.replace(new.name, file)
    except OSError as error:
        logger.warning("the speed is not remembered: %s: %s", file, error.strerror)


def _read() -> Mapping[str, Any]:
    try:
        found = json.loads(speeds_file().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _speed(entry: Any) -> Speed | None:
    try:
        speed = Speed(**entry)
        for number in (speed.texts_per_second, speed.images_per_second or 0):
            number + 0.0
        str.__str__(speed.encoder), str.__str__(speed.date)
    except TypeError:
        return None
    return speed
