"""Jobs become vectors: whoever claims them, in whatever order, the collection ends as `add` would make it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searchkit.catalog.catalog import Asset
from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.jobs import How, LeaseLost, enqueue, notice, perform
from searchkit.collection.lock import writing
from searchkit.encoders.hashing import Hashing
from searchkit.indexers.worker import FULL, Worker
from searchkit.ingest.walk import walk
from searchkit.types import IndexReport, Vectors


class Counting(Hashing):
    """Counts texts, and refuses one word."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        if any("poison" in text for text in texts):
            raise RuntimeError("the tower choked")
        return super().encode_text(texts)


class World:
    """A folder of notes, a collection of it, and one worker."""

    def __init__(self, root: Path, catalog: str) -> None:
        self.notes = root / "notes"
        self.notes.mkdir()
        for number in range(20):
            (self.notes / f"n{number:02}.txt").write_text(f"note {number} about thing{number}\n")
        self.encoder = Counting()
        self.library = Collection.open(root / "library", encoder=self.encoder, catalog=catalog)
        self.reports: list[IndexReport] = []
        self.stop = False
        self.worker = self.make_worker()

    def make_worker(self, **how: float) -> Worker:
        settings = How(batch_size=int(how.get("batch_size", 4)), threads=1, stop=lambda: self.stop)
        return Worker(self.library, settings, on_report=self.reports.append)

    def noted(self, prefix: str = "note ") -> list[str]:
        return [text for text in self.encoder.texts if text.startswith(prefix)]

    def names(self) -> list[str]:
        return [Path(asset.path).name for asset in self.library.assets()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path, "")
    yield made
    made.library.close()


@pytest.fixture
def anywhere(tmp_path: Path, database: str) -> Iterator[World]:
    made = World(tmp_path, "" if database.startswith("sqlite") else database)
    yield made
    made.library.close()


def state(library: Collection) -> tuple[list[Asset], list[str], dict[str, list[float]]]:
    """All that a search could depend on."""
    ids = sorted(library.store.ids())
    vectors = library.store.vectors(ids)
    rows = {i: np.round(v, 5).tolist() for i, v in zip(ids, vectors, strict=True)}
    return list(library.assets()), ids, rows


def test_a_worker_makes_what_a_direct_run_makes(anywhere: World, tmp_path: Path) -> None:
    report = enqueue(anywhere.library, anywhere.notes)
    assert (report.queued, report.seen, anywhere.library.store.count()) == (20, 20, 0)
    assert enqueue(anywhere.library).queued == 0  # all of it waits already
    anywhere.worker.run(once=True)
    with Collection.open(tmp_path / "other", encoder=Hashing()) as direct:
        direct.add(anywhere.notes)
        assert state(anywhere.library) == state(direct)
    assert sum(report.indexed for report in anywhere.reports) == 20 and len(anywhere.noted()) == 20
    assert enqueue(anywhere.library).queued == 0
    assert examine(anywhere.library) == []
    assert anywhere.library.catalog.references(anywhere.library.manifest.space), "the refresh has run"
    assert anywhere.library.search("thing7", k=1)[0].path.endswith("n07.txt")


def test_moving_a_folder_through_the_queue_encodes_nothing(anywhere: World) -> None:
    enqueue(anywhere.library, anywhere.notes)
    anywhere.worker.run(once=True)
    before = len(anywhere.encoder.texts)
    (anywhere.notes / "inner").mkdir()
    for file in anywhere.notes.glob("*.txt"):
        file.rename(anywhere.notes / "inner" / file.name)
    report = enqueue(anywhere.library)
    assert report.queued == 21  # twenty files, and then what is gone
    anywhere.worker.run(once=True)
    assert len(anywhere.noted()) == 20 and len(anywhere.encoder.texts) == before
    assert {Path(asset.path).parent.name for asset in anywhere.library.assets()} == {"inner"}
    assert anywhere.library.store.count() == 20 and examine(anywhere.library) == []


def test_what_is_gone_is_deleted_but_not_most_of_a_source(anywhere: World) -> None:
    enqueue(anywhere.library, anywhere.notes)
    anywhere.worker.run(once=True)
    (anywhere.notes / "n03.txt").unlink()
    assert enqueue(anywhere.library).queued == 1
    anywhere.worker.run(once=True)
    assert anywhere.library.store.count() == 19 and "n03.txt" not in anywhere.names()
    for file in (
        list(anywhere.notes.glob("n0*.txt"))
        + list(anywhere.notes.glob("n11*"))
        + [anywhere.notes / "n12.txt"]
    ):
        file.unlink()
    enqueue(anywhere.library)
    anywhere.reports.clear()
    anywhere.worker.run(once=True)
    assert len(anywhere.names()) == 19
    assert "--prune" in anywhere.reports[0].warnings[0]


def test_a_file_that_is_back_before_a_sweep_ends_is_kept(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    for name in ("n03.txt", "n04.txt", "n05.txt"):
        (world.notes / name).rename(tmp_path / name)
    assert enqueue(world.library).queued == 1

    def walk_and_come_back(*args: Any, **kwargs: Any) -> Iterator[Any]:
        yield from walk(*args, **kwargs)
        if (tmp_path / "n03.txt").exists():
            (tmp_path / "n03.txt").rename(
                world.notes / "n03.txt"
            )  # with its time: nothing else will notice it
            (world.notes / "n04.txt").mkdir()  # no file

    monkeypatch.setattr("searchkit.ingest.scan.walk", walk_and_come_back)
    world.worker.run(once=True)
    assert set(world.names()) == {f"n{number:02}.txt" for number in range(20)} - {"n04.txt", "n05.txt"}
    assert world.library.search("thing3", k=1)[0].path.endswith("n03.txt")
    assert examine(world.library) == []


def test_an_emptied_source_is_offline_and_loses_nothing(world: World, tmp_path: Path) -> None:
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    world.notes.rename(tmp_path / "unmounted")
    report = enqueue(world.library)
    assert (report.offline, report.queued) == (1, 0)
    assert world.library.search("thing7", k=1)[0].path.endswith("n07.txt")
    assert world.library.status().sources[0].state == "offline"


def test_a_file_that_breaks_its_batch_is_given_up_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchkit.catalog.jobs.BACKOFF", 0.01)
    (world.notes / "n00.txt").write_text("note poison\n")
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    failures = world.library.failures()
    assert [Path(f.path).name for f in failures] == ["n00.txt"]
    assert "given up after 5 attempts" in failures[0].reason and "choked" in failures[0].reason
    assert len(world.names()) == 19
    assert enqueue(world.library).queued == 0, "it is not tried again as it is"
    time.sleep(0.01)
    (world.notes / "n00.txt").write_text("note healed\n")
    enqueue(world.library)
    world.worker.run(once=True)
    assert world.library.failures() == [] and len(world.names()) == 20


def test_a_damaged_file_is_in_the_ledger_and_its_job_is_done(world: World) -> None:
    (world.notes / "cut.jpg").write_bytes(b"\xff\xd8\xff no picture")
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    assert [Path(f.path).name for f in world.library.failures()] == ["cut.jpg"]
    assert world.library.catalog.jobs.counts(world.library.manifest.space) == {"done": 21}
    assert enqueue(world.library).queued == 0
    assert enqueue(world.library, retry_failed=True).queued == 1


def test_a_worker_that_is_told_to_stop_keeps_its_batch_and_gives_the_rest_back(world: World) -> None:
    enqueue(world.library, world.notes)
    asked = iter(range(100))
    how = How(batch_size=4, threads=1, stop=lambda: next(asked) > 8)
    Worker(world.library, how).run()
    kept = len(world.names())
    assert 0 < kept < 16
    counts = world.library.catalog.jobs.counts(world.library.manifest.space)
    assert counts == {"done": kept, "waiting": 20 - kept}
    world.worker.run(once=True)
    assert len(world.noted()) == 20, "nothing was encoded twice"


def test_a_full_disk_blames_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    enqueue(world.library, world.notes)
    write, calls = world.library.store.write, iter(range(99))

    def full(*arguments: object) -> None:
        if next(calls) < 7:
            raise OSError(28, "No space left on device")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(world.library.store, "write", full)
    monkeypatch.setattr("searchkit.indexers.worker.LONGEST_PAUSE", 0.05)
    world.worker.run(once=True)
    assert len(world.names()) == 20 and world.library.failures() == []


def test_a_worker_that_has_grown_too_large_ends_before_the_next_claim(world: World) -> None:
    enqueue(world.library, world.notes)
    worker = Worker(world.library, How(stop=lambda: False), megabytes=1)
    assert worker.run(once=True) == FULL
    assert world.library.catalog.jobs.left(world.library.manifest.space)[0] == 20


def test_a_claim_that_ran_out_is_not_written_by_the_one_who_lost_it(world: World) -> None:
    enqueue(world.library, world.notes)
    queue, space = world.library.catalog.jobs, world.library.manifest.space
    lost = queue.claim("slow", space, 20, lease=-1)
    queue.claim("other", space, 20, lease=60)  # finds the lease over
    with pytest.raises(LeaseLost):
        perform(world.library, lost, How(batch_size=4, threads=1))
    assert world.names() == []


def test_a_worker_waits_for_a_long_writer_and_a_long_writer_for_a_worker(world: World) -> None:
    enqueue(world.library, world.notes)
    with writing(world.library.root):
        thread = threading.Thread(target=lambda: world.make_worker().run(once=True))
        thread.start()
        thread.join(0.5)
        assert thread.is_alive() and world.names() == []
    thread.join(60)
    assert not thread.is_alive() and len(world.names()) == 20
    entered = threading.Event()

    def brief() -> None:
        with writing(world.library.root, brief=True):
            entered.set()
            time.sleep(0.3)

    thread = threading.Thread(target=brief)
    thread.start()
    entered.wait()
    assert world.library.add().unchanged == 20  # not refused
    thread.join()


def test_changes_are_noticed_by_path(world: World) -> None:
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    (world.notes / "new.txt").write_text("note new\n")
    (world.notes / "deep" / "er").mkdir(parents=True)
    (world.notes / "deep" / "er" / "late.txt").write_text("note late\n")
    (world.notes / ".hidden").mkdir()
    (world.notes / ".hidden" / "x.txt").write_text("note hidden\n")
    (world.notes / "n05.txt").unlink()
    changed = ["new.txt", "deep", ".hidden/x.txt", "n05.txt", "never.was.txt", "/elsewhere/y.txt"]
    assert notice(world.library, [str(world.notes / path) for path in changed]) == 3
    world.worker.run(once=True)
    assert {"new.txt", "late.txt"} < set(world.names()) and len(world.names()) == 21


def test_what_a_changed_file_held_before_is_found_no_more(world: World) -> None:
    enqueue(world.library, world.notes)
    world.worker.run(once=True)
    (world.notes / "n05.txt").write_text("note of another kind\n")
    assert notice(world.library, [str(world.notes / "n05.txt")]) == 1
    world.worker.turn()  # at once, not when a sweep or a refresh comes
    assert world.library.store.count() == 20
    assert [hit.text for hit in world.library.search("thing5", k=20) if hit.path.endswith("n05.txt")] == [
        "note of another kind"
    ]
    world.worker.run(once=True)
    assert examine(world.library) == []


def test_jobs_of_a_source_that_was_removed_vanish(world: World) -> None:
    enqueue(world.library, world.notes)
    world.library.remove(world.notes)
    world.worker.run(once=True)
    assert world.names() == [] and world.noted() == []
