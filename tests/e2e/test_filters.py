"""What a search is limited to: it is applied before, and never empties a result that exists."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import lancedb
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.stores.lance_table import ADDED
from searchkit.types import Hit

DAY = 86_400


def photo(path: Path, colour: tuple[int, int, int], *, taken: str | None = None, zone: str = "") -> None:
    exif = Image.Exif()
    if taken is not None:
        exif.get_ifd(0x8769)[0x9003] = taken
        if zone:
            exif.get_ifd(0x8769)[0x9011] = zone
    Image.new("RGB", (40 + colour[0] % 7, 30), colour).save(path, exif=exif)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    root = tmp_path_factory.mktemp("filters")
    files = root / "files"
    files.mkdir()
    photo(files / "spring.jpg", (10, 200, 10), taken="2025:04:03 10:00:00")
    photo(files / "night.jpg", (10, 10, 60), taken="2025:12:31 23:30:00", zone="-05:00")
    photo(files / "scan.png", (200, 200, 200))
    photo(files / "broken-date.jpg", (90, 90, 10), taken="0000:00:00 00:00:00")
    (files / "notes.txt").write_text("green leaves in spring")
    for number, name in enumerate(("spring.jpg", "night.jpg", "scan.png", "broken-date.jpg", "notes.txt")):
        os.utime(files / name, (1_767_225_600 + number * DAY,) * 2)  # 2026-01-01 and the days after
    with Collection.open(root / "library", encoder=Hashing()) as opened:
        opened.add(files)
        yield opened


def names(hits: list[Hit]) -> list[str]:
    return [Path(hit.path).name for hit in hits]


def test_since_and_until_go_by_the_day_a_picture_was_taken_and_else_by_its_file(library: Collection) -> None:
    assert set(names(library.search("green", until="2025-12-31"))) == {"spring.jpg"}
    assert set(names(library.search("green", until="2026-01-01"))) == {
        "spring.jpg",
        "night.jpg",
    }  # 04:30 in UTC
    assert set(names(library.search("green", since="2026-01-03", until="2026-01-04"))) == {
        "scan.png",
        "broken-date.jpg",
    }
    assert names(library.search("green", since="2026-01-05T00:00")) == ["notes.txt"]
    assert library.search("green", since="2027-01-01") == []
    with pytest.raises(BadInput, match="'last week' is no date"):
        library.search("green", since="last week")


def test_hits_in_order_of_date_have_the_newest_first(library: Collection) -> None:
    found = names(library.search("green", sort="date"))
    assert found == ["notes.txt", "broken-date.jpg", "scan.png", "night.jpg", "spring.jpg"]
    assert names(library.search("green")) != found


def test_every_column_of_the_file_can_be_filtered(library: Collection) -> None:
    size = os.path.getsize(library.search("green", filter="path LIKE '%scan%'")[0].path)
    assert names(library.search("x", filter=f"size = {size} AND kind = 'image'")) == ["scan.png"]
    assert names(library.search("x", filter="taken < '2025-06-01'")) == ["spring.jpg"]
    assert names(library.search("x", filter="mtime > '2026-01-04T12:00:00' AND width IS NULL")) == [
        "notes.txt"
    ]
    with pytest.raises(BadInput, match="colour") as caught:
        library.search("x", filter="colour = 'red'")
    assert "taken" in caught.value.hint and "label" in caught.value.hint


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(38, 48), st.integers(0, 3000), st.sampled_from(["AND", "OR"]), st.integers(1, 4))
def test_a_filtered_search_is_the_whole_search_filtered(
    library: Collection, width: int, size: int, joint: str, k: int
) -> None:
    everything = library.search("green leaves", k=100)
    wide = {h.path for h in everything if (h.item.width or 0) >= width}
    small = {h.path for h in everything if (h.item.size or 0) < size}
    right = wide & small if joint == "AND" else wide | small
    found = library.search("green leaves", k=k, filter=f"width >= {width} {joint} size < {size}")
    assert [h.path for h in found] == [h.path for h in everything if h.path in right][:k]


def test_a_table_from_before_a_column_was_there_gets_it(tmp_path: Path) -> None:
    photo(tmp_path / "a.jpg", (1, 2, 3), taken="2025:04:03 10:00:00")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(tmp_path / "a.jpg")
        space = library.manifest.space
    table = lancedb.connect(str(tmp_path / "library" / "lance")).open_table(space)
    table.drop_columns([field.name for field in ADDED])
    photo(tmp_path / "b.jpg", (200, 2, 3), taken="2025:04:03 10:00:00")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        hits = library.search("x", filter="label IS NULL")
        assert names(hits) == ["a.jpg"] and hits[0].item.taken is None
        library.add(tmp_path / "b.jpg")
        assert names(library.search("x", filter="taken > '2025-01-01'")) == ["b.jpg"]
        assert np.isfinite([hit.score for hit in library.search("x")]).all()
