"""Zero-shot classification, measured on a parquet of labelled pictures.

Columns: `image` (bytes of a picture file, or a struct with a field `bytes`), `label` (a name; rows without
one are left out), and optionally `split` and `source`. Each source has a label set of its own: the labels
that its rows have.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.errors import BadInput, Unreadable
from searchkit.evaluation.captions import image_bytes
from searchkit.evaluation.passages import OnProgress
from searchkit.ingest.images import decode_bytes
from searchkit.protocols import Encoder
from searchkit.search.zeroshot import SINGLE, TEMPLATES, label_vectors
from searchkit.types import Evaluation, Vectors

CUTS = (1, 5)
PROMPTS = {"single": SINGLE, "ensemble": TEMPLATES}


@dataclass(frozen=True, slots=True)
class LabelTask:
    """Pictures with one right label each, by source; under "" where there are no sources to tell apart."""

    name: str
    sources: dict[str, LabelledPictures]


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """`labels[i]` is the right one of `images[i]`; the distinct labels are the classes."""

    images: Sequence[bytes]
    """Picture files, undecoded."""
    labels: Sequence[str]
    further: Sequence[str] = ()
    """Labels that none of these pictures has, and that are classes nevertheless."""

    @property
    def classes(self) -> list[str]:
        return sorted({*self.labels, *self.further})


def load_labels(path: Path, split: str = "test", source: str | None = None) -> LabelTask:
    """Read the rows of `split`, or all rows of a file that has no `split` column; of `source`, or of all.

    Raises BadInput naming the columns, splits or sources found, or the row that cannot be used.
    """
    table, name = _read(path, split, source)
    found: dict[str, tuple[list[bytes], list[str]]] = {}
    rows = (row for batch in table.to_batches() for row in batch.to_pylist())
    for number, row in enumerate(rows, start=1):
        image, label = image_bytes(row["image"]), row["label"]
        if image is None or not isinstance(label, str | None):
            what = "image bytes" if image is None else "label that is a string"
            raise BadInput(f"{path}: row {number} of {name} has no {what}", hint="mend or drop the row")
        if label is None or not label.strip():
            continue
        images, labels = found.setdefault(str(row.get("source") or ""), ([], []))
        images.append(image)
        labels.append(label.strip())
    if not found:
        raise BadInput(f"{path} has no labels in {name}", hint="give at least one picture a label")
    return LabelTask(name, {source: LabelledPictures(*both) for source, both in sorted(found.items())})


def held_out(image: bytes, one_in: int) -> bool:
    """Whether a recipe that holds out one picture in so many leaves this one for measuring: by its bytes, so
    that a copy of it is left out too."""
    return zlib.crc32(image) % one_in == 0


def held_out_labels(task: LabelTask, one_in: int) -> LabelTask:
    """The pictures that recipes hold out, among all classes of their sources."""
    found = {}
    for source, group in task.sources.items():
        rows = [i for i, image in enumerate(group.images) if held_out(image, one_in)]
        if rows:
            some = ([group.images[i] for i in rows], [group.labels[i] for i in rows])
            found[source] = LabelledPictures(*some, further=group.classes)
    return LabelTask(f"{task.name}, held out", found)


def evaluate_labels(
    encoder: Encoder,
    task: LabelTask,
    *,
    first: bool = False,
    batch_size: int = 64,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Compare every picture with the vectors of all labels of its source, exactly.

    `metrics` has "classes" (their number), "single" (one prompt) and "ensemble" (the mean of many), the
    last two with "top1" and "top5": the shares of pictures whose label is the nearest, or among the nearest
    five. Of labels that are equally near the earlier in the alphabet counts as nearer. With sources all
    this is under the name of each. `first` takes the first name of labels like "goldfish, Carassius
    auratus". `queries` counts pictures; `batch_size` of them are decoded and encoded at a time.
    """
    if not encoder.record.pixels:
        raise BadInput(
            f"{encoder.record.name} has no image tower, so labels cannot be measured",
            hint="choose an encoder that reads images: see `searchkit models`",
        )
    count = sum(len(group.images) for group in task.sources.values())
    total = count + sum(len(group.classes) * len(SINGLE + TEMPLATES) for group in task.sources.values())
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        if on_progress is not None:
            on_progress(done, total)

    metrics: dict[str, Any] = {}
    for source, group in task.sources.items():
        name = f"{task.name}, {source}" if source else task.name
        images = _encode_images(encoder, group.images, name, batch_size, report)
        classes = group.classes
        position = {label: number for number, label in enumerate(classes)}
        right = np.array([position[label] for label in group.labels])
        measured: dict[str, Any] = {"classes": len(classes)}
        for prompts, templates in PROMPTS.items():
            texts = label_vectors(encoder, classes, templates, first=first)
            measured[prompts] = _top(_ranks(images, texts, right))
            report(len(classes) * len(templates))
        metrics[source] = measured
    told_apart = list(metrics) != [""]
    return Evaluation(
        task.name,
        encoder.record.name,
        encoder.space.dim,
        queries=count,
        metrics=metrics if told_apart else metrics[""],
    )


def _ranks(images: Vectors, labels: Vectors, right: np.ndarray, rows: int = 1024) -> np.ndarray:
    """(n,) from 0: how many labels are nearer to each picture than its right one, which is right[i]."""
    ranks = np.empty(len(images), np.int64)
    for start in range(0, len(images), rows):
        scores = images[start : start + rows] @ labels.T  # (rows, classes)
        wanted = right[start : start + rows, None]
        own = np.take_along_axis(scores, wanted, axis=1)
        nearer = (scores > own) | ((scores == own) & (np.arange(len(labels)) < wanted))
        ranks[start : start + rows] = nearer.sum(axis=1)
    return ranks


def _top(ranks: np.ndarray) -> dict[str, float]:
    return {f"top{cut}": float((ranks < cut).mean()) for cut in CUTS}


def _encode_images(
    encoder: Encoder, images: Sequence[bytes], name: str, batch_size: int, report: Callable[[int], None]
) -> Vectors:
    """(n, dim), `batch_size` decoded in threads and encoded at a time."""

    def pixels(number: int) -> np.ndarray:
        try:
            return encoder.prepare_image(decode_bytes(images[number]))
        except Unreadable as error:
            hint = "mend the picture in the file, or drop its row"
            raise BadInput(f"picture {number + 1} of {name}: {error}", hint=hint) from error

    vectors = np.empty((len(images), encoder.space.dim), np.float32)
    with ThreadPoolExecutor() as threads:
        for start in range(0, len(images), batch_size):
            batch = range(start, min(start + batch_size, len(images)))
            vectors[start : batch.stop] = encoder.encode_images(list(threads.map(pixels, batch)))
            report(len(batch))
    return vectors


def _read(path: Path, split: str, source: str | None) -> tuple[pa.Table, str]:
    """The rows that are asked for, with `source` where it tells rows apart; and the name of the task."""
    try:
        columns = pq.read_schema(path).names
        lacking = ({"image", "label"} | ({"source"} if source is not None else set())) - set(columns)
        if lacking:
            raise BadInput(
                f"{path} lacks {' and '.join(sorted(lacking))}; its columns: {', '.join(columns)}",
                hint="name the picture's bytes `image`, its one label `label`, where it is from `source`",
            )
        wanted = {"split": split if "split" in columns else None, "source": source}
        filters = [(column, "==", value) for column, value in wanted.items() if value is not None]
        kept = ["image", "label"] + ["source"] * ("source" in columns and source is None)
        table = pq.read_table(path, columns=kept, filters=filters or None)
        if not table.num_rows:
            _refuse(path, wanted)
    except (OSError, pa.ArrowException) as error:
        hint = "give a parquet file of labelled pictures"
        raise BadInput(f"{path} cannot be read as parquet: {error}", hint=hint) from error
    return table, "/".join([path.stem, *(str(value) for _, _, value in filters)])


def _refuse(path: Path, wanted: Mapping[str, str | None]) -> None:
    """Raises `BadInput` for a wanted value that the file does not have, else for all of them together."""
    asked = {column: value for column, value in wanted.items() if value is not None}
    for column, value in asked.items():
        found = sorted(set(map(str, pq.read_table(path, columns=[column])[column].to_pylist())))
        if value not in found:
            raise BadInput(
                f"{path} has no rows of {column} {value}", hint=f"{column}s here: {', '.join(found)}"
            )
    both = " in ".join(f"{column} {value}" for column, value in reversed(asked.items()))
    raise BadInput(f"{path} has no rows{' of ' * bool(both)}{both}", hint="choose another")
