"""Retrieval between pictures and sentences, measured on a parquet of captioned images.

Columns: `image` (bytes of a picture file, or a struct with a field `bytes`), `captions` (list of strings)
or `caption` (one string), and optionally `split`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.errors import BadInput
from searchkit.evaluation.metrics import evaluate_run, hit_at, nearest
from searchkit.evaluation.passages import OnProgress, encode_texts
from searchkit.evaluation.pictures import encode_pictures, image_bytes
from searchkit.protocols import Encoder
from searchkit.types import Evaluation, Vectors

CUTS = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class CaptionTask:
    """Pictures, and the sentences that describe each: `captions[i]` belong to `images[i]`."""

    name: str
    images: Sequence[bytes]
    """Picture files, undecoded, each once."""
    captions: Sequence[Sequence[str]]


def load_captions(path: Path, split: str = "test") -> CaptionTask:
    """The task in a parquet: the rows of `split`, or all rows of a file that has no `split` column.

    Rows with the same image bytes are one picture with the captions of all of them; blank captions are
    dropped. Raises `BadInput` naming the columns found, the splits found, or the row that cannot be used.
    """
    table, name = _read(path, split)
    pictures: dict[bytes, list[str]] = {}
    rows = (row for batch in table.to_batches() for row in batch.to_pylist())
    for number, row in enumerate(rows, start=1):
        image, sentences = image_bytes(row["image"]), _sentences(row["captions"])
        if image is None or sentences is None:
            what = "image bytes" if image is None else "captions that are strings"
            raise BadInput(f"{path}: row {number} of {name} has no {what}", hint="mend or drop the row")
        pictures.setdefault(image, []).extend(sentences)
    if not any(pictures.values()):
        raise BadInput(f"{path} has no captions in {name}", hint="give at least one picture a caption")
    return CaptionTask(name=name, images=list(pictures), captions=list(pictures.values()))


def evaluate_captions(
    encoder: Encoder, task: CaptionTask, *, batch_size: int = 64, on_progress: OnProgress | None = None
) -> Evaluation:
    """Searches pictures with every caption, and captions with every picture, exactly.

    `metrics` has "text_to_image" and "image_to_text", each with recall@1, 5 and 10, ndcg@10 and mrr@10.
    Text to image, a caption has one right picture. Image to text, recall@k is the field's: the share of
    pictures with *at least one* of their captions in the top k; ndcg@10 counts all their captions.
    A picture without captions can still be a wrong answer, but is not a query. `queries` counts both
    directions. `batch_size` pictures are decoded and encoded at a time. Raises `BadInput` for an encoder
    without an image tower and for a picture that cannot be decoded.
    """
    if not encoder.record.pixels:
        raise BadInput(
            f"{encoder.record.name} has no image tower, so captions cannot be measured",
            hint="choose an encoder that reads images: see `searchkit models`",
        )
    texts = [sentence for sentences in task.captions for sentence in sentences]
    total = len(task.images) + len(texts)

    def report(done: int) -> None:
        if on_progress is not None:
            on_progress(done, total)

    images = encode_pictures(
        encoder, task.images, task=task.name, batch_size=batch_size, on_progress=lambda n, _: report(n)
    )
    record = encoder.record
    queries = encode_texts(
        encoder,
        list(map(record.as_query, texts)),
        batch_size=2048,
        on_progress=lambda n, _: report(len(images) + n),
    )
    captions = queries  # the sentences as items to be found
    if record.query_prompt != record.passage_prompt:
        captions = encode_texts(encoder, list(map(record.as_passage, texts)), batch_size=2048)
    metrics, count = _measure(task, images, queries, captions)
    return Evaluation(task.name, encoder.record.name, encoder.space.dim, queries=count, metrics=metrics)


def _measure(
    task: CaptionTask, images: Vectors, queries: Vectors, captions: Vectors
) -> tuple[dict[str, Any], int]:
    """The metrics of both directions, and the number of queries in the two together."""
    image_ids = [str(i) for i in range(len(images))]
    caption_ids = [str(i) for i in range(len(queries))]
    owners = [image for image, own in zip(image_ids, task.captions, strict=True) for _ in own]
    right_image: dict[str, dict[str, int]] = {}
    right_captions: dict[str, dict[str, int]] = {image: {} for image in image_ids}
    for caption, owner in zip(caption_ids, owners, strict=True):
        right_image[caption] = {owner: 1}
        right_captions[owner][caption] = 1

    depth = max(CUTS)
    to_images = nearest(queries, images, ids=image_ids, k=depth)
    to_captions = nearest(images, captions, ids=caption_ids, k=depth)
    metrics = {
        "text_to_image": evaluate_run(dict(zip(caption_ids, to_images, strict=True)), right_image, CUTS),
        "image_to_text": evaluate_run(
            dict(zip(image_ids, to_captions, strict=True)), right_captions, CUTS, recall=hit_at
        ),
    }
    return metrics, len(caption_ids) + sum(map(bool, task.captions))


def _read(path: Path, split: str) -> tuple[pa.Table, str]:
    """The rows of the split, with the columns `image` and `captions`; and the name of the task."""
    try:
        columns = pq.read_schema(path).names
        text = next((name for name in ("captions", "caption") if name in columns), None)
        if "image" not in columns or text is None:
            raise BadInput(
                f"{path} lacks the columns image and captions; it has: {', '.join(columns)}",
                hint="name the picture's bytes `image`, and its sentences `captions` (a list) or `caption`",
            )
        if "split" not in columns:
            table, name = pq.read_table(path, columns=["image", text]), path.stem
        else:
            rows = [("split", "==", split)]
            table, name = (pq.read_table(path, columns=["image", text], filters=rows), f"{path.stem}/{split}")
            if not table.num_rows:
                splits = sorted(map(str, set(pq.read_table(path, columns=["split"])["split"].to_pylist())))
                raise BadInput(
                    f"{path} has no rows of split {split}", hint=f"splits here: {', '.join(splits)}"
                )
    except (OSError, pa.ArrowException) as error:
        hint = "give a parquet file of captioned images"
        raise BadInput(f"{path} cannot be read as parquet: {error}", hint=hint) from error
    return table.rename_columns(["image", "captions"]), name


def _sentences(cell: Any) -> list[str] | None:
    sentences = [cell] if isinstance(cell, str) else cell
    if not isinstance(sentences, list) or not all(isinstance(s, str) for s in sentences):
        return None
    return [sentence for sentence in sentences if sentence.strip()]
