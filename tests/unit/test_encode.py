"""Encoding needs an encoder alone: files go in, rows and failures come out; no catalog, no store."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.catalog.records import Content
from searchkit.ingest import encode as encoding
from searchkit.ingest import load
from searchkit.ingest.encode import encode
from searchkit.ingest.held import Held
from searchkit.ingest.ids import ids_of
from searchkit.ingest.load import Failed
from searchkit.ingest.rows import Batch, LongDocument, Unchanged
from searchkit.ingest.run import Options
from searchkit.ingest.walk import entry_of
from searchkit.parsers.child import Stopped
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import FileEntry, Kind


@pytest.fixture
def encoder() -> Encoder:
    return load_encoder("hashing")


def write(folder: Path, **texts: str) -> list[FileEntry]:
    """Text files by name, as the walk would see them."""
    entries = []
    for name, text in texts.items():
        file = folder / f"{name}.txt"
        file.write_text(text)
        entry = entry_of(str(file))
        assert entry is not None
        entries.append(entry)
    return entries


def test_files_become_rows_and_failures_in_their_order(tmp_path: Path, encoder: Encoder) -> None:
    due = write(tmp_path, a="A storm rose.", b="", c="A storm rose.", d="Bees winter in clusters.")
    Image.new("RGB", (400, 300), "teal").save(tmp_path / "e.png")
    picture = entry_of(str(tmp_path / "e.png"))
    assert picture is not None
    failure, batch = list(encode(str(tmp_path), [*due, picture], encoder=encoder))
    assert isinstance(failure, Failed) and failure.entry == due[1] and "empty" in failure.reason
    assert isinstance(batch, Batch)
    assert [(Path(file.entry.path).stem, file.is_new) for file in batch.files] == [
        ("a", True),
        ("c", False),
        ("d", True),
        ("e", True),
    ]
    for file in batch.files:
        assert file.rows is not None and file.rows.vectors.shape == (1, encoder.space.dim)
        assert [item.id for item in file.rows.items] == ids_of(Content(file.entry.path, file.sha256, 1))
        assert file.rows.items[0].source == str(tmp_path)
    rows = [file.rows for file in batch.files if file.rows is not None]
    assert np.array_equal(rows[0].vectors, rows[1].vectors)
    assert np.allclose(rows[2].vectors, encoder.encode_text(["Bees winter in clusters."]))
    ((item, thumbnail),) = rows[3].thumbnails
    assert item.kind is Kind.IMAGE and thumbnail[:4] == b"RIFF"


def test_what_the_space_holds_is_not_encoded(tmp_path: Path, encoder: Encoder) -> None:
    due = write(tmp_path, a="A storm rose.", b="Bees winter.")
    (batch,) = encode(str(tmp_path), due, encoder=encoder)
    assert isinstance(batch, Batch)
    first, second = (file.sha256 for file in batch.files)
    held = Held({sha256: Content("elsewhere", sha256, 1) for sha256 in (first, second)}, {due[0].path: first})
    unchanged, copies = encode(str(tmp_path), due, encoder=encoder, held=held)
    assert unchanged == Unchanged(due[0])
    assert isinstance(copies, Batch)
    assert [(file.entry, file.rows, file.is_new) for file in copies.files] == [(due[1], None, False)]


def test_a_stop_yields_what_was_read_as_the_last_batch(tmp_path: Path, encoder: Encoder) -> None:
    due = write(tmp_path, a="one", b="two", c="three", d="four")
    told: list[str | None] = []
    options = Options(on_progress=lambda progress: told.append(progress.path), stop=lambda: len(told) == 2)
    (batch,) = encode(str(tmp_path), due, encoder=encoder, options=options)
    assert isinstance(batch, Batch) and [file.entry for file in batch.files] == due[:2]


def test_a_long_document_comes_in_parts_and_stops_in_the_middle(
    tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LONG", 2)
    monkeypatch.setattr(encoding, "PART", 3)
    monkeypatch.setattr("searchkit.ingest.embed.AT_ONCE", 1)
    text = " ".join(f"The keeper rowed out on day {day} of the storm." for day in range(200))
    due = write(tmp_path, a="short", long=text)
    stops: list[bool] = []
    options = Options(stop=lambda: bool(stops))
    batch, document = encode(str(tmp_path), due, encoder=encoder, options=options)
    assert isinstance(batch, Batch) and isinstance(document, LongDocument) and document.parts is not None
    assert document.file.is_new and document.file.rows is None
    first = next(document.parts)
    assert [item.ordinal for item in first.items] == [0, 1, 2] and len(first.vectors) == 3
    second = next(document.parts)
    assert [item.ordinal for item in second.items] == [3, 4, 5]
    stops.append(True)
    with pytest.raises(Stopped):
        next(document.parts)


def test_encoding_imports_no_database_and_no_store() -> None:
    code = "import sys, searchkit.ingest.encode; print({'sqlalchemy', 'lancedb', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
