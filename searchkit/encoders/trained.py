"""The description of a folder that `searchkit train` wrote, read without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.minilm_files import SHA256, WINDOW
from searchkit.encoders.records import licence
from searchkit.types import EncoderRecord, Space

PREPROCESSING = 1
TEXT_MEGABYTES = 90.9


def record_and_space(
    checkpoint: Checkpoint, family: str, *, dim: int, pixels: int, text: Path | None, source: str = ""
) -> tuple[EncoderRecord, Space]:
    """The record and the space of the encoder in such a folder.

    `text` has the weights of its text tower; None is MiniLM's own. `source` is the folder unless it is given.
    """
    megabytes = checkpoint.megabytes + (TEXT_MEGABYTES if text is None else text.stat().st_size / 1e6)
    name, restricted = licence(checkpoint, "Apache-2.0")
    record = EncoderRecord(
        name=checkpoint.name,
        dim=dim,
        licence=name,
        languages="English",
        text_window=WINDOW,
        pixels=pixels,
        megabytes=round(megabytes, 1),
        family=family,
        source=source or str(checkpoint.folder),
        restricted=restricted,
        margin=float(checkpoint.json().get("margin", 0.0)),
    )
    text_sha256 = SHA256 if text is None else hashlib.sha256(text.read_bytes()).hexdigest()
    both = hashlib.sha256(f"{text_sha256} {checkpoint.sha256}".encode()).hexdigest()
    return record, Space(checkpoint.name, both, PREPROCESSING, dim)
