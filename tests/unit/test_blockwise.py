"""Blockwise distillation, with a real teacher of convolutions: a small tower with weights of its own."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from searchkit.encoders.vision import preprocess
from searchkit.errors import BadInput
from searchkit.models.inverted import InvertedConfig
from searchkit.models.inverted import InvertedTower as Network
from searchkit.training import blockwise
from searchkit.training.blockwise import Lesson, Measures, learn_blockwise, measured, stage_losses
from searchkit.training.corpus import Corpus
from searchkit.training.data import Pictures
from searchkit.training.recipe import (
    Blockwise,
    InvertedTower,
    Optimisation,
    PictureFile,
    Recipe,
    Teacher,
    Tower,
    load_recipe,
)
from searchkit.training.student import Student
from searchkit.training.teacher import TFLiteTeacher
from tests.killing import killed_at_its_first_save

CPU = torch.device("cpu")
LAYOUT = InvertedConfig(16, 4, (6, 8), (1, 2), (2, 2), expansion=2, end=12, dim=8)


class Convolutions:
    """What `TFLiteTeacher` is to a recipe, made of torch: tensors 0 and 1 are behind its two stages."""

    def __init__(self, pixels: int) -> None:
        torch.manual_seed(11)
        self.network = Network(LAYOUT).eval()
        for weight in self.network.parameters():
            weight.data.mul_(1.5)
        self.pixels = pixels

    @torch.inference_mode()
    def values(self, pixels: np.ndarray, tensors: Sequence[int]) -> tuple[np.ndarray, list[np.ndarray]]:
        assert pixels.shape == (self.pixels, self.pixels, 3)
        maps = self.network.maps(preprocess(LAYOUT).normalise(torch.tensor(pixels[None])))
        feature = self.network.pooled(maps[-1])[0].numpy()
        return feature, [maps[one][0].permute(1, 2, 0).numpy() for one in tensors]


def pictures(name: str, count: int) -> Pictures:
    rng = np.random.default_rng(len(name))
    files = []
    for _ in range(count):
        file = io.BytesIO()
        coarse = Image.fromarray(rng.integers(0, 255, (4, 4, 3)).astype(np.uint8))
        coarse.resize((24, 24), Image.Resampling.BICUBIC).save(file, "PNG")
        files.append(file.getvalue())
    return Pictures(name, files, [()] * count, 2)


@pytest.fixture
def corpus() -> Corpus:
    return Corpus([pictures("a", 30), pictures("bb", 10)], [], [], [], torch.zeros(1, 8))


@pytest.fixture
def recipe() -> Recipe:
    torch.set_num_threads(1)
    return Recipe(
        name="small",
        seed=5,
        templates=(),
        tower=InvertedTower("inverted", 16, 4, (6, 8), (1, 2), (2, 2), expansion=2, end=12),
        teacher=Teacher("none", 0, 12, 16),
        optimisation=Optimisation(1, 4, 1e-3, 1, 0.0, 0.05, 1, 1.0, 1.0),
        data=(PictureFile("a.parquet", "none", 0.75), PictureFile("bb.parquet", "none", 0.25)),
        blockwise=Blockwise((0, 1), steps=60, forced=30, batch=16, pixels=16, rate=1e-2, warmup=5),
    )


def student(recipe: Recipe, config: InvertedConfig = LAYOUT) -> Student:
    torch.manual_seed(recipe.seed)
    return Student(config, recipe.teacher)


def far_from(one: Student, recipe: Recipe, corpus: Corpus) -> float:
    """1 − cos of the feature over whole pictures, after the student's own stages."""
    teacher = Convolutions(16)
    assert recipe.blockwise is not None
    measures = measured(recipe, corpus, teacher, recipe.blockwise)  # type: ignore[arg-type]
    shown = [corpus.sets[0].view(row, 1, 16) for row in range(30)]
    feature = measures.feature(np.stack([teacher.values(picture, ())[0] for picture in shown]))
    maps = [torch.zeros(30, c, s, s) for c, s in ((6, 4), (8, 2))]
    lesson = Lesson(torch.from_numpy(np.stack(shown)), maps, feature)
    return stage_losses(one.eval(), lesson, measures, forced=False, place=CPU)[1].item()


def learn(recipe: Recipe, corpus: Corpus, work: Path) -> Student:
    learning = student(recipe)
    work.mkdir(exist_ok=True)
    learn_blockwise(learning, recipe, corpus, Convolutions, work)  # type: ignore[arg-type]
    return learning


def test_a_trunk_comes_near_to_what_the_teacher_sees(recipe: Recipe, corpus: Corpus, tmp_path: Path) -> None:
    assert recipe.blockwise is not None
    recipe = replace(recipe, blockwise=replace(recipe.blockwise, steps=250))
    learned = far_from(learn(recipe, corpus, tmp_path / "a"), recipe, corpus)
    assert learned < 0.5 * far_from(student(recipe), recipe, corpus)
    never_free = replace(recipe, blockwise=replace(recipe.blockwise, steps=250, forced=250))
    assert learned < 0.8 * far_from(learn(never_free, corpus, tmp_path / "b"), never_free, corpus)


@torch.no_grad()
@pytest.mark.parametrize("forced", [True, False])
def test_losses_are_their_formula(recipe: Recipe, corpus: Corpus, forced: bool) -> None:
    one = student(recipe).eval()
    tower = one.tower
    assert isinstance(tower, Network)
    torch.manual_seed(0)
    pixels = torch.randint(0, 255, (3, 16, 16, 3), dtype=torch.uint8)
    seen = [torch.randn(3, 6, 4, 4), torch.randn(3, 8, 2, 2)]
    feature = torch.randn(3, 12)
    variances = [torch.rand(c, 1, 1) + 0.5 for c in (6, 8)]
    measures = Measures([], [1.0, 1.0], variances, None)  # type: ignore[arg-type]
    far, away = stage_losses(one, Lesson(pixels, seen, feature), measures, forced=forced, place=CPU)

    stem = torch.relu(tower.stem(preprocess(LAYOUT).normalise(pixels)))
    first = tower.stages[0](stem)
    second = tower.stages[1](seen[0] if forced else first)
    for got, mine, want, variance in zip(far, (first, second), seen, variances, strict=True):
        by_hand = sum(
            ((mine[:, c] - want[:, c]) ** 2 / variance[c, 0, 0]).mean() for c in range(len(variance))
        )
        assert got.item() == pytest.approx(float(by_hand) / len(variance), rel=1e-5)
    trunk = tower.pooled(seen[1] if forced else second)
    cosine = torch.cosine_similarity(one.to_feature(trunk), feature, dim=1)
    assert away.item() == pytest.approx((1 - cosine).mean().item(), rel=1e-5)


def test_a_killed_run_goes_on_to_the_weights_of_one_that_was_not(
    recipe: Recipe, corpus: Corpus, tmp_path: Path
) -> None:
    whole = learn(recipe, corpus, tmp_path / "whole").state_dict()
    with killed_at_its_first_save(blockwise, after=25):  # in the midst of the forced steps
        learn(recipe, corpus, tmp_path / "cut")
    resumed = learn(recipe, corpus, tmp_path / "cut").state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    fresh = student(recipe).state_dict()
    assert not any(torch.equal(whole[name], fresh[name]) for name in whole if name.endswith("0.0.weight"))


def test_maps_are_in_the_unit_of_their_mean_deviation(recipe: Recipe, corpus: Corpus) -> None:
    assert recipe.blockwise is not None
    teacher = Convolutions(16)
    measures = measured(recipe, corpus, teacher, recipe.blockwise)  # type: ignore[arg-type]
    _, lesson = next(
        blockwise._lessons(recipe, corpus, teacher, measures, recipe.blockwise, 0)  # type: ignore[arg-type]
    )
    assert lesson.pixels.shape == (16, 16, 16, 3) and lesson.feature.shape == (16, 12)
    for one, channels in zip(lesson.maps, (6, 8), strict=True):
        assert one.shape[:2] == (16, channels)
        assert one.std(dim=(0, 2, 3)).mean() == pytest.approx(1, abs=0.3)
    shown = lesson.pixels[3].numpy()
    again = teacher.values(shown, (0, 1))[1]
    assert np.allclose(lesson.maps[1][3].permute(1, 2, 0).numpy() * measures.units[1], again[1], atol=1e-5)


def test_a_tower_that_is_not_like_the_teacher_is_refused(
    recipe: Recipe, corpus: Corpus, tmp_path: Path
) -> None:
    assert recipe.blockwise is not None

    def refused(recipe: Recipe, one: Student, message: str) -> None:
        with pytest.raises(BadInput, match=message):
            learn_blockwise(one, recipe, corpus, Convolutions, tmp_path)  # type: ignore[arg-type]

    wide = replace(LAYOUT, channels=(6, 10))
    refused(
        recipe,
        student(recipe, wide),
        "stage 2 of the tower gives 10 channels of 2 × 2, the teacher's map 8 of",
    )
    large = replace(LAYOUT, strides=(2, 1))
    refused(recipe, student(recipe, large), "8 channels of 4 × 4, the teacher's map 8 of 2 × 2")
    with pytest.raises(TypeError, match="1 maps of the teacher for the 2 stages"):
        replace(recipe, blockwise=replace(recipe.blockwise, tensors=(1,)))
    with pytest.raises(TypeError, match="2 maps of the teacher for the 0 stages"):
        replace(recipe, tower=Tower(16, 8, 16, 1, 2, 2.0))


def test_the_bundled_recipe_learns_a_map_with_each_stage() -> None:
    read = load_recipe("pocket")
    assert read.blockwise is not None and isinstance(read.tower, InvertedTower)
    assert len(read.blockwise.tensors) == len(read.tower.channels)


def test_numbers_are_those_that_the_quantised_ones_stand_for() -> None:
    class Tensors:
        def set_tensor(self, index: int, value: np.ndarray) -> None:
            assert value.shape == (1, 2, 2, 3)

        def invoke(self) -> None:
            pass

        def get_tensor(self, index: int) -> np.ndarray:
            return np.array([[-128, 0, 127]] if index == 7 else [[[[5, 6]]]], np.int8)

    teacher = TFLiteTeacher.__new__(TFLiteTeacher)
    teacher.network, teacher.input = Tensors(), 0
    teacher.spec = Teacher("none", 7, 3, 2)
    teacher.units = {7: (0.5, -128), 9: (0.1, 1)}
    feature, maps = teacher.values(np.zeros((2, 2, 3), np.uint8), (9,))
    assert feature.tolist() == [0.0, 64.0, 127.5]
    assert maps[0] == pytest.approx(np.array([[[0.4, 0.5]]]))
    teacher.units[9] = (0.0, 0)
    with pytest.raises(BadInput, match="tensor 9 is not quantised"):
        teacher.values(np.zeros((2, 2, 3), np.uint8), (9,))
    with pytest.raises(BadInput, match="has no tensor 8"):
        teacher.values(np.zeros((2, 2, 3), np.uint8), (8,))
