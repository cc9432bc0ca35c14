"""Disks that go away, files that grow, a database that is locked: each ends consistent and says which."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.jobs import How, enqueue
from searchkit.encoders.hashing import Hashing
from searchkit.indexers.worker import Worker
from searchkit.parsers.text import TextParser
from searchkit.types import Vectors

NOTES = 24


class Meanwhile(Hashing):
    """Does something when it has encoded so many notes."""

    def __init__(self, after: int, then: Callable[[], object]) -> None:
        super().__init__()
        self.left, self.then = after, then

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.left -= sum(text.startswith("note") for text in texts)
        if self.left <= 0:
            self.left = 1 << 30
            self.then()
        return super().encode_text(texts)


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(NOTES):
        (folder / f"{number:02}.txt").write_text(f"note {number} about thing{number}\n")
    return folder


def whole(library: Collection) -> None:
    """Everything is indexed, nothing is blamed, nothing is torn."""
    assert len(list(library.assets())) == library.store.count() == NOTES
    assert library.failures() == [] and examine(library) == []
    assert library.search("thing17", k=1)[0].path.endswith("17.txt")


@pytest.fixture(params=["moved", pytest.param("mounted", marks=pytest.mark.slow)])
def disk(
    request: pytest.FixtureRequest, notes: Path, tmp_path: Path
) -> Iterator[tuple[Callable[[], object], ...]]:
    """Two functions: the disk of the notes goes away, and comes back. A real one, or a folder that is
    moved from its mount point."""
    away = tmp_path / "away"
    if request.param == "moved":

        def unplug() -> None:
            notes.rename(away)
            notes.mkdir()

        yield unplug, lambda: (notes.rmdir(), away.rename(notes))
        return
    shutil.copytree(notes, away)

    def plug() -> None:
        subprocess.run(["mount", "--bind", away, notes], check=True, capture_output=True)

    shutil.rmtree(notes)
    notes.mkdir()
    try:
        plug()
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    yield lambda: subprocess.run(["umount", "-l", notes], check=True), plug
    subprocess.run(["umount", "-l", notes], check=False, capture_output=True)


def test_a_source_that_goes_away_in_the_middle_of_a_run_is_offline_and_loses_nothing(
    notes: Path, tmp_path: Path, disk: tuple[Callable[[], object], ...]
) -> None:
    unplug, plug = disk
    with Collection.open(tmp_path / "library", encoder=Meanwhile(8, unplug)) as library:
        report = library.add(notes, batch_size=4)
        assert report.offline == 1 and any("notes is empty: taken for offline" in w for w in report.warnings)
        assert library.catalog.sources()[0].state == "offline" and library.failures() == []
        kept = len(list(library.assets()))
        assert 8 <= kept < NOTES and library.search("thing1", k=1)[0].path.endswith("01.txt")
        assert [f.what for f in examine(library)] == ["source is offline; its items stay searchable"]
        assert library.add().deleted == 0 and len(list(library.assets())) == kept
        plug()
        assert library.add().indexed == NOTES - kept
        whole(library)


def test_a_source_that_goes_away_while_a_worker_is_at_it_loses_nothing(
    notes: Path, tmp_path: Path, disk: tuple[Callable[[], object], ...]
) -> None:
    unplug, plug = disk
    with Collection.open(tmp_path / "library", encoder=Meanwhile(8, unplug)) as library:
        enqueue(library, notes)
        reports: list[str] = []
        worker = Worker(library, How(4, 1), on_report=lambda report: reports.extend(report.warnings))
        worker.run(once=True)
        assert any("notes is empty: taken for offline" in warning for warning in reports)
        assert library.failures() == [] and 8 <= len(list(library.assets())) < NOTES
        plug()
        enqueue(library)
        worker.run(once=True)
        whole(library)


def test_a_source_that_goes_away_during_the_walk_deletes_nothing(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(notes)
        seen: list[object] = []

        def unplug(progress: object) -> None:
            seen.append(progress)
            if len(seen) == NOTES - 5:
                notes.rename(tmp_path / "away")
                notes.mkdir()

        report = library.add(on_progress=unplug)
        assert (report.deleted, report.offline) == (0, 1)
        notes.rmdir()
        (tmp_path / "away").rename(notes)
        assert library.add().unchanged == NOTES
        whole(library)


def test_a_file_that_grows_while_it_is_read_is_told_and_read_again(
    notes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing = notes / "17.txt"
    before, parse = growing.read_bytes(), TextParser.parse

    def late(self: TextParser, path: Path) -> object:
        if path.name == growing.name:
            with growing.open("a") as file:  # what was hashed is not what is parsed
                file.write("and about elephants\n")
        return parse(self, path)

    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        with monkeypatch.context() as patched:
            patched.setattr(TextParser, "parse", late)
            assert library.add(notes).failed == 1
        (failure,) = library.failures()
        assert "changed while it was read" in failure.reason and failure.path == str(growing)
        (notes / "copy.txt").write_bytes(
            before
        )  # the content that was hashed, and must not be taken for known
        assert library.add().failed == 0
        assert library.search("elephants", k=1)[0].path == str(growing)
        (notes / "copy.txt").unlink()
        library.add()
        whole(library)


@pytest.mark.slow
def test_a_database_that_stays_locked_is_waited_for_and_named(
    notes: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    taken, free = threading.Event(), threading.Event()

    def lock() -> None:
        with sqlite3.connect(tmp_path / "library" / "catalog.sqlite", isolation_level=None) as other:
            other.execute("BEGIN IMMEDIATE")
            taken.set()
            free.wait(60)
            other.execute("ROLLBACK")
        other.close()

    thread = threading.Thread(target=lock)

    def hold() -> None:
        thread.start()
        assert taken.wait(10)
        threading.Timer(12.0, free.set).start()  # longer than SQLite waits by itself

    with Collection.open(tmp_path / "library", encoder=Meanwhile(8, hold)) as library:
        enqueue(library, notes)
        began = time.monotonic()
        with caplog.at_level(logging.WARNING, "searchkit"):
            Worker(library, How(4, 1)).run(once=True)
        thread.join()
        assert time.monotonic() - began > 10
        assert "database is locked" in caplog.text
        whole(library)
