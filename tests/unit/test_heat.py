"""Where a text is answered in a picture: the grid follows the windows, the words and the adapter."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, Unreadable
from searchkit.finetuning.adapt import use
from searchkit.search.adapter import Adapter, QueryMap, save_adapter
from searchkit.types import Item, Kind, Vectors
from searchkit.views.relevance import CELLS, WINDOW, heat, shown, spread, warm, windows

RED, GREEN = (220, 20, 20), (20, 200, 20)


class Colours(Hashing):
    """Knows two words and two colours: a picture is as much of each as it shows."""

    def encode_text(self, texts: list[str]) -> Vectors:  # type: ignore[override]
        return self._unit([[float("red" in text), float("green" in text)] for text in texts])

    def encode_images(self, pixels: list[np.ndarray]) -> Vectors:  # type: ignore[override]
        means = [one.reshape(-1, 3).mean(axis=0) for one in pixels]
        return self._unit([[one[0], one[1]] for one in means])

    def prepare_image(self, image: Image.Image) -> np.ndarray:
        return np.asarray(image.convert("RGB"))

    def _unit(self, rows: list[list[float]]) -> Vectors:
        out = np.zeros((len(rows), self.space.dim), np.float32)
        out[:, :2] = rows
        out[:, 2] = 1e-3
        unit: Vectors = out / np.linalg.norm(out, axis=1, keepdims=True)
        return unit


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    picture = Image.new("RGB", (300, 200), GREEN)
    picture.paste(RED, (150, 0, 300, 200))
    picture.save(folder / "halves.png")
    Image.new("RGB", (1, 1), RED).save(folder / "dot.png")
    (folder / "notes.txt").write_text("The hive is fed with syrup.\n")
    with Collection.open(tmp_path / "library", encoder=Colours()) as made:
        made.add(folder)
        yield made


def item(library: Collection, name: str) -> Item:
    hits = library.search("red", k=10, collapse="none")
    return next(hit.item for hit in hits if hit.path.endswith(name))


def test_the_part_of_a_picture_that_fits_the_words_is_warm(library: Collection) -> None:
    halves = item(library, "halves.png")
    red, green = heat(library, halves, "red"), heat(library, halves, "green")
    assert red.shape == (CELLS, CELLS)
    assert (red[:, -1] > red[:, 0] + 0.2).all() and (green[:, 0] > green[:, -1] + 0.2).all()
    assert np.allclose(red, red[0], atol=1e-5)  # every row alike: the picture is


def test_the_words_go_through_the_adapter_in_use(library: Collection) -> None:
    dim = library.encoder.space.dim
    swap = np.zeros((dim, dim), np.float32)
    swap[0, :2], swap[1, :2] = (-1, 1), (1, -1)
    none = np.zeros((0, dim), np.float32), np.zeros(0, np.float32), np.zeros((dim, 0), np.float32)
    swapped = QueryMap(swap, *none, np.zeros(dim, np.float32), np.float32(1))
    before = heat(library, item(library, "halves.png"), "green")
    adapter = Adapter("swap", library.manifest.space, "0123", {("text", Kind.IMAGE): swapped})
    save_adapter(adapter, library.root / "adapters" / "swap", {})
    use(library, "swap")
    assert np.allclose(heat(library, item(library, "halves.png"), "red"), before, atol=1e-4)


def test_each_cell_is_the_mean_of_the_windows_over_it() -> None:
    scores = np.random.default_rng(0).normal(size=len(windows(CELLS, CELLS))).astype(np.float32)
    grid = spread(scores)
    for row in range(CELLS):
        for column in range(CELLS):
            over = [
                score
                for score, (left, top, right, bottom) in zip(scores, windows(CELLS, CELLS), strict=True)
                if left <= column < right and top <= row < bottom
            ]
            assert grid[row, column] == pytest.approx(np.mean(over), abs=1e-6)
    assert {right - left for left, _, right, _ in windows(CELLS, CELLS)} == {WINDOW}


def test_a_picture_of_one_pixel_has_a_map_too(library: Collection) -> None:
    grid = heat(library, item(library, "dot.png"), "red")
    assert np.ptp(grid) < 1e-6 and np.allclose(warm(grid), 0.5, atol=1e-4)


def test_where_it_fits_the_picture_keeps_its_colour_and_elsewhere_it_is_dark_and_grey() -> None:
    data = io.BytesIO()
    Image.new("RGB", (120, 120), RED).save(data, "PNG")
    grid = np.zeros((CELLS, CELLS), np.float32)
    grid[:, CELLS // 2 :] = 1.0
    with Image.open(io.BytesIO(shown(data.getvalue(), grid))) as made:
        left, right = (np.asarray(made)[60, x].astype(int) for x in (5, 115))
    assert abs(right - RED).max() < 25
    assert left.max() < 60 and np.ptp(left) < 15


def test_what_cannot_be_looked_at_is_refused_with_a_reason(library: Collection) -> None:
    halves = item(library, "halves.png")
    with pytest.raises(BadInput, match="no words"):
        heat(library, halves, "  ")
    passage = next(
        hit.item for hit in library.search("red", kind="passage", collapse="none") if hit.kind is Kind.PASSAGE
    )
    with pytest.raises(BadInput, match="no picture"):
        heat(library, passage, "red")
    Path(halves.path).write_bytes(b"something else")
    with pytest.raises(Unreadable, match="has changed"):
        heat(library, halves, "red")
