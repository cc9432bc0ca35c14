"""What takes an indexed file's place is never waited for, and no more of it is read than was indexed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.collection.previews import decoded, page, picture, thumbnail, unchanged
from searchkit.encoders.hashing import Hashing
from searchkit.errors import Unreadable
from searchkit.finetuning.described import description
from searchkit.finetuning.gather import gather
from searchkit.ingest.load import Failed, Loader
from searchkit.ingest.walk import entry_of
from searchkit.parsers.regular import bytes_of, opened_regular
from searchkit.registry import parser_of
from searchkit.types import DEFAULTS, FileEntry, Item
from searchkit.views.relevance import heat

PAPER = Path(__file__).parents[2] / "data" / "papers" / "expedition-diary.pdf"
SECONDS = 20
HUGE = 1 << 40
"""Bytes of a sparse file that nobody could read to its end."""


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    """Whoever waits for a FIFO, or reads a device, is stopped."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"it took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def fifo(path: Path) -> None:
    os.mkfifo(path)


def zeros(path: Path) -> None:
    path.symlink_to("/dev/zero")


def huge(path: Path) -> None:
    path.touch()
    os.truncate(path, HUGE)


REPLACED = pytest.mark.parametrize("replace", [fifo, zeros, huge], ids=lambda way: way.__name__)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    folder = tmp_path / "files"
    folder.mkdir()
    grid = np.random.default_rng(3).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(grid).save(folder / "photo.png")
    (folder / "notes.md").write_text("# How bees winter\n\nThe hive is fed with syrup.\n")
    shutil.copy(PAPER, folder / "paper.pdf")
    with Collection.open(tmp_path / "library", model="hashing") as made:
        made.add(folder)
        yield made


def item(library: Collection, name: str) -> Item:
    return next(hit.item for hit in library.search("x", k=9, collapse="none") if hit.path.endswith(name))


@REPLACED
def test_the_page_refuses_what_took_the_place_of_an_indexed_file(
    library: Collection, replace: Callable[[Path], None]
) -> None:
    photo, notes, paper = (item(library, name) for name in ("photo.png", "notes.md", "paper.pdf"))
    for one in (photo, notes, paper):
        Path(one.path).unlink()
        replace(Path(one.path))
    library.thumbs.drop([photo.sha256])
    for ask in (
        lambda: thumbnail(library, photo),
        lambda: picture(library, photo),
        lambda: decoded(library, photo, 64),
        lambda: heat(library, photo, "bees"),
        lambda: page(paper),
        *(lambda one=one: unchanged(one, most=1 << 30) for one in (photo, notes, paper)),
    ):
        with pytest.raises(Unreadable, match=r"no regular file|has changed"):
            ask()


@pytest.mark.parametrize("replace", [fifo, zeros], ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", ["a.png", "a.txt", "a.pdf", "a.docx", "a.md", "a.ipynb"])
def test_a_file_that_is_replaced_between_the_walk_and_the_reading_fails_by_its_name(
    tmp_path: Path, name: str, replace: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    replace(path)
    found = Loader(Hashing(), frozenset(), DEFAULTS)(FileEntry(str(path), 40, 0))
    assert isinstance(found, Failed) and found.reason == f"{path} is no regular file"
    assert entry_of(str(path)) is None


@pytest.mark.parametrize("replace", [fifo, zeros], ids=lambda way: way.__name__)
@pytest.mark.parametrize("name", ["a.txt", "a.pdf", "a.docx", "a.md", "a.ipynb", "a.eml", "a.odt", "a.xlsx"])
def test_no_parser_waits_for_what_took_a_files_place(
    tmp_path: Path, name: str, replace: Callable[[Path], None]
) -> None:
    path = tmp_path / name
    path.write_bytes(b"%PDF-" if name.endswith("pdf") else b"text")
    parser = parser_of(path)
    assert parser is not None
    path.unlink()
    replace(path)
    with pytest.raises(Unreadable, match="no regular file"):
        parser.parse(path)


@pytest.mark.parametrize("replace", [fifo, zeros], ids=lambda way: way.__name__)
def test_pairs_are_gathered_past_what_took_a_files_place(
    library: Collection, tmp_path: Path, replace: Callable[[Path], None]
) -> None:
    photo = Path(item(library, "photo.png").path)
    for path in (photo, photo.with_name("notes.md")):
        path.unlink()
        replace(path)
    replace(photo.with_suffix(".txt"))
    assert description(photo) is None
    assert gather(library, tmp_path / "pairs.jsonl") == 0


def test_a_regular_file_is_read_through_a_link_and_up_to_a_limit(tmp_path: Path) -> None:
    file, link = tmp_path / "a", tmp_path / "b"
    file.write_bytes(b"twelve bytes")
    link.symlink_to(file)
    with opened_regular(link, size=12) as opened:
        assert opened.read() == b"twelve bytes"
    assert bytes_of(link, most=12) == b"twelve bytes"
    with pytest.raises(Unreadable, match="too large"):
        bytes_of(file, most=11)
    with pytest.raises(Unreadable, match="has changed"):
        opened_regular(file, size=11)
    with pytest.raises(Unreadable, match="No such file"):
        opened_regular(tmp_path / "c")
    with pytest.raises(Unreadable, match="Is a directory"):
        opened_regular(tmp_path)
