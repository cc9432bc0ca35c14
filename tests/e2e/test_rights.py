"""Nobody but its owner reads a collection, whatever the sources allow and whatever the umask is."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.collection import doctor as examination
from searchkit.collection.lock import writing
from searchkit.collection.rights import as_private_as
from searchkit.indexers import background
from tests.e2e.test_cli import Shell

pytestmark = pytest.mark.skipif(os.name != "posix", reason="rights of the group and of everybody")


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"note {number} about thing{number}\n")
    grid = np.random.default_rng(1).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(grid).resize((640, 640)).save(folder / "squares.png")
    return folder


def modes(root: Path) -> dict[str, int]:
    """The rights that others have of each file and folder, where they have any."""
    found = {str(path.relative_to(root)): path.stat().st_mode & 0o777 for path in (root, *root.rglob("*"))}
    return {name: mode for name, mode in found.items() if mode & 0o077}


@pytest.fixture
def library(tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Collection]:
    monkeypatch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
    with Collection.open(tmp_path / "library", model="hashing") as library:
        library.add(files)
        library.accelerate(wait=True)
        yield library


def test_a_new_collection_is_its_owners_alone_down_to_the_last_file(library: Collection) -> None:
    parts = {path.name for path in library.root.iterdir()}
    assert {"collection.toml", "catalog.sqlite", "lance", "faiss", "thumbs", "neutral"} <= parts
    assert modes(library.root) == {}


def test_it_stays_so_through_searches_changes_and_processes_of_its_own(
    library: Collection, files: Path
) -> None:
    library.search("thing3", k=1)
    (files / "new.txt").write_text("A new note.\n")
    assert background.begin(library, str(files))
    assert background._running[library.root].wait(60) == 0, background.last_words(library.root)
    library.remove(files / "3.txt")
    library.label(["grid", "dog"])
    assert (library.root / background.LOG).is_file()
    assert modes(library.root) == {}


def test_an_empty_folder_that_everybody_may_read_becomes_private(tmp_path: Path) -> None:
    (tmp_path / "library").mkdir(mode=0o755)
    with Collection.open(tmp_path / "library", model="hashing"):
        pass
    assert modes(tmp_path / "library") == {}


def test_the_doctor_tells_of_a_collection_that_others_may_read_and_mends_it(
    files: Path, tmp_path: Path
) -> None:
    shell = Shell(tmp_path)
    assert shell.run("index", files, "--model", "hashing", "-q").code == 0
    root = tmp_path / "library"
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    told = shell.run("doctor")
    assert told.code == 0 and f"note: {root}: other users of this machine may read".encode() in told.out
    mended = shell.run("doctor", "--fix")
    assert mended.code == 0 and b"(mended)" in mended.out
    assert modes(root) == {}
    assert shell.run("doctor").out == b""
    assert shell.run("search", "thing3", "-k", "1", "-f").lines == [str(files / "3.txt")]


def test_what_is_written_into_a_shared_collection_stays_shared(library: Collection) -> None:
    """Where the owner has let the group in, the group reads what comes later too."""
    library.root.chmod(0o750)
    with writing(library.root):
        (library.root / "made").touch(0o666)
    assert (library.root / "made").stat().st_mode & 0o777 == 0o640
    assert [finding.what for finding in examination.examine(library)] != []


def test_the_mask_of_the_process_is_what_it_was_when_the_last_has_left(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with as_private_as(tmp_path):
            inside.set()
            leave.wait(60)

    other = threading.Thread(target=hold)
    with as_private_as(tmp_path):
        other.start()
        assert inside.wait(60)
    (tmp_path / "while").touch()
    leave.set()
    other.join()
    (tmp_path / "after").touch()
    assert (tmp_path / "while").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "after").stat().st_mode & 0o777 == 0o644
