"""Thumbnails are made once, shown only of what was indexed, and leave with it; pages are drawn."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.collection.previews import page, picture, thumbnail, thumbnail_name
from searchkit.errors import BadInput, Unreadable
from searchkit.ingest.thumbs import SIDE, Thumbs
from searchkit.types import Hit, Item, Kind
from searchkit.views.facets import facets
from searchkit.views.projection import typical


def noise(seed: int, size: int = 500) -> Image.Image:
    grid = np.random.default_rng(seed).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((size, size // 2), Image.Resampling.NEAREST)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    for seed in (1, 2):
        noise(seed).save(folder / f"{seed}.png")
    (folder / "inner" / "notes.txt").write_text("The hive is fed with syrup.\n")
    return folder


@pytest.fixture
def library(tmp_path: Path, photos: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "library", model="hashing") as made:
        made.add(photos)
        yield made


def item(library: Collection, path: Path) -> Item:
    return next(hit.item for hit in _all(library) if hit.path == str(path))


def _all(library: Collection) -> list[Hit]:
    return library.search("x", k=100, collapse="none")


def kept(library: Collection) -> list[str]:
    return sorted(file.stem for file in library.thumbs.folder.rglob("*.webp"))


def mean_difference(one: bytes, other: Image.Image) -> float:
    mine = Image.open(io.BytesIO(one)).convert("RGB")
    return float(np.abs(np.asarray(mine, float) - np.asarray(other.resize(mine.size), float)).mean())


def test_indexing_leaves_a_thumbnail_of_every_picture(library: Collection, photos: Path) -> None:
    one = item(library, photos / "1.png")
    assert kept(library) == sorted({h.item.sha256 for h in _all(library) if h.kind is Kind.IMAGE})
    (photos / "1.png").unlink()  # it is not made again
    found = Image.open(io.BytesIO(thumbnail(library, one)))
    assert found.format == "WEBP" and found.size == (SIDE, SIDE // 2)
    assert (
        mean_difference(thumbnail(library, one), noise(1))
        < 12
        < mean_difference(thumbnail(library, one), noise(2))
    )


def test_a_thumbnail_that_is_missing_is_made_again(library: Collection, photos: Path) -> None:
    one = item(library, photos / "1.png")
    before = thumbnail(library, one)
    library.thumbs.drop([one.sha256])
    assert library.thumbs.get(one.sha256) is None
    assert thumbnail_name(library, one) == one.sha256
    assert mean_difference(before, Image.open(io.BytesIO(thumbnail(library, one)))) < 2


def test_a_copy_has_the_thumbnail_of_the_first_and_keeps_it(library: Collection, photos: Path) -> None:
    (photos / "copy.png").write_bytes((photos / "1.png").read_bytes())
    library.add()
    assert len(kept(library)) == 2
    library.remove(photos / "1.png")
    assert len(kept(library)) == 2
    library.remove(photos / "copy.png")
    assert kept(library) == [item(library, photos / "2.png").sha256]


def test_another_file_in_its_place_is_not_shown(library: Collection, photos: Path, tmp_path: Path) -> None:
    one = item(library, photos / "1.png")
    secret = tmp_path / "secret.png"
    noise(9).save(secret)
    (photos / "1.png").unlink()
    (photos / "1.png").symlink_to(secret)
    library.thumbs.drop([one.sha256])
    for show in (thumbnail, picture, thumbnail_name):
        with pytest.raises(Unreadable, match="has changed"):
            show(library, one)
    library.thumbs.path(one.sha256).symlink_to(secret)
    assert library.thumbs.get(one.sha256) is None


@pytest.mark.parametrize(
    "name", ["", "..", "../../secret", "a" * 63, "A" * 64, "a" * 64 + "-12345678-1/..", "a" * 64 + "\n"]
)
def test_what_is_no_name_of_a_thumbnail_names_no_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        Thumbs(tmp_path).path(name)


def test_a_full_disk_costs_the_thumbnail_alone(tmp_path: Path) -> None:
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    Thumbs(blocked).keep("a" * 64, b"data")
    assert Thumbs(blocked).get("a" * 64) is None


def test_pictures_in_a_document_have_thumbnails_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "papers"
    folder.mkdir()
    noise(3, 200).save(folder / "album.pdf", save_all=True, append_images=[noise(4, 200)])
    with Collection.open(tmp_path / "library", model="hashing") as library:
        library.add(folder)
        inside = sorted((h.item for h in _all(library) if h.kind is Kind.IMAGE), key=lambda i: i.ordinal)
        assert len(inside) == 2 == len(kept(library))
        for way in ("kept", "made again"):
            for one, seed in zip(inside, (3, 4), strict=True):
                assert mean_difference(thumbnail(library, one), noise(seed, 200)) < 25, way
                assert mean_difference(thumbnail(library, one), noise(7 - seed, 200)) > 40, way
            library.thumbs.drop_space(library.manifest.space)
            assert kept(library) == []
        drawn = Image.open(io.BytesIO(page(inside[1], width=400)))
        assert drawn.width == 400
        library.remove(folder)
        assert kept(library) == []


def test_only_pages_of_a_pdf_are_drawn(library: Collection, photos: Path) -> None:
    with pytest.raises(BadInput, match="no pages"):
        page(item(library, photos / "inner" / "notes.txt"))


def test_facets_count_kinds_labels_and_folders_at_every_depth(library: Collection, photos: Path) -> None:
    list(library.label(["red", "blue"], min_confidence=0))
    found = facets(library)
    assert found.kinds == {"image": 2, "passage": 1}
    assert sum(found.labels.values()) == 2
    assert found.folders == {str(photos): 3, str(photos / "inner"): 1}
    newest = max(os.stat(file).st_mtime for file in photos.rglob("*.*"))
    assert found.last == pytest.approx(newest, abs=0.001)


def test_of_what_was_picked_the_most_typical_is_first(library: Collection) -> None:
    items = [hit.item for hit in _all(library)]
    hits = typical(library, items)
    vectors = library.store.vectors([hit.item.id for hit in hits])
    scores = vectors @ vectors.mean(axis=0) / np.linalg.norm(vectors.mean(axis=0))
    assert sorted(hit.item.id for hit in hits) == sorted(item.id for item in items) and len(items) == 3
    assert [hit.rank for hit in hits] == [1, 2, 3] and [hit.confidence for hit in hits] == [1.0] * 3
    assert np.allclose([hit.score for hit in hits], scores, atol=1e-5) and scores[0] > scores[1] > scores[2]
    assert typical(library, []) == []
