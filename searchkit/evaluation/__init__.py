"""Metrics and evaluators: on BEIR folders (text), on captioned images, and on labelled ones."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from searchkit.errors import BadInput
from searchkit.evaluation.beir import BeirTask, evaluate_beir, load_beir
from searchkit.evaluation.captions import CaptionTask, evaluate_captions, load_captions
from searchkit.evaluation.labels import LabelTask, evaluate_labels, held_out_labels, load_labels
from searchkit.evaluation.metrics import evaluate_run

__all__ = [
    "BeirTask",
    "CaptionTask",
    "LabelTask",
    "detect_task",
    "evaluate_beir",
    "evaluate_captions",
    "evaluate_labels",
    "evaluate_run",
    "held_out_labels",
    "load_beir",
    "load_captions",
    "load_labels",
]


def detect_task(path: Path) -> Literal["beir", "captions", "labels"]:
    """The kind of evaluation set at `path`: a BEIR folder, or a parquet of captioned or of labelled images.

    Raises `BadInput` for anything else.
    """
    if any((path / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz")):
        return "beir"
    if path.is_file() and path.suffix == ".parquet":
        columns = _columns(path)
        return "labels" if "label" in columns and not {"captions", "caption"} & set(columns) else "captions"
    raise BadInput(
        f"{path} is not an evaluation set",
        hint="give a folder with corpus.jsonl, queries.jsonl and qrels/<split>.tsv, "
        "or a .parquet file with the columns image and captions, or image and label",
    )


def _columns(path: Path) -> list[str]:
    """The columns of a parquet; none of a file that cannot be read, which its reader reports."""
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        return []
    return names
