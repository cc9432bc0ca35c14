"""What stands around a passage, against the text that it was cut from."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.search.around import STEP, around, joined
from searchkit.types import Item, Kind

TEXT = "".join(f"Sentence number {n} stands here.{' ' if n % 3 else chr(10) * 2}" for n in range(400)).strip()


def cut(page_of: int = 12) -> list[Item]:
    """Passages of about 60 characters that share some of their text, or leave white space out."""
    found: list[Item] = []
    start = 0
    while start < len(TEXT):
        end = min(len(TEXT), start + 60)
        text = TEXT[start:end].strip()
        begin = start + TEXT[start:end].index(text)
        page = 1 + len(found) // page_of
        place, span = len(found), (page, begin, begin + len(text), text)
        found.append(Item(f"i{place}", Kind.PASSAGE, "/a", "/", "x", place, 0.0, *span))
        start = end if len(found) % 2 or end == len(TEXT) else end - 13
    return found


ITEMS = cut()
BY_ID = {item.id: item for item in ITEMS}


def get(ids: list[str]) -> list[Item]:
    return [BY_ID[i] for i in ids if i in BY_ID]


@pytest.mark.parametrize("place", [0, 1, 57, len(ITEMS) - 1])
@pytest.mark.parametrize("passages", [0, 1, 3])
def test_neighbours_are_one_stretch_with_every_word_at_its_place(place: int, passages: int) -> None:
    found = around(ITEMS[place], get, lambda n: f"i{n}", passages=passages)
    first, last = ITEMS[max(0, place - passages)], ITEMS[min(len(ITEMS) - 1, place + passages)]
    assert (found.start, found.end) == (first.start, last.end)
    source = TEXT[found.start : found.end]
    assert len(found.text) == len(source) and found.text.split() == source.split()
    assert [a for a, b in zip(found.text, source, strict=True) if a != b and not b.isspace()] == []


@pytest.mark.parametrize("page_of", [3, STEP, 2 * STEP, 40])
def test_a_whole_page_is_all_of_its_passages_and_no_other(page_of: int) -> None:
    items = cut(page_of)
    known = {item.id: item for item in items}
    item = items[page_of + 1]
    found = around(item, lambda ids: [known[i] for i in ids if i in known], lambda n: f"i{n}", page=True)
    page = [one for one in items if one.page == 2]
    assert len(page) == page_of and (found.start, found.end, found.page) == (page[0].start, page[-1].end, 2)


def test_the_order_in_which_passages_come_does_not_matter() -> None:
    assert joined(ITEMS[5:2:-1]) == joined(ITEMS[3:6])


def test_a_collection_gives_what_stands_around_its_hits(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "long.txt").write_text(TEXT)
    Image.new("RGB", (9, 9), "red").save(tmp_path / "files" / "red.png")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(tmp_path / "files")
        hit = library.search("sentence number 200 stands", kind="passage", k=1)[0]
        near = library.around(hit, passages=2)
        assert near.start < hit.item.start and near.end > hit.item.end  # type: ignore[operator]
        assert near.text.split() == TEXT[near.start : near.end].split()
        with pytest.raises(BadInput, match="picture"):
            library.around(library.search("red", kind="image", k=1)[0])
