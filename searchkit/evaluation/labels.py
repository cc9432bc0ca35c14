"""Zero-shot classification, measured on a parquet of labelled pictures.

Columns: `image` (bytes of a picture file, or a struct with a field `bytes`), `label` (a name; rows without
one are left out), and optionally `split` and `source`. Each source has a label set of its own: the labels
that its rows have.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.errors import BadInput
from searchkit.evaluation.passages import OnProgress
from searchkit.evaluation.pictures import encode_pictures, image_bytes
from searchkit.protocols import Encoder
from searchkit.search.zeroshot import SINGLE, TEMPLATES, label_vectors
from searchkit.types import Evaluation, Vectors

CUTS = (1, 5)
PROMPTS = {"single": SINGLE, "ensemble": TEMPLATES}


@dataclass(frozen=True, slots=True)
class LabelTask:
    """Pictures with one right label each, by source, which is "" where sources are not told apart."""

    name: str
    sources: dict[str, LabelledPictures]


@dataclass(frozen=True, slots=True)
class LabelledPictures:
    """Pictures with their right labels: `labels[i]` is that of `images[i]`."""

    images: Sequence[bytes]
    """Picture files, undecoded."""
    labels: Sequence[str]
    further: Sequence[str] = ()
    """Further classes, whose labels none of these pictures has."""

    @property
    def classes(self) -> list[str]:
        """The distinct labels, in alphabetical order."""
        return sorted({*self.labels, *self.further})


def load_labels(path: Path, split: str = "test", source: str | None = None) -> LabelTask:
    """The task in a parquet: the rows of `split`, where the file has that column, and of `source`, or all.

    Raises `BadInput` naming the columns, splits or sources found, or the row that cannot be used.
    """
    table, name = _read(path, split, source)
    sources: dict[str, tuple[list[bytes], list[str]]] = {}
    rows = (row for batch in table.to_batches() for row in batch.to_pylist())
    for number, row in enumerate(rows, start=1):
        image, label = image_bytes(row["image"]), row["label"]
        if image is None or not isinstance(label, str | None):
            what = "image bytes" if image is None else "label that is a string"
            raise BadInput(f"{path}: row {number} of {name} has no {what}", hint="mend or drop the row")
        if label is None or not label.strip():
            continue
        images, labels = sources.setdefault(str(row.get("source") or ""), ([], []))
        images.append(image)
        labels.append(label.strip())
    if not sources:
        raise BadInput(f"{path} has no labels in {name}", hint="give at least one picture a label")
    return LabelTask(name, {key: LabelledPictures(*columns) for key, columns in sorted(sources.items())})


def held_out(image: bytes, one_in: int) -> bool:
    """Whether a recipe that holds out one picture in `one_in` leaves this one for measuring.

    The bytes of the picture decide, so its copies are held out with it.
    """
    return zlib.crc32(image) % one_in == 0


def held_out_labels(task: LabelTask, one_in: int) -> LabelTask:
    """The task of the pictures that recipes hold out, among all classes of their sources."""
    sources = {}
    for source, group in task.sources.items():
        rows = [i for i, image in enumerate(group.images) if held_out(image, one_in)]
        if rows:
            images, labels = [group.images[i] for i in rows], [group.labels[i] for i in rows]
            sources[source] = LabelledPictures(images, labels, further=group.classes)
    return LabelTask(f"{task.name}, held out", sources)


def evaluate_labels(
    encoder: Encoder,
    task: LabelTask,
    *,
    first: bool = False,
    batch_size: int = 64,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Compares every picture with the vectors of all labels of its source, exactly.

    `metrics` has "classes" (their number), "single" (one prompt) and "ensemble" (the mean of many), the
    last two with "top1" and "top5": the shares of pictures whose label is the nearest, or among the nearest
    five. Of equally near labels the earlier in the alphabet counts as nearer. With sources, `metrics` has
    all this under the name of each. `first` takes the first name of labels like "goldfish, Carassius
    auratus". `queries` counts pictures; `batch_size` of them are decoded and encoded at a time. Raises
    `BadInput` for an encoder without an image tower and for a picture that cannot be decoded.
    """
    if not encoder.record.pixels:
        raise BadInput(
            f"{encoder.record.name} has no image tower, so labels cannot be measured",
            hint="choose an encoder that reads images: see `searchkit models`",
        )
    count = sum(len(group.images) for group in task.sources.values())
    steps = {source: len(group.images) + _prompts(group) for source, group in task.sources.items()}
    done = 0

    def report(before: int, within: int) -> None:
        if on_progress is not None:
            on_progress(before + within, sum(steps.values()))

    metrics: dict[str, Any] = {}
    for source, group in task.sources.items():
        metrics[source] = _measure(
            encoder,
            group,
            task=f"{task.name}, {source}" if source else task.name,
            first=first,
            batch_size=batch_size,
            report=partial(report, done),
        )
        done += steps[source]
    told_apart = list(metrics) != [""]
    return Evaluation(
        task.name,
        encoder.record.name,
        encoder.space.dim,
        queries=count,
        metrics=metrics if told_apart else metrics[""],
    )


def _prompts(group: LabelledPictures) -> int:
    """The number of sentences that are encoded for the classes of a group."""
    return len(group.classes) * len(SINGLE + TEMPLATES)


def _measure(
    encoder: Encoder,
    group: LabelledPictures,
    *,
    task: str,
    first: bool,
    batch_size: int,
    report: Callable[[int], None],
) -> dict[str, Any]:
    """The metrics of one source; `report` is called with the pictures and sentences encoded so far."""
    images = encode_pictures(
        encoder, group.images, task=task, batch_size=batch_size, on_progress=lambda n, _: report(n)
    )
    classes = group.classes
    position = {label: number for number, label in enumerate(classes)}
    right = np.array([position[label] for label in group.labels])
    metrics: dict[str, Any] = {"classes": len(classes)}
    done = len(images)
    for prompts, templates in PROMPTS.items():
        texts = label_vectors(encoder, classes, templates, first=first)
        metrics[prompts] = _top(_ranks(images, texts, right))
        done += len(classes) * len(templates)
        report(done)
    return metrics


def _ranks(images: Vectors, labels: Vectors, right: np.ndarray, rows: int = 1024) -> np.ndarray:
    """The number of labels nearer to each picture than its right one, right[i]: (n,) from 0."""
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


def _read(path: Path, split: str, source: str | None) -> tuple[pa.Table, str]:
    """The rows of a split and a source, with `source` where it tells rows apart; and the name of the task."""
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
    """Raises `BadInput` for the first wanted value that the file does not have, else for all together."""
    given = {column: value for column, value in wanted.items() if value is not None}
    for column, value in given.items():
        values = sorted(set(map(str, pq.read_table(path, columns=[column])[column].to_pylist())))
        if value not in values:
            raise BadInput(
                f"{path} has no rows of {column} {value}", hint=f"{column}s here: {', '.join(values)}"
            )
    both = " in ".join(f"{column} {value}" for column, value in reversed(given.items()))
    raise BadInput(f"{path} has no rows{' of ' * bool(both)}{both}", hint="choose another")
