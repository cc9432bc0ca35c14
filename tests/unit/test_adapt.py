"""From pairs to an adapter in use: learned where there is something to learn, refused where there is not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.adapt import adapt, use
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.place import read_manifest

COLOURS = {
    "crimson": (200, 20, 40),
    "navy": (10, 20, 110),
    "olive": (120, 120, 10),
    "snow": (245, 245, 250),
    "coal": (25, 25, 25),
    "amber": (250, 190, 10),
}
GOODS = ("shirt", "scarf", "boots", "jacket", "hat")
EACH = 8


def picture(colour: str, goods: str, number: int) -> Image.Image:
    """A corner says what it is, the rest its colour: what a projection of a thumbnail keeps."""
    rng = np.random.default_rng([list(COLOURS).index(colour), GOODS.index(goods), number])
    light = rng.normal(0, 45, (4, 4, 3)).repeat(8, 0).repeat(8, 1)  # each in a light of its own
    pixels = np.clip(np.array(COLOURS[colour]) + light, 0, 255)
    row, column = divmod(GOODS.index(goods), 4)
    pixels[8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 255 - pixels[0, 0]
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of goods with names that tell the encoder nothing, some documents, and pairs of both."""
    root = tmp_path_factory.mktemp("shop")
    (root / "goods").mkdir()
    rng = np.random.default_rng(3)
    rows = []
    for colour in COLOURS:
        for goods in GOODS:
            for number in range(EACH):
                name = f"{len(rows):04d}.png"
                picture(colour, goods, number).save(root / "goods" / name)
                rows.append(
                    {"text": f"{colour} {goods} {rng.integers(1000, 9999)}", "image": f"goods/{name}"}
                )
    (root / "notes").mkdir()
    for name, text in (("care", "Wash a navy shirt cold."), ("returns", "Send it back in thirty days.")):
        (root / "notes" / f"{name}.txt").write_text(text)
    (root / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    with Collection.open(root / "library", encoder=Hashing()) as library:
        library.add(root / "goods", root / "notes")
    return root


@pytest.fixture
def library(shop: Path) -> Iterator[Collection]:
    with Collection.open(shop / "library", encoder=Hashing(), create=False) as found:
        use(found, None)
        yield found
        use(found, None)


def first(library: Collection, text: str, kind: str = "image") -> list[tuple[str, float]]:
    return [(hit.path, hit.score) for hit in library.search(text, k=5, kind=kind)]


def test_real_pairs_are_accepted_and_found_better(shop: Path, library: Collection) -> None:
    passages, plain = first(library, "navy shirt", "passage"), first(library, "navy shirt")
    report = adapt(library, shop / "pairs.jsonl")
    by_direction = {str(one.direction): one for one in report.verdicts}
    found = by_direction["text-image"]
    assert found.accepted and report.in_use
    assert found.found["ndcg@10"].low > 0.05
    assert read_manifest(library.root).adapter == report.name

    blue = {f"{n:04d}.png" for n in range(EACH * len(GOODS), 2 * EACH * len(GOODS))}
    right = [Path(path).name in blue for path, _ in first(library, "navy shirt")]
    assert sum(right) >= 4 and first(library, "navy shirt") != plain
    assert first(library, "navy shirt", "passage") == passages  # it was not asked about passages

    use(library, None)
    assert first(library, "navy shirt") == plain
