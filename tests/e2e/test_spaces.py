"""A change of model: the old space answers until the new one is whole, and is there to go back to."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.lock import writing
from searchkit.collection.spaces import FILLING, prune, refill, rollback, spaces
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, CollectionLocked, ModelMissing
from searchkit.protocols import Encoder
from searchkit.registry import load_encoder
from searchkit.types import Vectors

SEARCHING = """
import sys
from pathlib import Path
from searchkit.collection import Collection
root, end = Path(sys.argv[1]), Path(sys.argv[2])
with Collection.open(root, create=False) as library:
    print("ready", flush=True)
    number = 0
    while not end.exists():
        number = (number + 1) % 40
        hits = library.search(f"thing{number}", k=3)
        first = Path(hits[0].path).name
        assert first == f"n{number:02}.txt", f"thing{number} found {first}"
        spaces = {hit.space for hit in hits}
        assert len(spaces) == 1, spaces
        print(spaces.pop(), flush=True)
"""
"""A process that searches without a pause and dies of the first wrong, mixed or missing answer."""


class Slow(Hashing):
    """Another space, which takes its time and does what it is told after so many texts."""

    def __init__(self, then: Callable[[int], object] = lambda texts: None, *, pause: float = 0.0) -> None:
        super().__init__(32)
        self.texts, self.then, self.pause = 0, then, pause

    def encode_text(self, texts: list[str]) -> Vectors:  # type: ignore[override]
        time.sleep(self.pause)
        self.texts += len(texts)
        self.then(self.texts)
        return super().encode_text(texts)


class World:
    def __init__(self, root: Path) -> None:
        self.root, self.notes = root, root / "notes"
        self.notes.mkdir()
        for number in range(40):
            (self.notes / f"n{number:02}.txt").write_text(f"a note about thing{number}\n")
        self.library = Collection.open(root / "library", encoder=Hashing())
        self.library.add(self.notes)
        self.old, self.new = Hashing().space.key, Hashing(32).space.key

    def answers_with(self) -> str:
        return self.library.search("thing7", k=1)[0].space


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.library.close()


def test_the_new_space_is_what_indexing_with_its_encoder_would_have_made(world: World) -> None:
    report = refill(world.library, Hashing(32), batch_size=8)
    assert (report.indexed, report.seen, report.warnings) == (40, 40, [])
    assert world.answers_with() == world.new
    with Collection.open(world.root / "fresh", encoder=Hashing(32)) as fresh:
        fresh.add(world.notes)
        ids = sorted(fresh.store.ids())
        assert sorted(world.library.current.store.ids()) == ids
        assert np.allclose(fresh.store.vectors(ids), world.library.current.store.vectors(ids))
        references = fresh.catalog.references(world.new)
        assert world.library.catalog.references(world.new) == references and references
    assert examine(world.library) == []
    assert [(s.space, s.active, s.files, s.of, s.items) for s in spaces(world.library)] == [
        (world.old, False, 40, 40, 40),
        (world.new, True, 40, 40, 40),
    ]


def test_searches_of_other_processes_neither_fail_nor_mix_while_the_model_changes(world: World) -> None:
    end = world.root / "end"
    command = [sys.executable, "-c", SEARCHING, str(world.library.root), str(end)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as process:  # type: ignore[call-overload]

        def until(line: str) -> None:
            while (read := process.stdout.readline()) != f"{line}\n":
                assert read, process.stderr.read()

        try:
            until("ready")
            until(world.old)
            refill(world.library, Slow(pause=0.05), batch_size=4)
            for expected in (world.new, world.old, world.new):
                for _ in range(4):
                    until(expected)
                rollback(world.library)
            end.touch()
            _, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 0, err


def test_a_reader_that_is_open_sees_the_change_and_what_has_begun_ends_as_it_began(world: World) -> None:
    before = world.library.current
    with Collection.open(world.library.root) as reader:
        assert reader.search("thing7", k=1)[0].space == world.old
        refill(world.library, Hashing(32))
        while reader.search("thing7", k=1)[0].space == world.old:  # until the new model is loaded
            time.sleep(0.05)
        assert reader.search("thing7", k=1)[0].space == world.new
        assert reader.similar(world.notes / "n07.txt", k=1)[0].space == world.new
    assert before.manifest.space == world.old  # its store and its encoder still fit together
    assert before.store.dim == before.encoder.space.dim == 64


def test_no_search_waits_for_the_new_model_to_be_loaded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    def load(*arguments: Any) -> Encoder:
        assert loaded.wait(60)
        return load_encoder(*arguments)

    with Collection.open(world.library.root) as reader:
        assert reader.search("thing7", k=1)[0].space == world.old
        refill(world.library, Hashing(32))
        monkeypatch.setattr("searchkit.collection.parts.load_encoder", load)
        began = time.monotonic()
        assert [reader.search(f"thing{n}", k=1)[0].space for n in range(5)] == [world.old] * 5
        assert time.monotonic() - began < 30  # the new model does not come before it is let go
        loaded.set()
        while reader.search("thing7", k=1)[0].space == world.old:
            time.sleep(0.05)
        assert reader.search("thing7", k=1)[0].space == world.new
        rollback(reader)
        assert reader.search("thing7", k=1)[0].space == world.old


def test_a_model_that_cannot_be_loaded_is_said_by_the_search(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: Any) -> Encoder:
        raise ModelMissing("its weights are not here")

    with Collection.open(world.library.root) as reader:
        reader.search("thing7", k=1)
        refill(world.library, Hashing(32))
        monkeypatch.setattr("searchkit.collection.parts.load_encoder", load)
        monkeypatch.setattr("searchkit.collection.active.SOON", 60.0)
        with pytest.raises(ModelMissing):
            reader.search("thing7", k=1)


def test_the_old_space_answers_and_is_kept_up_to_date_while_the_new_one_fills(world: World) -> None:
    seen: list[str] = []

    def meanwhile(texts: int) -> None:
        if 16 <= texts < 24 and not seen:
            (world.notes / "late.txt").write_text("a note about something late\n")
            world.library.add()  # not refused: the filling writes in turns
            hit = world.library.search("something late", k=1)[0]
            seen.extend([hit.space, Path(hit.path).name])

    refill(world.library, Slow(meanwhile), batch_size=4)
    assert seen == [world.old, "late.txt"]
    hit = world.library.search("something late", k=1)[0]
    assert (hit.space, Path(hit.path).name) == (world.new, "late.txt")


def test_an_interrupted_change_goes_on_where_it_was(world: World) -> None:
    first = Slow()
    report = refill(world.library, first, batch_size=4, stop=lambda: first.texts >= 12)
    assert report.interrupted and world.answers_with() == world.old
    kept = next(s for s in spaces(world.library) if s.space == world.new).files
    assert 8 <= kept < 40
    again = refill(world.library, Slow(), batch_size=4)
    assert (again.indexed, again.unchanged) == (40 - kept, kept)
    assert world.answers_with() == world.new


def test_a_space_with_holes_does_not_become_the_active_one(world: World) -> None:
    world.notes.rename(world.root / "unplugged")
    report = refill(world.library, Hashing(32))
    assert report.offline == 1 and world.answers_with() == world.old
    assert any("40 files could not be encoded" in warning for warning in report.warnings)
    (world.root / "unplugged").rename(world.notes)
    assert refill(world.library, Hashing(32)).warnings == []
    assert world.answers_with() == world.new


def test_a_file_that_cannot_be_read_any_more_does_not_hold_up_the_change(world: World) -> None:
    (world.notes / "n03.txt").write_bytes(b"")
    report = refill(world.library, Hashing(32))
    assert report.failed == 1 and world.answers_with() == world.new


def test_going_back_is_quick_and_leaves_the_rest_to_the_next_run(world: World) -> None:
    refill(world.library, Hashing(32))
    (world.notes / "n01.txt").unlink()
    (world.notes / "new.txt").write_text("a note about a newcomer\n")
    world.library.add()
    assert rollback(world.library) == world.old and world.answers_with() == world.old
    assert world.library.search("thing1", k=1)[0].path != str(world.notes / "n01.txt")  # gone is gone
    report = world.library.add()
    assert (report.indexed, report.unchanged) == (1, 39)
    assert examine(world.library) == []
    assert rollback(world.library) == world.new  # and forth


def test_pruning_deletes_all_but_the_active_space_for_good(world: World) -> None:
    with pytest.raises(BadInput, match="no space that answered before"):
        rollback(world.library)
    refill(world.library, Hashing(32))
    with pytest.raises(BadInput, match="no inactive space"):
        prune(world.library, world.new)
    assert prune(world.library) == [world.old]
    assert [s.space for s in spaces(world.library)] == [world.new]
    assert not list(world.library.root.rglob(f"{world.old}*"))
    assert world.answers_with() == world.new and prune(world.library) == []
    assert world.library.add().unchanged == 40 and examine(world.library) == []


def test_two_changes_at_once_and_pruning_meanwhile_are_refused(world: World) -> None:
    with writing(world.library.root, name=FILLING):
        with pytest.raises(CollectionLocked):
            refill(world.library, Hashing(32))
        with pytest.raises(CollectionLocked):
            prune(world.library)
