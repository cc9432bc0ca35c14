"""What was said of results is kept, taken back, read as pairs, and leaves with the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from searchkit.catalog.catalog import Catalog, Rating
from searchkit.collection import Collection
from searchkit.errors import BadInput
from searchkit.finetuning.pairs import read_pairs
from searchkit.finetuning.ratings import NOTHING, RIGHT, WRONG, pairs, rate, rated, write_pairs
from searchkit.types import Item


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    folder = tmp_path / "files"
    folder.mkdir()
    for colour in ("red", "blue"):
        Image.new("RGB", (80, 80), colour).save(folder / f"{colour}.png")
    (folder / "bees.txt").write_text("The hive is fed with sugar syrup in autumn.\n")
    (folder / "bread.txt").write_text("Dough rises in an hour.\n")
    with Collection.open(tmp_path / "library", model="hashing") as made:
        made.add(folder)
        yield made


def item(library: Collection, name: str) -> Item:
    return next(hit.item for hit in library.search("x", k=9) if hit.path.endswith(name))


def test_the_last_word_on_a_result_counts(library: Collection) -> None:
    red, blue = item(library, "red.png"), item(library, "blue.png")
    rate(library, "a warm  colour", red, WRONG)
    rate(library, "a warm colour", red, RIGHT)
    assert rated(library, "a warm colour ", [blue, red]) == [NOTHING, RIGHT]
    assert rated(library, "another", [red]) == [NOTHING] and rated(library, "another", []) == []
    rate(library, "a warm colour", red, NOTHING)
    assert library.catalog.ratings() == []


def test_ratings_become_pairs_that_adapt_can_read(library: Collection, tmp_path: Path) -> None:
    red, blue = item(library, "red.png"), item(library, "blue.png")
    bees, bread = item(library, "bees.txt"), item(library, "bread.txt")
    rate(library, "a warm colour", red, RIGHT)
    rate(library, "a warm colour", blue, WRONG)
    rate(library, "winter food", bees, RIGHT)
    rate(library, "winter food", bread, WRONG)
    rate(library, red, bees, RIGHT)
    rate(library, red, blue, RIGHT)
    assert list(pairs(library)) == [
        {"text": "a warm colour", "image": red.path},
        {"text": "winter food", "text2": bees.text, "negatives": [bread.text]},
        {"image": red.path, "text": bees.text},
        {"image": red.path, "image2": blue.path},
    ]
    assert write_pairs(library, tmp_path / "ratings.jsonl") == 4
    read = read_pairs(tmp_path / "ratings.jsonl")
    assert read.rows == 4 and not read.bad
    assert {str(read.direction(pair)) for pair in read.pairs} == {
        "text-image",
        "image-passage",
        "text-passage",
        "image-image",
    }


def test_a_passage_cannot_ask(library: Collection) -> None:
    with pytest.raises(BadInput, match="no question"):
        rate(library, item(library, "bees.txt"), item(library, "red.png"), RIGHT)


def test_removing_a_file_removes_what_was_said_of_it_and_asked_with_it(library: Collection) -> None:
    red, blue, bees = (item(library, name) for name in ("red.png", "blue.png", "bees.txt"))
    rate(library, "winter food", bees, RIGHT)
    rate(library, red, blue, RIGHT)
    rate(library, "sky", blue, RIGHT)
    library.remove(bees.path, red.path)
    assert [json.dumps(row) for row in pairs(library)] == [json.dumps({"text": "sky", "image": blue.path})]
    assert len(library.catalog.ratings()) == 1


def test_a_file_that_is_only_gone_takes_its_ratings_not_with_it(library: Collection, tmp_path: Path) -> None:
    red, blue = item(library, "red.png"), item(library, "blue.png")
    rate(library, "sky", blue, RIGHT)
    rate(library, "dusk", red, RIGHT)
    Path(blue.path).unlink()
    library.add()
    assert [row["text"] for row in pairs(library)] == ["dusk"]
    Image.new("RGB", (80, 80), "blue").save(blue.path)
    library.add()
    assert [row["text"] for row in pairs(library)] == ["sky", "dusk"]


def test_without_ratings_there_is_nothing_to_write(library: Collection, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="rated as right"):
        write_pairs(library, tmp_path / "ratings.jsonl")


def test_both_engines_keep_ratings(database: str) -> None:
    catalog = Catalog(database)
    said = Rating("sky", None, "a" * 64, "image", 0, None, 1)
    catalog.rate(said)
    catalog.rate(Rating(None, "b" * 64, "a" * 64, "passage", 3, "text", -1))
    assert catalog.ratings(question="sky") == [said]
    assert len(catalog.ratings(like="b" * 64)) == 1
    catalog.drop_ratings(["b" * 64])
    assert catalog.ratings() == [said]
    catalog.close()
