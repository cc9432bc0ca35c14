"""A tower that a package carries: read as it is, given a head, tuned, and written as an encoder."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from searchkit.encoders.hashing import Hashing
from searchkit.encoders.vision import TrainedTower
from searchkit.errors import BadInput, ModelMissing
from searchkit.evaluation.labels import held_out
from searchkit.models.image_towers import to_run
from searchkit.models.inverted import InvertedConfig
from searchkit.training import tune
from searchkit.training.heads import Fitted, plain
from searchkit.training.packaged import Packaged, efficientnet_lite, packaged_file
from searchkit.training.recipe import PictureFile
from searchkit.training.sights import shown
from searchkit.training.start import train_started
from searchkit.training.started import Classes, HeadFit, StartedRecipe, Tuning, is_started, load_started
from tests.killing import killed_at_its_first_save
from tests.squares import COLOURS, coloured, write_captioned

TINY = InvertedConfig(
    33, 8, (6, 8, 10), (1, 2, 1), (1, 2, 2), expansions=(1, 3, 2), kernels=(3, 5, 3), most=6.0, end=24,
    mean=(127 / 255,) * 3, std=(128 / 255,) * 3,
)  # fmt: skip


def weights(config: InvertedConfig) -> dict[str, Tensor]:
    """A checkpoint of that layout by the names of EfficientNet-Lite's, drawn at random."""
    torch.manual_seed(0)
    found: dict[str, Tensor] = {}

    def convolution(name: str, norm: str, into: int, out: int, kernel: int, groups: int = 1) -> None:
        found[f"{name}.weight"] = torch.randn(out, into // groups, kernel, kernel) / kernel
        found[f"{norm}.weight"], found[f"{norm}.bias"] = torch.rand(out) + 0.5, torch.randn(out) / 4
        found[f"{norm}.running_mean"], found[f"{norm}.running_var"] = (
            torch.randn(out) / 4,
            torch.rand(out) + 0.1,
        )

    convolution("_conv_stem", "_bn0", 3, config.stem, 3)
    before, number = config.stem, 0
    for stage, after in enumerate(config.channels):
        for _ in range(config.depths[stage]):
            block, inside = f"_blocks.{number}.", before * config.expansions[stage]
            if inside != before:
                convolution(f"{block}_expand_conv", f"{block}_bn0", before, inside, 1)
            kernel = config.kernels[stage]
            convolution(f"{block}_depthwise_conv", f"{block}_bn1", inside, inside, kernel, inside)
            convolution(f"{block}_project_conv", f"{block}_bn2", inside, after, 1)
            before, number = after, number + 1
    convolution("_conv_head", "_bn1", before, config.end, 1)
    return found | {"_fc.weight": torch.randn(1000, config.end), "_fc.bias": torch.randn(1000)}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Packaged:
    """An installed package that carries such a checkpoint, and whose code must not run."""
    site = tmp_path / "site"
    (site / "carrier").mkdir(parents=True)
    (site / "carrier-1.0.dist-info").mkdir()
    (site / "carrier-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\n"
    )
    (site / "carrier" / "__init__.py").write_text("raise SystemExit('imported')\n")
    torch.save(weights(TINY), site / "carrier" / "lite.pth")
    monkeypatch.syspath_prepend(site)
    sha256 = hashlib.sha256((site / "carrier" / "lite.pth").read_bytes()).hexdigest()
    return Packaged("carrier", "carrier/lite.pth", sha256)


def as_tensorflow(state: dict[str, Tensor], config: InvertedConfig, x: Tensor) -> Tensor:
    """The feature, by the definition: "same" padding as TensorFlow's, ReLU6, norms with epsilon 0.001."""

    def layer(name: str, norm: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        kernel = state[f"{name}.weight"]
        side, size = x.shape[-1], kernel.shape[-1]
        missing = max(0, (-(-side // stride) - 1) * stride + size - side)
        x = F.pad(x, (missing // 2, missing - missing // 2) * 2)
        x = F.conv2d(x, kernel, stride=stride, groups=groups)
        names = ("running_mean", "running_var", "weight", "bias")
        mean, variance, scale, shift = (state[f"{norm}.{one}"] for one in names)
        return F.batch_norm(x, mean, variance, scale, shift, eps=1e-3)

    x, number = F.relu6(layer("_conv_stem", "_bn0", x, 2)), 0
    for stage, depth in enumerate(config.depths):
        for block in range(depth):
            name, before = f"_blocks.{number}.", x
            if f"{name}_expand_conv.weight" in state:
                x = F.relu6(layer(f"{name}_expand_conv", f"{name}_bn0", x))
            stride = 1 if block else config.strides[stage]
            x = F.relu6(layer(f"{name}_depthwise_conv", f"{name}_bn1", x, stride, x.shape[1]))
            x = layer(f"{name}_project_conv", f"{name}_bn2", x)
            x = x + before if x.shape == before.shape else x
            number += 1
    return F.relu6(layer("_conv_head", "_bn1", x)).mean(dim=(2, 3))


@torch.no_grad()
def test_a_packaged_tower_computes_what_its_publishers_definition_does(package: Packaged) -> None:
    tower, classifier = efficientnet_lite(package, TINY)
    x = torch.randn(3, 3, 33, 33)
    wanted = as_tensorflow(weights(TINY), TINY, x)
    assert (tower.features(x) - wanted).abs().max() < 1e-4 * wanted.abs().max() and wanted.std() > 0.1
    assert torch.equal(classifier.weight, weights(TINY)["_fc.weight"])
    fused = to_run(tower)
    assert (fused.features(x) - wanted).abs().max() < 1e-3


def test_a_package_that_is_missing_or_holds_something_else_is_named(package: Packaged) -> None:
    with pytest.raises(ModelMissing, match="no-such-carrier is not installed") as caught:
        packaged_file(replace(package, package="no-such-carrier"))
    assert "pip install" in str(caught.value.hint)
    with pytest.raises(ModelMissing, match=r"has no carrier/other\.pth"):
        packaged_file(replace(package, file="carrier/other.pth"))
    with pytest.raises(BadInput, match="the recipe says 00"):
        packaged_file(replace(package, sha256="00"))
    with pytest.raises(BadInput, match="another layout"):
        efficientnet_lite(package, replace(TINY, channels=(6, 8, 12)))


def test_a_view_is_the_picture_its_mirror_image_or_always_the_same_part() -> None:
    picture = coloured("red", 1)
    whole, mirrored, part = (shown(picture, view, 24) for view in (0, 1, 2))
    assert np.array_equal(whole[:, ::-1], mirrored)
    assert not np.array_equal(part, whole) and np.array_equal(part, shown(picture, 2, 24))


@torch.no_grad()
def test_a_plain_head_computes_of_features_what_the_fitted_one_does_of_evened_ones() -> None:
    torch.manual_seed(1)
    head = Fitted(12, 6, 16)
    head.mean.copy_(torch.randn(12))
    head.deviation.copy_(torch.rand(12) + 0.5)
    features = torch.randn(200, 12)
    assert (plain(head)(features) - head(features)).abs().max() < 1e-5 < head(features).std()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Captioned and labelled colours; and a thousand samples, one of each class, of which a source is."""
    folder = tmp_path / "data"
    folder.mkdir()
    names, images = write_captioned(folder)
    labels = [*names, *(f"thing {number}" for number in range(1000))]
    sources = ["colours"] * len(names) + ["samples"] * 1000
    labelled = {"image": [*images, *images[:1] * 1000], "label": labels, "source": sources}
    pq.write_table(pa.table(labelled), folder / "labelled.parquet")
    return folder


@pytest.fixture
def recipe(package: Packaged) -> StartedRecipe:
    return StartedRecipe(
        name="tiny",
        seed=3,
        templates=("a photo of {label}",),
        tower=replace(TINY, dim=Hashing().space.dim),
        start=package,
        frozen=2,
        pixels=33,
        classes=Classes("labelled.parquet", "samples", {"square": "0-3,7"}),
        head=HeadFit(
            hidden=32, steps=200, batch=16, rate=3e-3, weight_decay=0.01, dropout=0.1, bank=4,
            mixed=0.5, classes=0.1,
        ),
        tuning=Tuning(
            steps=30, batch=16, rate=1e-3, head_rate=1e-3, warmup=3, weight_decay=0.01, dropout=0.1, bank=4,
            distil=0.3, space=0.5, classes=0.1, average=0.8,
        ),
        data=(
            PictureFile("captioned.parquet", "captions", 0.5, views=3),
            PictureFile("labelled.parquet", "label", 0.5, without=("samples",), hold_out=10),
        ),
        withheld=(),
        bank_file="",
    )  # fmt: skip


def encode(texts: Sequence[str]) -> np.ndarray:
    return Hashing().encode_text(texts)


def run(recipe: StartedRecipe, data: Path, root: Path) -> Path:
    torch.set_num_threads(1)
    return train_started(recipe, data, root / "work", root / "out", encode)


@pytest.mark.parametrize("tuned", [False, True])
def test_a_started_tower_finds_the_right_captions(
    recipe: StartedRecipe, data: Path, tmp_path: Path, tuned: bool
) -> None:
    out = run(recipe if tuned else replace(recipe, tuning=None), data, tmp_path)
    tower = TrainedTower(out)
    assert tower.config.hidden == 32 and tower.config.fused
    pictures = [Image.open(io.BytesIO(coloured(name, 1000))) for name in COLOURS]
    vectors = tower.encode([tower.prepare(picture) for picture in pictures])
    captions = encode([f"a {name} square" for name in COLOURS])
    assert (vectors @ captions.T).argmax(1).tolist() == [0, 1, 2, 3]


def test_what_is_held_out_or_of_a_source_that_is_left_out_is_not_looked_at(
    recipe: StartedRecipe, data: Path, tmp_path: Path
) -> None:
    run(replace(recipe, tuning=None), data, tmp_path)
    seen = len(np.load(tmp_path / "work" / "maps-labelled.npy", mmap_mode="r"))
    images = pq.read_table(data / "captioned.parquet").column("image").to_pylist()
    assert seen == sum(not held_out(image, 10) for image in images) < len(images)


def test_a_tuning_that_was_killed_resumes_to_the_weights_of_one_that_was_not(
    recipe: StartedRecipe, data: Path, tmp_path: Path
) -> None:
    whole = load_file(run(recipe, data, tmp_path / "whole") / "model.safetensors")
    with killed_at_its_first_save(tune, after=11):
        run(recipe, data, tmp_path / "cut")
    resumed = load_file(run(recipe, data, tmp_path / "cut") / "model.safetensors")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)
    untuned = load_file(
        run(replace(recipe, tuning=None), data, tmp_path / "as it came") / "model.safetensors"
    )
    alike = {name: torch.equal(whole[name], untuned[name]) for name in whole if name.startswith("stages.")}
    assert all(same == (not name.startswith("stages.2.")) for name, same in alike.items())


def test_the_recipe_that_comes_along_is_of_the_checkpoints_layout() -> None:
    recipe = load_started("pocket-large")
    assert is_started("pocket-large") and not is_started("pocket")
    torch.manual_seed(0)
    state = weights(recipe.tower)
    assert state["_blocks.20._project_conv.weight"].shape == (352, 1248, 1, 1) and len(state) > 300
    assert sum(value.numel() for name, value in state.items() if "running" not in name) == 6_092_072


def test_a_recipe_that_lacks_a_section_or_freezes_too_much_says_so(tmp_path: Path) -> None:
    from searchkit.training.recipe import recipe_text

    text = recipe_text("pocket-large")
    (tmp_path / "frozen.toml").write_text(text.replace("frozen = 5", "frozen = 9"))
    with pytest.raises(BadInput, match="a number of its stages"):
        load_started(str(tmp_path / "frozen.toml"))
    (tmp_path / "lacking.toml").write_text(text.replace("[head]", "[feet]"))
    with pytest.raises(BadInput, match="has no 'head'"):
        load_started(str(tmp_path / "lacking.toml"))
