"""What is measured on stays out of training: copies of it are found, other photos are not taken for them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from searchkit.errors import BadInput
from searchkit.training.data import Pictures
from searchkit.training.leaks import guard, near_duplicates, prints, same_words
from searchkit.training.recipe import Withheld


def photo(seed: int) -> Image.Image:
    """Smooth, as photos are: blobs of colour at several scales."""
    rng = np.random.default_rng(seed)
    layers = [
        Image.fromarray(rng.integers(0, 255, (side, side, 3), dtype=np.uint8)).resize(
            (128, 96), Image.Resampling.BICUBIC
        )
        for side in (3, 6, 12)
    ]
    return Image.blend(Image.blend(layers[0], layers[1], 0.4), layers[2], 0.25)


def saved(image: Image.Image, kind: str = "PNG") -> bytes:
    file = io.BytesIO()
    image.save(file, kind, quality=60)
    return file.getvalue()


COPIES = {
    "the same": lambda image: image,
    "smaller": lambda image: image.resize((64, 64)),
    "trimmed": lambda image: image.crop((3, 3, 125, 93)),
    "darker": lambda image: image.point(lambda value: int(value * 0.8)),
    "mirrored": ImageOps.mirror,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"image": saved(photo(i)), "captions": [f"Photo {i}."], "split": "test" if i < 8 else "train"}
        for i in range(16)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    return tmp_path


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_of_a_withheld_photo_is_left_out_and_other_photos_are_not(how: str, folder: Path) -> None:
    measured = guard((Withheld("set.parquet", ("test",)),), folder)
    assert measured is not None and len(measured.images) == 8
    copy = saved(COPIES[how](photo(5)), "JPEG")
    others = [saved(photo(i), "JPEG") for i in range(100, 160)]
    pictures = Pictures("some", [*others[:30], copy, *others[30:]], [("a",)] * 61, 1)
    assert measured.rows(pictures.images).tolist() == [30]
    kept = measured.without(pictures, folder)
    assert list(kept.images) == others
    assert list(measured.without(pictures, folder).images) == others, "from the note that was kept"


def test_captions_of_withheld_photos_are_left_out_however_they_are_written(folder: Path) -> None:
    measured = guard((Withheld("set.parquet", ("test",)),), folder)
    assert measured is not None
    pictures = Pictures("some", [saved(photo(200))], [("photo 3 !", "photo 12", "Photo, 33")], 1)
    assert measured.without(pictures, folder).texts == [("photo 12", "Photo, 33")]
    assert same_words("A dog's  run.") == same_words("a DOG s run")


def test_each_near_pair_is_named_with_how_near_it_is() -> None:
    train, held = prints([saved(photo(1)), saved(photo(2))]), prints([saved(photo(2)), saved(photo(3))])
    (leak,) = near_duplicates(train, held, block=1)
    assert (leak.train, leak.withheld, leak.bits) == (1, 0, 0) and leak.alike == pytest.approx(1.0)
    assert near_duplicates(prints([]), held) == []


def test_nothing_is_withheld_where_nothing_is_said_and_a_missing_file_is_named(tmp_path: Path) -> None:
    assert guard((), tmp_path) is None
    with pytest.raises(BadInput, match=r"other\.parquet is missing"):
        guard((Withheld("other.parquet", ("test",)),), tmp_path)
