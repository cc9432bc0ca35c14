"""Metrics and evaluators of retrieval: on BEIR folders (text) and on captioned images."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from searchkit.errors import BadInput
from searchkit.evaluation.beir import BeirTask, evaluate_beir, load_beir
from searchkit.evaluation.captions import CaptionTask, evaluate_captions, load_captions
from searchkit.evaluation.metrics import evaluate_run

__all__ = [
    "BeirTask",
    "CaptionTask",
    "detect_task",
    "evaluate_beir",
    "evaluate_captions",
    "evaluate_run",
    "load_beir",
    "load_captions",
]


def detect_task(path: Path) -> Literal["beir", "captions"]:
    """What `path` holds: a BEIR folder or a parquet of captions. Raises BadInput if neither."""
    if any((path / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz")):
        return "beir"
    if path.is_file() and path.suffix == ".parquet":
        return "captions"
    raise BadInput(
        f"{path} is not an evaluation set",
        hint="give a folder with corpus.jsonl, queries.jsonl and qrels/<split>.tsv, "
        "or a .parquet file with the columns image and captions",
    )
