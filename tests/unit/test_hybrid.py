"""Meaning and exact words together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.search.hybrid import CONSTANT, convex, fuse, reciprocal_rank
from searchkit.stores.lance import LanceStore
from searchkit.types import Candidate, Hit, Item, Kind


def test_reciprocal_rank_is_the_sum_over_the_lists() -> None:
    lists = [["a", "b", "c"], ["c", "a"], []]
    by_hand = {
        "a": 1 / (CONSTANT + 1) + 1 / (CONSTANT + 2),
        "c": 1 / (CONSTANT + 3) + 1 / (CONSTANT + 1),
        "b": 1 / (CONSTANT + 2),
    }
    found = reciprocal_rank(lists)
    assert found == pytest.approx(by_hand) and list(found) == ["a", "c", "b"]


def test_scores_of_any_scale_are_brought_together_by_how_far_up_their_list_they_are() -> None:
    cosines, words = {"a": 0.9, "b": 0.5, "c": 0.1}, {"c": 30.0, "b": 29.0, "d": 10.0}
    by_hand = {"a": 0.5, "b": 0.5 * 0.5 + 0.5 * 0.95, "c": 0.5, "d": 0.0}
    found = convex([cosines, words])
    assert found == pytest.approx(by_hand) and list(found) == ["b", "a", "c", "d"]
    assert list(reciprocal_rank([list(cosines), list(words)])) != list(found)  # ranks alone put c first
    assert convex([{"a": 2.0}, {}]) == {"a": 0.5} and convex([{}, {}]) == {}
    items = {name: Item(name, Kind.PASSAGE, "/", "/", "", 0, 0.0) for name in "abcd"}
    lists = [[(score, Candidate(items[n], 0.1)) for n, score in some.items()] for some in (cosines, words)]
    assert [c.item.id for c in fuse(lists)] == ["b", "a", "c", "d"]


class Blind(Hashing):
    """Every text alike to it: what is told apart is told apart by its words."""

    def encode_text(self, texts: list[str]) -> np.ndarray:  # type: ignore[override]
        return super().encode_text(["the same"] * len(texts))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    files = tmp_path / "files"
    files.mkdir()
    for number in range(30):
        (files / f"note{number:02}.txt").write_text(f"About connections. The code is QX{number:03} here.")
    Image.new("RGB", (20, 20), "red").save(files / "Grandma_birthday-2019.png")
    Image.new("RGB", (20, 20), "blue").save(files / "IMG_0001.png")
    with Collection.open(tmp_path / "library", encoder=Blind()) as opened:
        opened.add(files)
        yield opened


def first(hits: list[Hit]) -> str:
    return Path(hits[0].path).name


def test_an_exact_word_is_found_where_meaning_is_blind(library: Collection) -> None:
    assert {first(library.search(f"QX{n:03}", hybrid=True, kind="passage")) for n in (3, 17)} == {
        "note03.txt",
        "note17.txt",
    }
    assert len({first(library.search(f"QX{n:03}", kind="passage")) for n in (3, 17)}) == 1


def test_the_words_of_a_file_name_count_as_text(library: Collection) -> None:
    assert first(library.search("birthday", hybrid=True, kind="image")) == "Grandma_birthday-2019.png"
    hits = library.search("birthday grandma", hybrid=True, k=40)
    assert "Grandma_birthday-2019.png" in [Path(hit.path).name for hit in hits[:2]]
    assert len({hit.item.id for hit in hits}) == len(hits) == 32


def test_what_was_just_written_is_found_by_its_words(library: Collection, tmp_path: Path) -> None:
    (tmp_path / "files" / "late.txt").write_text("A late note about ZZTOP.")
    library.add()
    assert first(library.search("zztop", hybrid=True)) == "late.txt"


def test_filters_and_confidence_hold_for_words_too(library: Collection) -> None:
    hits = library.search("QX005", hybrid=True, filter="path NOT LIKE '%note05%'", k=40)
    assert hits and all("note05" not in hit.path for hit in hits)
    plain = {hit.path: hit.confidence for hit in library.search("QX005", k=40)}
    assert {h.path: h.confidence for h in library.search("QX005", hybrid=True, k=40)} == pytest.approx(plain)
    with pytest.raises(BadInput, match="colour"):
        library.search("QX005", hybrid=True, filter="colour = 1")


def test_without_words_there_is_nothing_to_match(library: Collection) -> None:
    with pytest.raises(BadInput, match="no words"):
        library.search(vector=[1.0] * 64, hybrid=True)
    assert library.search('"(+-~*:^', hybrid=True)  # signs are no syntax


def test_the_store_ranks_by_words_and_prefilters(tmp_path: Path) -> None:
    encoder = Hashing()
    store = LanceStore(tmp_path, encoder.space)
    texts = ["alpha beta", "alpha alpha alpha", "beta gamma", "delta"]
    rows = [
        Item(f"{n}", Kind.PASSAGE, f"/d/{n}.txt", "/d", "0" * 64, 0, 0.0, text=t) for n, t in enumerate(texts)
    ]
    store.write(rows, encoder.encode_text(texts))
    for _ in range(2):  # without an index, and with one
        found = store.match("alpha", 10, column="text")
        assert [c.item.id for c in found] == ["1", "0"] and found[0].score > found[1].score
        assert [c.item.id for c in store.match("beta", 1, column="text", where="path LIKE '%2%'")] == ["2"]
        assert store.match("alpha", 10, column="text", kind=Kind.IMAGE) == []
        assert [c.item.id for c in store.match("3", 10, column="name")] == ["3"]
        store.compact()
