"""The loop on a tiny recipe: it learns, resumes to the same weights, and writes what the encoder reads."""

from __future__ import annotations

import copy
import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from searchkit.encoders.hashing import Hashing
from searchkit.encoders.vision import TrainedTower, preprocess
from searchkit.errors import BadInput, ModelMissing
from searchkit.evaluation.labels import held_out
from searchkit.models.image_towers import image_network, read_config
from searchkit.registry import load_encoder
from searchkit.training import corpus, loop
from searchkit.training.batches import Batch, make_batch, resized
from searchkit.training.data import crop_box, load_pictures
from searchkit.training.events import Write
from searchkit.training.export import export_run, read_run
from searchkit.training.loop import train
from searchkit.training.recipe import (
    Blockwise,
    InvertedTower,
    MixerTower,
    Optimisation,
    PictureFile,
    Recipe,
    Teacher,
    TeacherMap,
    Tower,
    load_recipe,
    recipe_text,
)
from searchkit.training.reinforce import reinforce
from searchkit.training.schedule import learning_rate
from searchkit.training.student import Student, map_distance
from searchkit.training.teacher import teacher_features, unsigned
from searchkit.types import Runtime
from tests.killing import killed_at_its_first_save
from tests.squares import COLOURS, coloured, write_captioned

WIDTH = 12


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    names, images = write_captioned(folder)
    pq.write_table(pa.table({"image": images, "label": names}), folder / "labelled.parquet")
    return folder


class MeanColour:
    """A real, if simple, visual teacher: means of colour over quarters of the picture."""

    spec = Teacher("none", 0, WIDTH, 8, head_steps=60)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        return self.sees(pixels)[0]

    def sees(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Its one map is the picture at half the side, with the left half of it in a channel of its own."""
        quarters = pixels.reshape(2, 4, 2, 4, 3).mean(axis=(1, 3))
        halved = pixels.reshape(4, 2, 4, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
        left = np.zeros((4, 4, 1), np.uint8)
        left[:, :2] = 200
        maps = [np.concatenate([halved, left], axis=2)] if self.spec.maps else []
        return [quarters.reshape(-1).astype(np.uint8), *maps]


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    monkeypatch.setattr(corpus, "TFLiteTeacher", lambda *_, **__: MeanColour())
    return Recipe(
        name="tiny",
        seed=3,
        templates=("a photo of {label}",),
        tower=Tower(pixels=16, patch=8, width=16, depth=1, heads=2, mlp_ratio=2.0),
        teacher=MeanColour.spec,
        optimisation=Optimisation(
            steps=30,
            batch=16,
            rate=3e-3,
            warmup=4,
            weight_decay=0.01,
            temperature=0.1,
            bank=8,
            feature_weight=1.0,
            space_weight=1.0,
            average=0.9,
        ),
        data=(
            PictureFile("captioned.parquet", "captions", 0.5, views=2),
            PictureFile("labelled.parquet", "label", 0.5),
        ),
    )


def encode(texts: Sequence[str]) -> np.ndarray:
    return Hashing().encode_text(texts)


def run(recipe: Recipe, data: Path, root: Path, steps: int | None = None) -> Path:
    torch.set_num_threads(1)
    return train(recipe, data, root / "work", root / "out", encode, steps=steps)


def test_a_trained_tower_finds_the_right_captions(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    tower = TrainedTower(run(recipe, data, tmp_path, steps=60))
    pictures = [Image.open(io.BytesIO(coloured(name, 1000))) for name in COLOURS]
    vectors = tower.encode([tower.prepare(picture) for picture in pictures])
    captions = encode([f"a {name} square" for name in COLOURS])
    assert (vectors @ captions.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    recipe = replace(recipe, optimisation=replace(recipe.optimisation, dropout=0.3))
    whole = load_file(run(recipe, data, tmp_path / "whole") / "model.safetensors")
    with killed_at_its_first_save(loop, after=25):  # then fewer steps are left than norms are measured on
        run(recipe, data, tmp_path / "cut")
    resumed = load_file(run(recipe, data, tmp_path / "cut") / "model.safetensors")
    shorter = load_file(run(recipe, data, tmp_path / "shorter", steps=11) / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    assert not all(torch.equal(whole[name], shorter[name]) for name in whole)


class StoredColour(MeanColour):
    name, identity, pixels = "features", "mean colour", 8

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        return np.stack([self(np.asarray(one)) for one in pictures])

    def texts(self, texts: Sequence[str]) -> None:
        return None


class Namer:
    """A teacher with both towers, which knows a colour by its name."""

    name, identity, pixels = "namer", "namer 1", 8

    def images(self, pictures: Sequence[Image.Image]) -> np.ndarray:
        means = np.stack([np.asarray(one).mean(axis=(0, 1)) for one in pictures])
        near = ((means[:, None] - np.array(list(COLOURS.values()))) ** 2).sum(-1).argmin(1)
        return np.eye(4, dtype=np.float32)[near]

    def texts(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[1.0 + 9 * (name in text) for name in COLOURS] for text in texts], np.float32)


@pytest.fixture
def taught(recipe: Recipe, data: Path) -> Recipe:
    """The tiny recipe with the captioned set reinforced: features, a teacher with text, and a captioner."""

    def captioner(pictures: Sequence[Image.Image]) -> list[list[str]]:
        near = Namer().images(pictures).argmax(1)
        return [[f"something {list(COLOURS)[place]}"] for place in near]

    pictures = load_pictures(data, recipe.data[0], ())
    teachers = [StoredColour(), Namer()]
    reinforce(pictures, teachers, data / "captioned.reinforced", augmentations=3, captioner=("c", captioner))
    options = replace(recipe.optimisation, distil=0.7, teacher_temperatures={"namer": 0.2})
    first = replace(recipe.data[0], reinforced="captioned.reinforced")
    return replace(recipe, optimisation=options, data=(first, recipe.data[1]))


@pytest.mark.slow
def test_reinforced_training_resumes_to_the_weights_of_a_run_that_was_not_killed(
    taught: Recipe, data: Path, tmp_path: Path
) -> None:
    whole = load_file(run(taught, data, tmp_path / "whole") / "model.safetensors")
    with killed_at_its_first_save(loop, after=11):
        run(taught, data, tmp_path / "cut")
    resumed = load_file(run(taught, data, tmp_path / "cut") / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    options = replace(taught.optimisation, teacher_temperatures={"namer": 0.02})
    other = load_file(
        run(replace(taught, optimisation=options), data, tmp_path / "other") / "model.safetensors"
    )
    assert not all(torch.equal(whole[name], other[name]) for name in whole), "the teacher with text counts"


@pytest.mark.slow
def test_a_student_learns_from_the_similarities_of_its_teachers_alone(
    taught: Recipe, data: Path, tmp_path: Path
) -> None:
    options = replace(taught.optimisation, distil=1.0, feature_weight=0.0, space_weight=0.0, steps=60)
    only = replace(taught, optimisation=options, data=taught.data[:1])
    tower = TrainedTower(run(only, data, tmp_path))
    pictures = [Image.open(io.BytesIO(coloured(name, 1000))) for name in COLOURS]
    vectors = tower.encode([tower.prepare(picture) for picture in pictures])
    captions = encode([f"something {name}" for name in COLOURS])
    assert (vectors @ captions.T).argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.slow
def test_views_that_were_rendered_first_train_the_same_tower(
    taught: Recipe, data: Path, tmp_path: Path
) -> None:
    torch.set_num_threads(1)
    plain = load_file(run(taught, data, tmp_path / "a", steps=5) / "model.safetensors")
    folder = train(
        taught, data, tmp_path / "b" / "work", tmp_path / "b" / "out", encode, steps=5, processes=2
    )
    rendered = load_file(folder / "model.safetensors")
    assert all(torch.equal(plain[name], rendered[name]) for name in plain)


def test_a_store_that_is_not_there_is_named(taught: Recipe, data: Path, tmp_path: Path) -> None:
    first = replace(taught.data[0], reinforced="other.reinforced")
    with pytest.raises(BadInput, match=r"other\.reinforced is not there"):
        run(replace(taught, data=(first,)), data, tmp_path)


def test_held_out_pictures_are_left_out_and_copies_of_them_too(data: Path) -> None:
    spec = PictureFile("labelled.parquet", "label", 1.0)
    whole, kept = (load_pictures(data, one, ("{label}",)) for one in (spec, replace(spec, hold_out=4)))
    assert set(kept.images) == {image for image in whole.images if not held_out(image, 4)}
    assert 0 < len(kept) < len(whole)


def test_a_bank_of_sentences_is_added_to_the_texts(taught: Recipe, data: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    with gzip.open(data / "bank.txt.gz", "wt") as file:
        file.write("a sentence of nobody\n\nanother one\n")
    before, after = (
        corpus.load_corpus(one, data, tmp_path / "work", encode)
        for one in (taught, replace(taught, bank_file="bank.txt.gz"))
    )
    assert len(after.texts) == len(before.texts) + 2
    assert not after.teachers[0].asked[-2:].any() and before.teachers[0].asked.any()


INVERTED = InvertedTower("inverted", 32, 8, (8, 12, 16), (1, 2, 1), (2, 2, 2), expansion=2, end=24)


@pytest.fixture
def shown(recipe: Recipe, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """A recipe with a map of the teacher's."""
    spec = replace(MeanColour.spec, maps=(TeacherMap(1, 4, 4),))
    monkeypatch.setattr(MeanColour, "spec", spec)
    return replace(
        recipe,
        tower=INVERTED,
        teacher=spec,
        optimisation=replace(recipe.optimisation, map_weight=2.0),
    )


def test_a_tower_comes_to_see_what_the_teacher_sees_place_by_place(
    shown: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far: list[float] = []

    @contextmanager
    def kept(run: Path, done: int) -> Iterator[Write]:
        yield lambda step, numbers: far.append(numbers["map"])

    monkeypatch.setattr(loop, "events", kept)
    run(shown, data, tmp_path, steps=40)
    taught = np.array(far)
    assert len(taught) == 40 and taught[-5:].mean() < 0.5 * taught[:5].mean()
    far.clear()
    alone = replace(shown, optimisation=replace(shown.optimisation, map_weight=0.0))
    run(alone, data, tmp_path / "alone", steps=40)
    assert taught[-5:].mean() < 0.7 * np.mean(far[-5:])


def test_a_mirrored_picture_has_a_mirrored_map(shown: Recipe, data: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    read = corpus.load_corpus(shown, data, tmp_path / "work", encode)
    batch = make_batch(shown, read, 0, 32)
    left = batch.maps[0][..., 3] > 100  # (b, 4, 4)
    kept = left[:, :, :2].all((1, 2)) & ~left[:, :, 2:].any((1, 2))
    turned = left[:, :, 2:].all((1, 2)) & ~left[:, :, :2].any((1, 2))
    assert kept.any() and turned.any() and (kept | turned).all()
    for pixels, seen in zip(batch.pixels.numpy(), batch.maps[0], strict=True):
        eighths = pixels.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3))
        assert np.abs(eighths - seen[..., :3]).mean() < np.abs(eighths - seen[:, ::-1, :3]).mean()


def test_early_steps_see_smaller_pictures_and_late_ones_the_towers_own(
    shown: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides: list[int] = []
    real = loop.student_loss

    def looked(student: Student, batch: Batch, *rest: Any) -> Any:
        sides.append(batch.pixels.shape[1])
        return real(student, batch, *rest)

    monkeypatch.setattr(loop, "student_loss", looked)
    options = replace(shown.optimisation, early_pixels=24, late=0.6)
    run(replace(shown, optimisation=options), data, tmp_path, steps=5)
    assert sides == [24, 24, 24, 32, 32]


def test_a_head_that_is_fitted_anew_finds_captions_and_leaves_the_trunk(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    options = replace(recipe.optimisation, steps=2)
    plain = run(replace(recipe, optimisation=options), data, tmp_path / "plain")
    anew = run(replace(recipe, optimisation=replace(options, refit=100)), data, tmp_path / "anew")
    before, after = (load_file(folder / "model.safetensors") for folder in (plain, anew))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"head.0.weight", "head.0.bias", "head.2.weight", "head.2.bias"}
    pictures = [Image.open(io.BytesIO(coloured(name, 1000))) for name in COLOURS]
    captions = encode([f"something {name}" for name in COLOURS])

    def found(folder: Path) -> list[int]:
        tower = TrainedTower(folder)
        vectors = tower.encode([tower.prepare(picture) for picture in pictures])
        best: list[int] = (vectors @ captions.T).argmax(1).tolist()
        return best

    assert found(anew) == [0, 1, 2, 3] != found(plain)


def test_the_head_sees_the_trunk_without_what_is_dropped(recipe: Recipe, data: Path, tmp_path: Path) -> None:
    dropping = replace(recipe, optimisation=replace(recipe.optimisation, dropout=0.5))
    one, other = (
        load_file(run(what, data, tmp_path / name, steps=1) / "model.safetensors")
        for what, name in ((dropping, "one"), (recipe, "other"))
    )
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_a_smaller_picture_is_the_same_picture() -> None:
    pixels = torch.zeros(1, 32, 32, 3, dtype=torch.uint8)
    pixels[:, :16, :, 0], pixels[:, :, 16:, 2] = 200, 100
    small = resized(pixels, 16)
    assert small.shape == (1, 16, 16, 3) and small.dtype == torch.uint8
    assert torch.equal(small[:, [2, 13]][:, :, [2, 13]], pixels[:, [4, 26]][:, :, [4, 26]])


def test_the_distance_of_maps_is_that_of_their_places_on_one_grid() -> None:
    torch.manual_seed(0)
    large = torch.randn(2, 3, 3, 5).repeat_interleave(2, 1).repeat_interleave(2, 2)  # (2, 6, 6, 5)
    small = large[:, ::2, ::2]
    assert map_distance(large, large) < 1e-6
    assert map_distance(3 * small, large) < map_distance(3 * small.flip(2), large) - 0.3
    other = torch.randn(2, 6, 6, 5)
    places = [(b, y, x) for b in range(2) for y in range(6) for x in range(6)]
    by_hand = [1 - torch.cosine_similarity(large[at], other[at], dim=0) for at in places]
    assert map_distance(large, other).item() == pytest.approx(torch.stack(by_hand).mean().item(), abs=1e-6)


def test_a_tower_without_stages_for_the_teachers_maps_is_refused(
    shown: Recipe, data: Path, tmp_path: Path
) -> None:
    with pytest.raises(BadInput, match="no stages for 1 maps"):
        run(replace(shown, tower=Tower(16, 8, 16, 1, 2, 2.0)), data, tmp_path)


def test_signed_numbers_of_a_teacher_keep_their_order() -> None:
    signed = np.arange(-128, 128).astype(np.int8)
    assert unsigned(signed).tolist() == list(range(256))
    assert unsigned(signed.view(np.uint8)).tolist() == signed.view(np.uint8).tolist()
    with pytest.raises(BadInput, match="float32"):
        unsigned(np.zeros(3, np.float32))


@pytest.mark.parametrize(
    "tower",
    [
        pytest.param(MixerTower("repmixer", 32, (8, 16), (1, 1), head_width=8), marks=pytest.mark.slow),
        INVERTED,
    ],
    ids=lambda one: one.kind,
)
def test_a_run_of_a_tower_of_convolutions_exports_as_an_encoder_that_computes_the_same(
    tower: MixerTower | InvertedTower, recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    run(replace(recipe, tower=tower), data, tmp_path, steps=80)  # that the norms have statistics
    branches, name, step = read_run(tmp_path / "work")
    assert (name, step) == ("tiny", 80)
    pictures = [Image.open(io.BytesIO(coloured(name, 1000))) for name in COLOURS]
    exact = export_run(tmp_path / "work", tmp_path / "exact", dtype="float32")
    encoder = load_encoder(str(exact), Runtime(device="cpu", dtype="float32"))
    pixels = [encoder.prepare_image(picture) for picture in pictures]
    with torch.inference_mode():
        normal = preprocess(branches.config).normalise(torch.from_numpy(np.stack(pixels)))
        before = torch.nn.functional.normalize(branches(normal), dim=-1).numpy()
    after = encoder.encode_images(pixels)
    assert np.abs(before - after).max() <= 1e-5
    assert np.abs(before[0] - after[3]).max() > 1e-2, "the pictures have vectors of their own"
    halves = load_encoder(str(tmp_path / "out")).encode_images(pixels)
    assert (halves * after).sum(1).min() > 0.999
    assert encoder.space.key != load_encoder(str(tmp_path / "out")).space.key


def test_norms_of_averaged_weights_are_measured_on_what_they_see() -> None:
    torch.manual_seed(0)
    tower = image_network(read_config({**asdict(INVERTED), "dim": 8}))
    batches = [torch.randint(0, 255, (16, 32, 32, 3), dtype=torch.uint8) for _ in range(3)]
    normal = preprocess(tower.config).normalise(torch.cat(batches))
    with torch.no_grad():
        wanted = copy.deepcopy(tower).train()(normal)
        apart = (tower.eval()(normal) - wanted).abs().max()
        loop.measure_norms(tower, batches)
        assert (tower(normal) - wanted).abs().max() < 0.1 * apart
    assert not tower.training


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no checkpoint"):
        export_run(tmp_path, tmp_path / "out")


def test_a_view_is_the_same_at_every_call_and_unlike_the_next_one(data: Path) -> None:
    pictures = load_pictures(data, PictureFile("captioned.parquet", "captions", 1.0, views=2), ())
    first = pictures.view(3, 0, 16)
    assert first.shape == (16, 16, 3) and np.array_equal(first, pictures.view(3, 0, 16))
    assert not np.array_equal(first, pictures.view(3, 1, 16))


def test_a_crop_lies_inside_the_picture_and_keeps_enough_of_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        left, top, right, bottom = crop_box(rng, 40, 30)
        assert 0 <= left < right <= 40 and 0 <= top < bottom <= 30
        assert (right - left) * (bottom - top) >= 0.4 * 40 * 30 * 0.75


def test_pictures_can_be_learned_from_without_texts(shown: Recipe, data: Path, tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    silent = replace(shown, data=(shown.data[0], PictureFile("labelled.parquet", "none", 0.5)))
    read = corpus.load_corpus(silent, data, tmp_path / "work", encode)
    batch = make_batch(silent, read, 0, 32)
    assert batch.has_text.tolist() == [True] * 8 + [False] * 8 and len(batch.text) == 8
    assert len(batch.features) == 16 and batch.features[8:].std(axis=0).min() > 0
    alone = replace(silent, data=silent.data[1:])
    with pytest.raises(BadInput, match="none of the recipe's pictures has a text"):
        run(alone, data, tmp_path)
    with pytest.raises(TypeError, match="a reinforced data set has texts"):
        replace(alone, data=(replace(alone.data[0], reinforced="x"),))


class Layered(MeanColour):
    """With maps that are as many and as large as the stages of `INVERTED`."""

    def values(self, pixels: np.ndarray, tensors: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        maps = []
        for tensor, (width, side) in enumerate(zip(INVERTED.channels, (8, 4, 2), strict=True)):
            assert tensor == tensors[tensor]
            block = pixels.shape[0] // side
            means = pixels.reshape(side, block, side, block, 3).mean(axis=(1, 3), dtype=np.float32)
            maps.append(np.tile(means, (1, 1, 1 + width // 3))[..., :width] / 50)
        return self(pixels[::4, ::4]).astype(np.float32), maps


def test_a_run_that_is_killed_between_its_parts_gives_the_weights_of_one_that_was_not(
    shown: Recipe, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "TFLiteTeacher", lambda *_, **__: Layered())
    first = Blockwise((0, 1, 2), steps=12, forced=6, batch=8, pixels=32, rate=1e-2)
    both = replace(shown, blockwise=first, optimisation=replace(shown.optimisation, steps=6))
    whole = load_file(run(both, data, tmp_path / "whole") / "model.safetensors")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(loop, "student_loss", killed)
        with pytest.raises(KeyboardInterrupt):
            run(both, data, tmp_path / "cut")
    work = tmp_path / "cut" / "work"
    assert (work / "blockwise.pt").is_file() and not (work / "checkpoint.pt").is_file()
    with pytest.raises(BadInput, match="still learns blockwise"):
        export_run(work, tmp_path / "out")
    resumed = load_file(run(both, data, tmp_path / "cut") / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    without = load_file(run(replace(both, blockwise=None), data, tmp_path / "without") / "model.safetensors")
    assert not all(torch.equal(whole[name], without[name]) for name in whole if name.startswith("stem"))


def test_a_run_does_not_go_on_with_another_tower(shown: Recipe, data: Path, tmp_path: Path) -> None:
    run(shown, data, tmp_path, steps=2)
    with pytest.raises(BadInput, match="begun with another tower"):
        run(replace(shown, tower=replace(INVERTED, end=32)), data, tmp_path, steps=2)


def test_what_the_teacher_saw_of_other_pictures_is_not_taken_for_these(
    recipe: Recipe, data: Path, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    corpus.load_corpus(recipe, data, tmp_path / "work", encode)
    pictures = load_pictures(data, recipe.data[0], ())
    others = replace(pictures, images=pictures.images[1:], texts=pictures.texts[1:])
    seen = teacher_features(others, MeanColour, tmp_path / "work" / "captioned.npy")[0]
    assert len(seen) == len(others)
    assert np.array_equal(seen[0, 0], MeanColour()(others.view(0, 0, 8)))


def test_the_learning_rate_warms_up_and_ends_at_nothing(recipe: Recipe) -> None:
    rates = [learning_rate(step, 30, recipe.optimisation) for step in range(31)]
    assert rates[0] == pytest.approx(3e-3 / 4) and max(rates) == pytest.approx(3e-3)
    assert rates[30] == pytest.approx(0.0, abs=1e-12) and rates[4:] == sorted(rates[4:], reverse=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: replace(d, file="none.parquet"), "is missing"),
        (lambda d: replace(d, text="label"), "needs image and label"),
        (lambda d: replace(d, text="title"), "needs image and title"),
    ],
)
def test_unusable_training_data_is_named(
    data: Path, change: Callable[[PictureFile], PictureFile], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        load_pictures(data, change(PictureFile("captioned.parquet", "captions", 1.0)), ())


def test_a_tower_of_an_unknown_kind_is_named_with_the_known_ones(tmp_path: Path) -> None:
    text = recipe_text("pocket").replace('kind = "inverted"', 'kind = "swin"')
    (tmp_path / "one.toml").write_text(text)
    with pytest.raises(BadInput, match="no tower of kind 'swin': repmixer, inverted"):
        load_recipe(str(tmp_path / "one.toml"))


def test_a_recipe_that_lacks_a_part_says_which(tmp_path: Path) -> None:
    (tmp_path / "short.toml").write_text(recipe_text("pocket").replace("seed = ", "seeds = "))
    with pytest.raises(BadInput, match=r"short\.toml has no 'seed'"):
        load_recipe(str(tmp_path / "short.toml"))


def test_the_bundled_recipe_reads_and_a_mistake_in_one_is_named(tmp_path: Path) -> None:
    assert isinstance(load_recipe("pocket").tower, InvertedTower)
    assert isinstance(load_recipe("pocket-reinforced").tower, Tower)
    early = tmp_path / "early.toml"
    early.write_text(
        recipe_text("pocket-reinforced").replace("[optimisation]", "[optimisation]\nearly_pixels = 96")
    )
    with pytest.raises(BadInput, match="early_pixels is for towers of convolutions"):
        load_recipe(str(early))
    with pytest.raises(BadInput, match="no recipe named 'pockets'"):
        load_recipe("pockets")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('name = "x"\nseed = 1\ntemplates = []\n[tower]\npixel = 3\n')
    with pytest.raises(BadInput, match="unknown keys in \\[tower\\]: pixel"):
        load_recipe(str(wrong))


def test_a_folder_without_a_tower_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="no image tower"):
        TrainedTower(tmp_path)
