"""What `searchkit reinforce` keeps: replayed to the pixel, whole after a kill, and what the teachers saw."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, ModelMissing
from searchkit.training import augment
from searchkit.training.augment import Augmentation, draw, from_numbers
from searchkit.training.data import Pictures
from searchkit.training.reinforce import MANIFEST, reinforce, shard_path
from searchkit.training.rendered import RenderedViews
from searchkit.training.store import ReinforcedPictures, Store
from searchkit.training.stored_teachers import EncoderTeacher, stored_teachers


def picture(seed: int, size: tuple[int, int] = (40, 30)) -> bytes:
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 255, (5, 6, 3), dtype=np.uint8))
    file = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


class MeanColour:
    """A teacher of features alone."""

    name, identity, pixels = "colour", "colour 1", 8

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return np.stack([np.asarray(one).mean(axis=(0, 1)) for one in pictures])

    def texts(self, texts: Sequence[str]) -> None:
        return None


def captioner(pictures: Sequence[Image.Image]) -> list[list[str]]:
    return [[f"{one.width} wide", f"red {np.asarray(one)[..., 0].mean():.0f}"] for one in pictures]


@pytest.fixture
def pictures() -> Pictures:
    images = [picture(seed) for seed in range(9)]
    return Pictures("nine", images, [(f"number {i}", "a picture") for i in range(9)], 1)


def store_of(pictures: Pictures, out: Path, **options: object) -> Store:
    teachers = [MeanColour(), EncoderTeacher(Hashing())]
    settings: dict[str, object] = {"augmentations": 3, "shard": 4, "captioner": ("size", captioner)}
    return Store(reinforce(pictures, teachers, out, **(settings | options)))  # type: ignore[arg-type]


def test_every_operation_changes_a_picture_and_an_augmentation_survives_its_numbers() -> None:
    image = Image.open(io.BytesIO(picture(1))).point(lambda value: 60 + value // 2)
    plain = Augmentation((0.0, 0.0, 1.0, 1.0), False, ())(image, 32)
    for place, name in enumerate(augment.NAMES):
        changed = Augmentation((0, 0, 1, 1), False, ((place, augment.GREATEST[place] * 0.5),))(image, 32)
        assert np.array_equal(changed, plain) == (name == "identity"), name
    assert np.array_equal(Augmentation((0, 0, 1, 1), True, ())(image, 32), plain[:, ::-1])
    rng = np.random.default_rng(0)
    drawn = [draw(rng) for _ in range(200)]
    assert [from_numbers(one.numbers()) for one in drawn] == drawn
    assert {place for one in drawn for place, _ in one.operations} == set(range(14))
    assert all(0 <= a < c <= 1 and 0 <= b < d <= 1 for a, b, c, d in (one.box for one in drawn))


def test_a_store_gives_back_what_the_teachers_saw(pictures: Pictures, tmp_path: Path) -> None:
    store = store_of(pictures, tmp_path / "store")
    read = ReinforcedPictures(pictures, store)
    assert (len(read), read.views, read.left_out, store.teachers) == (9, 3, 0, ["colour", "hashing"])
    views = [[read.view(row, view, 8) for view in range(3)] for row in range(9)]
    means = np.array([[view.mean(axis=(0, 1)) for view in some] for some in views])
    seen = np.array([[read.seen(0)[row, view] for view in range(3)] for row in range(9)])
    np.testing.assert_allclose(seen, means, rtol=2**-8)
    assert np.abs(seen[:, 0] - seen[:, 1]).max() > 10, "augmentations differ"
    assert read.texts == [tuple(some) for some in pictures.texts]
    assert read.synthetic[3][0] == "40 wide" and read.synthetic[3][1].startswith("red ")
    known = store.vectors_of_texts(1)
    wanted = Hashing().encode_text(["number 7", read.synthetic[3][1]])
    assert (np.stack([known["number 7"], known[read.synthetic[3][1]]]) * wanted).sum(1).min() > 0.999
    assert store.vectors_of_texts(0) == {}


def test_a_run_that_was_killed_goes_on_to_the_same_store(pictures: Pictures, tmp_path: Path) -> None:
    store_of(pictures, tmp_path / "whole")

    def die(done: int, total: int) -> None:
        if done >= 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store_of(pictures, tmp_path / "cut", on_progress=die)
    kept = shard_path(tmp_path / "cut", 1)
    with pytest.raises(BadInput, match="not finished"):
        Store(tmp_path / "cut")
    shard_path(tmp_path / "cut", 2).with_suffix(".tmp").write_bytes(b"half of a sh")
    before = kept.stat().st_mtime_ns
    store_of(pictures, tmp_path / "cut")
    assert kept.stat().st_mtime_ns == before, "a shard that is there is not made again"
    for number in range(3):
        whole, resumed = (load_file(shard_path(tmp_path / name, number)) for name in ("whole", "cut"))
        assert whole.keys() == resumed.keys() and all(whole[key].equal(resumed[key]) for key in whole)
    assert not list((tmp_path / "cut").glob("*.tmp"))


def test_pixels_that_do_not_come_out_as_they_were_are_noticed(
    pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(pictures, tmp_path / "store")
    assert store.check({key: pictures.images[i] for i, key in enumerate(store.places)}) == 3
    real = augment.Image.Image.resize
    with monkeypatch.context() as other:  # as another version of the library might
        other.setattr(
            augment.Image.Image,
            "resize",
            lambda self, size, how, box=None: real(self, size, augment.Image.Resampling.BILINEAR, box=box),
        )
        with pytest.raises(BadInput, match="do not come out as they were"):
            ReinforcedPictures(pictures, store)


def test_a_store_finds_its_pictures_in_any_order_and_leaves_out_what_it_lacks(
    pictures: Pictures, tmp_path: Path
) -> None:
    store = store_of(pictures, tmp_path / "store")
    chosen = [7, 2]
    images = [*(pictures.images[i] for i in chosen), picture(100)]
    read = ReinforcedPictures(Pictures("some", images, [("a",), ("b",), ("c",)], 1), store)
    whole = ReinforcedPictures(pictures, store)
    assert (len(read), read.left_out) == (2, 1)
    for row, place in enumerate(chosen):
        assert np.array_equal(read.seen(0)[row, 2], whole.seen(0)[place, 2])
        assert np.array_equal(read.view(row, 2, 16), whole.view(place, 2, 16))


def test_a_picture_that_cannot_be_decoded_is_left_out_and_the_others_are_kept(
    pictures: Pictures, tmp_path: Path
) -> None:
    images = [*pictures.images[:4], b"no picture", *pictures.images[5:]]
    broken = Pictures("broken", images, pictures.texts, 1)
    read = ReinforcedPictures(broken, store_of(broken, tmp_path / "store"))
    assert read.left_out == 1 and b"no picture" not in read.images


def test_another_setting_needs_another_folder(pictures: Pictures, tmp_path: Path) -> None:
    store_of(pictures, tmp_path / "store")
    with pytest.raises(BadInput, match="another augmentations"):
        store_of(pictures, tmp_path / "store", augmentations=4)
    with pytest.raises(BadInput, match="another captioner"):
        store_of(pictures, tmp_path / "store", captioner=None)
    (tmp_path / "store" / MANIFEST).unlink()
    with pytest.raises(BadInput, match="no reinforced data set"):
        Store(tmp_path / "store")


def test_rendered_views_are_the_views(pictures: Pictures, tmp_path: Path) -> None:
    for one in (pictures, ReinforcedPictures(pictures, store_of(pictures, tmp_path / "store"))):
        shown = RenderedViews(one, 16, tmp_path, processes=2)
        for row in (0, 8):
            assert np.array_equal(shown(row, one.views - 1), one.view(row, one.views - 1, 16))
    assert len(list(tmp_path.glob("*.pixels"))) == 2


def test_who_cannot_teach_is_refused_with_a_remedy(tmp_path: Path) -> None:
    from searchkit.cli.main import app
    from searchkit.training.recipe import load_recipe

    spec = load_recipe("pocket").teacher
    for names in ([], ["hashing", "hashing"]):
        with pytest.raises(BadInput, match="names, each once"):
            stored_teachers(names, tmp_path, spec)
    with pytest.raises(BadInput, match="teacher's file"):
        stored_teachers(["features"], tmp_path, spec)
    told = CliRunner().invoke(app, ["reinforce", "x.parquet", "--teachers", "hashing", "--captioner", "who"])
    assert isinstance(told.exception, ModelMissing) and "no captioner named 'who'" in str(told.exception)
    assert "searchkit.captioners" in told.exception.hint


def test_the_command_writes_a_store_of_a_split_and_says_where(pictures: Pictures, tmp_path: Path) -> None:
    from searchkit.cli.main import app

    rows = [
        {"image": image, "captions": list(texts), "split": "train" if i < 6 else "test"}
        for i, (image, texts) in enumerate(zip(pictures.images, pictures.texts, strict=True))
    ]
    data = tmp_path / "nine.parquet"
    pq.write_table(pa.Table.from_pylist(rows), data)
    words = ["reinforce", str(data), "--split", "train", "--teachers", "hashing", "--augmentations", "2"]
    told = CliRunner().invoke(app, [*words, "--json"])
    assert told.exit_code == 0, told.exception
    assert json.loads(told.stdout)["path"] == str(tmp_path / "nine.reinforced")
    read = ReinforcedPictures(pictures, Store(tmp_path / "nine.reinforced"))
    assert (len(read), read.left_out, read.views, read.store.teachers) == (6, 3, 2, ["hashing"])
    shown = Hashing().prepare_image(Image.fromarray(read.view(4, 1, Hashing().record.pixels)))
    assert Hashing().encode_images([shown])[0] @ read.seen(0)[4, 1] > 0.999
