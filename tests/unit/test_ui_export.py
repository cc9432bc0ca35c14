"""A list of results as a file: the same list, no formulas, and only files that are as they were indexed."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("streamlit", reason="the page is an extra")

from searchkit.collection import Collection
from searchkit.types import Hit
from searchkit.ui.export import as_csv, as_json, as_zip

FORMULA = '=HYPERLINK("http://evil.example")'


@pytest.fixture
def hits(tmp_path: Path) -> Iterator[list[Hit]]:
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "formula.txt").write_text(f"{FORMULA} winter frost\n")
    (folder / "frost.txt").write_text("Winter frost on the window, é.\n")
    with Collection.open(tmp_path / "library", model="hashing") as library:
        library.add(folder)
        yield library.search("winter frost", k=5)


def test_csv_holds_every_hit_and_no_formula(hits: list[Hit]) -> None:
    assert len(hits) == 2
    data = as_csv(hits)
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["path"] for row in rows] == [hit.path for hit in hits]
    assert {row["text"][:2] for row in rows} == {"'=", "Wi"}
    assert data.startswith(b"\xef\xbb\xbf")


def test_json_is_that_of_the_command_line(hits: list[Hit]) -> None:
    assert [json.loads(line) for line in as_json(hits).splitlines()] == [hit.to_json() for hit in hits]


def test_a_zip_holds_the_files_as_they_were_indexed_and_says_what_is_missing(
    hits: list[Hit], tmp_path: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(as_zip(hits))) as archive:
        files = [name for name in archive.namelist() if name.startswith("files/")]
        assert sorted(name.split(" ", 1)[1] for name in files) == ["formula.txt", "frost.txt"]
        assert archive.read("results.csv") == as_csv(hits)
    secret = tmp_path / "secret"
    secret.write_text("of another user")
    (tmp_path / "files" / "frost.txt").unlink()
    (tmp_path / "files" / "frost.txt").symlink_to(secret)
    data = as_zip(hits)
    assert b"of another user" not in data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert [n for n in archive.namelist() if "frost" in n] == []
        assert "frost.txt has changed" in archive.read("left out.txt").decode()
