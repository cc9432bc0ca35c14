"""Watching: what appears is found, what is locked is waited for, what is told to stop stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pytest
import watchfiles

from searchkit.cli.main import main
from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.lock import writing
from searchkit.errors import BadInput
from searchkit.indexers.events import Events
from searchkit.indexers.watch import watch
from searchkit.ingest.walk import Problem, Selection, walk
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import FileEntry, IndexReport, Runtime

PATIENCE = 120.0
"""Seconds to wait for something that takes a fraction of one, before a test is given up."""


class Watching:
    """`watch` in a thread, over one folder with a text about bees."""

    def __init__(self, root: Path, *, every: float) -> None:
        self.notes, self.where = root / "notes", root / "library"
        self.notes.mkdir()
        (self.notes / "bees.txt").write_text("The hive is fed with sugar syrup.\n")
        Collection.open(self.where, model="hashing").close()
        self.reports: Queue[IndexReport] = Queue()
        self.end = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(every,), daemon=True)

    def _run(self, every: float) -> None:
        paths, stop = [str(self.notes)], self.end.is_set
        watch(str(self.where), paths, every=every, stop=stop, on_report=self.reports.put)

    def report_where(self, true: Callable[[IndexReport], bool]) -> IndexReport:
        end, seen = time.monotonic() + PATIENCE, []
        while time.monotonic() < end:
            seen.append(self.reports.get(timeout=PATIENCE))
            if true(seen[-1]):
                return seen[-1]
        raise AssertionError(f"no such report, only {seen[:9]}")

    def report_in_all(self, **counts: int) -> None:
        """Until what comes adds up to this: where one burst of changes ends is the system's to say."""
        so_far = dict.fromkeys(counts, 0)
        while so_far != counts:
            report = self.reports.get(timeout=PATIENCE)
            so_far = {name: count + getattr(report, name) for name, count in so_far.items()}
            assert all(so_far[name] <= counts[name] for name in counts), so_far

    def best(self, words: str) -> str:
        with Collection.open(self.where, create=False) as library:
            return Path(library.search(words, k=1)[0].path).name


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    made = Watching(tmp_path, every=0.2)
    yield made
    made.end.set()
    if made.thread.ident is not None:
        made.thread.join(PATIENCE)


def test_a_new_file_is_found_after_the_next_sweep(watching: Watching) -> None:
    watching.thread.start()
    watching.report_where(lambda report: report.indexed == 1)
    (watching.notes / "storm.txt").write_text("The keeper of the lighthouse rowed out.\n")
    watching.report_where(lambda report: report.indexed == 1)
    assert watching.best("lighthouse keeper") == "storm.txt"


def test_a_deleted_file_is_gone_after_the_next_sweep(watching: Watching) -> None:
    (watching.notes / "storm.txt").write_text("The keeper of the lighthouse rowed out.\n")
    (watching.notes / "harbour.txt").write_text("Ships wait for the tide.\n")
    watching.thread.start()
    watching.report_where(lambda report: report.indexed == 3)
    (watching.notes / "storm.txt").unlink()
    watching.report_where(lambda report: report.deleted == 1)
    assert watching.best("lighthouse keeper") != "storm.txt"


def test_changes_are_taken_up_as_they_are_reported(tmp_path: Path) -> None:
    watching = Watching(tmp_path, every=3600)
    watching.thread.start()
    try:
        watching.report_where(lambda report: report.indexed == 1)
        deep = watching.notes / "new" / "deep"
        deep.mkdir(parents=True)
        (deep / "storm.txt").write_text("The keeper of the lighthouse rowed out.\n")  # in the same burst
        watching.report_where(lambda report: report.indexed == 1)
        assert watching.best("lighthouse keeper") == "storm.txt"
        (watching.notes / "harbour.txt").write_text("Ships wait for the tide.\n")
        watching.report_where(lambda report: report.indexed == 1)
        (deep / "storm.txt").unlink()
        watching.report_where(lambda report: report.deleted == 1)
    finally:
        watching.end.set()
        watching.thread.join(PATIENCE)


class Held:
    """The walk, which waits after so many files of the next whole source, in whatever thread it is."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
        self.after, self.armed = after, threading.Event()
        self.inside, self.go_on = threading.Event(), threading.Event()
        monkeypatch.setattr("searchkit.ingest.scan.walk", self)

    def __call__(self, root: str, selection: Selection, **options: Any) -> Iterator[FileEntry | Problem]:
        mine = options["start"] is None and self.armed.is_set()
        for number, found in enumerate(walk(root, selection, **options)):
            yield found
            if mine and number == self.after:
                self.armed.clear()
                self.inside.set()
                assert self.go_on.wait(2 * PATIENCE)


def test_changes_wait_for_no_look_and_the_look_undoes_none(
    watching: Watching, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (watching.notes / f"n{number:02}.txt").write_text(f"note {number} about thing{number}\n")
    look = Held(monkeypatch, after=20)
    watching.thread.start()
    watching.report_where(lambda report: report.indexed == 41)
    look.armed.set()
    assert look.inside.wait(PATIENCE)
    try:
        changed = ["n01.txt", "n31.txt"]  # of each two the look has passed one, and not the other
        for name in changed:
            (watching.notes / name).write_text(f"the keeper of lighthouse {name} rowed out\n")
        (watching.notes / "n02.txt").unlink()
        (watching.notes / "n32.txt").unlink()
        (watching.notes / "n03.txt").rename(watching.notes / "z03.txt")
        (watching.notes / "n33.txt").rename(watching.notes / "a33.txt")
        watching.report_in_all(indexed=2, reused=2, deleted=0)
        assert {watching.best(f"keeper of lighthouse {name}") for name in changed} == set(changed)
        assert not look.armed.is_set() and not look.go_on.is_set(), "the look went on"
    finally:
        look.go_on.set()
    watching.report_in_all(indexed=0, reused=0, deleted=4)
    watching.end.set()
    watching.thread.join(PATIENCE)
    with Collection.open(watching.where, create=False) as library:
        assert {Path(asset.path) for asset in library.assets()} == set(watching.notes.iterdir())
        assert examine(library) == []
    assert {watching.best(f"keeper of lighthouse {name}") for name in changed} == set(changed)


def test_what_changes_as_soon_as_it_is_followed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = watchfiles.watch

    def slow(*folders: str, **options: Any) -> Iterator[set[tuple[Any, str]]]:
        time.sleep(0.5)  # as where there are many
        yield from real(*folders, **options)

    monkeypatch.setattr(watchfiles, "watch", slow)
    events = Events()
    try:
        assert events.follow([str(tmp_path)])
        (tmp_path / "bees.txt").write_text("The hive is fed with sugar syrup.\n")
        assert str(tmp_path / "bees.txt") in events.get(PATIENCE)
    finally:
        events.close()


def test_stop_ends_a_long_pause_at_once(tmp_path: Path) -> None:
    watching = Watching(tmp_path, every=3600)
    watching.thread.start()
    watching.reports.get(timeout=PATIENCE)
    watching.end.set()
    watching.thread.join(PATIENCE)
    assert not watching.thread.is_alive()


def test_a_locked_collection_is_waited_for(watching: Watching) -> None:
    with writing(watching.where):
        watching.thread.start()
        with pytest.raises(Empty):
            watching.reports.get(timeout=1)
        assert watching.thread.is_alive()
    watching.report_where(lambda report: report.indexed == 1)
    assert watching.best("hive") == "bees.txt"


def test_the_encoder_runs_on_what_the_command_line_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Runtime] = []

    def remember(name: str, runtime: Runtime) -> Encoder:
        seen.append(runtime)
        return load_encoder(name, runtime)

    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bees.txt").write_text("The hive is fed with sugar syrup.\n")
    Collection.open(tmp_path / "library", model="hashing").close()
    monkeypatch.setattr("searchkit.collection.parts.load_encoder", remember)

    def stop_it(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("searchkit.cli.output.summary", stop_it)
    arguments = ["searchkit", "watch", str(tmp_path / "notes"), "-c", str(tmp_path / "library")]
    monkeypatch.setattr("sys.argv", [*arguments, "--dtype", "bfloat16", "--device", "cpu", "--offline"])
    with pytest.raises(SystemExit):
        main()
    assert {(runtime.dtype, runtime.device, runtime.offline) for runtime in seen} == {
        ("bfloat16", "cpu", True)
    }


def test_a_path_that_never_was_is_refused(tmp_path: Path) -> None:
    Collection.open(tmp_path / "library", model="hashing").close()
    given_up = time.monotonic() + PATIENCE
    with pytest.raises(BadInput, match="does not exist"):
        watch(
            str(tmp_path / "library"),
            [str(tmp_path / "nowhere")],
            every=0.1,
            stop=lambda: time.monotonic() > given_up,
            on_report=lambda report: None,
        )
