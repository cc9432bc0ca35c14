"""The index tells the truth: each of these is a way in which other tools lose or invent results."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.lock import writing
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, CollectionLocked, NothingIndexed, SpaceMismatch
from searchkit.types import Vectors


class Counting(Hashing):
    """The weightless encoder, counting what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.encoded = 0

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        self.encoded += len(pixels)
        return super().encode_images(pixels)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.encoded += len(texts)
        return super().encode_text(texts)


class World:
    """A folder of twelve pictures and two texts, and a collection of it."""

    def __init__(self, root: Path) -> None:
        self.photos = root / "photos"
        self.photos.mkdir()
        for number in range(12):
            picture(number).save(self.photos / f"p{number:02}.png")
        (self.photos / "bees.txt").write_text("In autumn the hive is fed with sugar syrup, two to one.\n")
        (self.photos / "storm.md").write_text("# Lighthouse\n\nThe keeper rowed out through the storm.\n")
        self.encoder = Counting()
        self.library = Collection.open(root / "library", encoder=self.encoder)

    def index(self, **options: object) -> object:
        """Run `add`, and count only what it encodes of the files, not of the neutral queries."""
        from searchkit.search.confidence import neutral_queries

        before = self.encoder.encoded
        report = self.library.add(self.photos, **options)  # type: ignore[arg-type]
        self.fresh = self.encoder.encoded - before
        if self.fresh >= len(neutral_queries()):
            self.fresh -= len(neutral_queries())
        return report

    def paths(self) -> list[str]:
        return [Path(asset.path).name for asset in self.library.assets()]

    def finds(self, number: int) -> list[str]:
        query = self.photos.parent / "query.png"
        picture(number).save(query)
        return [Path(h.path).name for h in self.library.search(image=query, k=3) if h.score > 0.999]


def picture(number: int) -> Image.Image:
    colours = np.random.default_rng(number).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((32, 32), Image.Resampling.NEAREST)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.library.close()


def test_a_second_run_encodes_nothing(world: World) -> None:
    first = world.index()
    assert (first.seen, first.indexed, first.failed) == (14, 14, 0) and world.fresh == 14
    second = world.index()
    assert (second.seen, second.unchanged, second.indexed, second.reused) == (14, 14, 0, 0)
    assert world.fresh == 0


def test_moving_every_file_encodes_nothing_and_finds_them_at_the_new_place(world: World) -> None:
    world.index()
    (world.photos / "2026").mkdir()
    for file in list(world.photos.glob("*.*")):
        file.rename(world.photos / "2026" / file.name)
    report = world.index()
    assert (report.reused, report.deleted, report.indexed, report.warnings) == (14, 14, 0, [])
    assert world.fresh == 0
    hits = world.library.search("keeper storm", k=1)
    assert hits[0].path == str(world.photos / "2026" / "storm.md")
    assert examine(world.library) == []


def test_an_emptied_source_loses_nothing_and_comes_back(world: World, tmp_path: Path) -> None:
    world.index()
    world.photos.rename(tmp_path / "unmounted")
    world.photos.mkdir()  # an empty mount point
    report = world.index()
    assert (report.offline, report.deleted) == (1, 0)
    assert "offline" in report.warnings[0]
    assert world.finds(3) == ["p03.png"]
    world.photos.rmdir()
    (tmp_path / "unmounted").rename(world.photos)
    report = world.index()
    assert (report.unchanged, report.offline, world.fresh) == (14, 0, 0)


def test_a_missing_source_is_offline_and_is_said_to_be(world: World, tmp_path: Path) -> None:
    world.index()
    world.photos.rename(tmp_path / "elsewhere")
    assert world.library.add().offline == 1
    assert world.library.status().sources[0].state == "offline"
    assert len(world.paths()) == 14


def test_a_file_removed_and_restored_with_its_time_is_found_again(world: World, tmp_path: Path) -> None:
    world.index()
    shutil.move(world.photos / "p05.png", tmp_path / "kept.png")
    assert world.index().deleted == 1
    assert world.finds(5) == []
    shutil.move(tmp_path / "kept.png", world.photos / "p05.png")  # keeps size and mtime
    assert world.index().indexed == 1
    assert world.finds(5) == ["p05.png"]


def test_most_of_a_source_vanishing_waits_for_prune(world: World) -> None:
    world.index()
    for number in range(9):
        (world.photos / f"p{number:02}.png").unlink()
    report = world.index()
    assert report.deleted == 0 and "--prune" in report.warnings[0]
    assert len(world.paths()) == 14
    assert world.index(prune=True).deleted == 9
    assert len(world.paths()) == 5


def test_a_failed_file_keeps_its_old_vector(world: World) -> None:
    world.index()
    whole = (world.photos / "p07.png").read_bytes()
    (world.photos / "p07.png").write_bytes(whole[: len(whole) // 2])
    report = world.index()
    assert (report.failed, report.deleted) == (1, 0)
    assert world.finds(7) == ["p07.png"]
    assert "damaged" in world.library.failures()[0].reason
    (world.photos / "p07.png").write_bytes(whole)
    assert world.index().failed == 0


def test_a_known_failure_is_not_tried_again_until_the_file_changes(world: World) -> None:
    bad = world.photos / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff no picture")
    world.index()
    at = world.library.failures()[0].at
    assert world.index().failed == 1
    assert world.library.failures()[0].at == at, "it was tried again"
    picture(40).save(bad)
    report = world.index()
    assert (report.failed, report.indexed) == (0, 1)


def test_a_failed_file_that_is_removed_leaves_the_ledger(world: World) -> None:
    (world.photos / "empty.png").touch()
    assert world.index().failed == 1
    (world.photos / "empty.png").unlink()
    assert world.index().failed == 0


def test_stopping_half_way_keeps_every_finished_batch(world: World) -> None:
    asked = iter([False] * (14 + 7))  # once a file in the walk, then once a file loaded
    report = world.index(batch_size=4, stop=lambda: next(asked, True))
    assert report.interrupted and 4 <= report.indexed < 14
    assert len(world.paths()) == report.indexed
    again = world.index(batch_size=4)
    assert again.unchanged == report.indexed
    assert again.indexed == 14 - report.indexed
    assert examine(world.library) == []


def test_a_crash_between_store_and_catalog_is_mended_by_running_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            world.library.catalog, "record", lambda *_: (_ for _ in ()).throw(OSError("power cut"))
        )
        with pytest.raises(OSError, match="power cut"):
            world.index()
    assert world.library.store.count() > 0 and world.paths() == []
    assert [f.severity for f in examine(world.library)] == ["broken"]
    world.index()
    assert examine(world.library) == []
    assert world.library.store.count() == 14


def test_a_crash_between_catalog_and_store_leaves_no_deleted_item_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.index()
    (world.photos / "p02.png").unlink()
    with monkeypatch.context() as broken:
        broken.setattr(world.library.store, "delete", lambda _: (_ for _ in ()).throw(OSError("power cut")))
        with pytest.raises(OSError, match="power cut"):
            world.index()
    assert world.paths().count("p02.png") == 0
    world.index()
    assert world.finds(2) == []
    assert examine(world.library) == []


def test_doctor_mends_orphans_and_torn_assets_once(world: World) -> None:
    world.index()
    ids = sorted(world.library.store.ids())
    item = world.library.store.get(ids[:1])[0]

    world.library.store.write([item._replace(id="orphan-0")], world.library.store.vectors(ids[:1]))
    world.library.store.delete(ids[1:2])
    assert sorted(f.severity for f in examine(world.library)) == ["broken", "broken"]
    assert all(f.fixed for f in examine(world.library, fix=True))
    assert world.library.store.count() == 14  # the torn file is encoded again from its source
    assert examine(world.library) == examine(world.library, fix=True) == []
    world.index()
    assert world.library.store.count() == 14 and examine(world.library) == []


def test_a_changed_file_is_found_by_its_new_content_only(world: World) -> None:
    world.index()
    picture(77).save(world.photos / "p01.png")
    assert world.index().indexed == 1
    assert world.finds(77) == ["p01.png"]
    assert world.finds(1) == []
    assert world.library.store.count() == 14


def test_a_file_written_again_with_the_same_content_is_unchanged(world: World) -> None:
    world.index()
    os.utime(world.photos / "p01.png", (1, 1))
    report = world.index()
    assert (report.unchanged, report.indexed, report.reused, world.fresh) == (14, 0, 0, 0)


def test_a_file_renamed_where_another_takes_its_name_is_copied_not_lost(world: World) -> None:
    world.index()
    (world.photos / "p00.png").rename(world.photos / "z.png")
    picture(70).save(world.photos / "p00.png")
    report = world.index(batch_size=1)
    assert (report.indexed, report.reused, report.failed) == (1, 1, 0)
    assert world.finds(0) == ["z.png"] and world.finds(70) == ["p00.png"]
    assert examine(world.library) == []


def test_a_file_moved_to_another_source_is_not_encoded_again(world: World, tmp_path: Path) -> None:
    other = tmp_path / "a place before photos"
    other.mkdir()
    picture(71).save(other / "x.png")
    world.library.add(other)
    world.index()
    (world.photos / "p06.png").rename(other / "p06.png")
    (other / "x.png").rename(world.photos / "x.png")
    report = world.library.add()
    assert (report.indexed, report.reused, report.failed) == (0, 2, 0)
    assert world.finds(6) == ["p06.png"] and world.finds(71) == ["x.png"]
    waiting = examine(world.library)  # all that the other place had is gone from it at once
    assert [(found.severity, found.path) for found in waiting] == [("note", str(other))]
    assert world.library.add().deleted == 1 and examine(world.library) == []


def test_a_file_that_changes_and_changes_back_is_found(world: World) -> None:
    before = (world.photos / "p02.png").read_bytes()
    world.index()
    for content in (picture(72), None, picture(72), None):
        if content is None:
            (world.photos / "p02.png").write_bytes(before)
        else:
            content.save(world.photos / "p02.png")
        world.index()
        assert world.finds(2 if content is None else 72) == ["p02.png"]
        assert examine(world.library) == []


def test_a_file_that_a_pattern_leaves_out_is_not_taken_for_gone(world: World) -> None:
    world.index()
    report = world.index(exclude=["*.md"])
    assert (report.deleted, report.seen) == (0, 13)
    assert "storm.md" in world.paths()


def test_a_collection_may_lie_in_a_folder_of_any_name(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("the hive is fed with syrup")
    with Collection.open(tmp_path / "what? 100%20 #1 é", encoder=Hashing()) as library:
        assert library.add(tmp_path / "notes").indexed == 1
        assert len(library.search("hive", k=1)) == 1


def test_copies_are_encoded_once_and_shown_once_unless_asked(world: World) -> None:
    for number in range(3):
        shutil.copy(world.photos / "p04.png", world.photos / f"copy{number}.png")
    report = world.index()
    assert (report.indexed, report.reused, world.fresh) == (14, 3, 14)
    assert len(world.finds(4)) == 1
    hits = world.library.search(image=world.photos / "p04.png", k=4, collapse="none")
    assert sum(hit.score > 0.999 for hit in hits) == 4


def test_a_second_writer_is_told_who_holds_the_lock(world: World) -> None:
    with writing(world.library.root), pytest.raises(CollectionLocked, match=str(os.getpid())):
        world.index()
    assert world.index().indexed == 14


def test_strange_files_are_reported_and_the_run_goes_on(world: World) -> None:
    (world.photos / "loop").symlink_to(world.photos)
    (world.photos / "zero.jpg").touch()
    jpeg = world.photos / "cut.jpg"
    picture(50).resize((640, 480)).save(jpeg)
    jpeg.write_bytes(jpeg.read_bytes()[:2000])
    Path(os.fsdecode(os.fsencode(world.photos) + b"/bad\xe9.png")).write_bytes(b"no picture")
    picture(60).save(world.photos / "two\nlines.png")
    picture(61).save(os.fsencode(world.photos) + b"/caf\xe9.png", format="PNG")
    report = world.index()
    assert (report.indexed, report.failed) == (16, 4)
    reasons = {Path(f.path).name: f.reason for f in world.library.failures()}
    assert "loop" in reasons["loop"] and "empty" in reasons["zero.jpg"] and "damaged" in reasons["cut.jpg"]
    assert world.finds(60) == ["two\nlines.png"]
    assert world.finds(61) == [os.fsdecode(b"caf\xe9.png")]


def test_an_unreadable_folder_deletes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = world.photos / "inner"
    inner.mkdir()
    (world.photos / "p00.png").rename(inner / "p00.png")
    world.index()
    real = os.scandir

    def refuse(path: str) -> object:  # root may read everything, so the system's answer is given here
        if str(path) == str(inner):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr("searchkit.ingest.walk.os.scandir", refuse)
    report = world.index()
    assert (report.deleted, report.failed) == (0, 1)
    assert "Permission denied" in world.library.failures()[0].reason
    assert world.finds(0) == ["p00.png"]
    monkeypatch.undo()
    assert world.index().failed == 0


def test_a_file_that_can_be_listed_but_not_reached_keeps_its_vector(world: World, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    (world.photos / "p09.png").rename(disk / "p09.png")
    (world.photos / "p09.png").symlink_to(disk / "p09.png")
    world.index()
    disk.rename(tmp_path / "unplugged")
    report = world.index()
    assert (report.deleted, report.failed) == (0, 1)
    assert world.finds(9) == ["p09.png"]
    (tmp_path / "unplugged").rename(disk)
    assert world.index().failed == 0


def test_a_part_of_a_source_can_be_brought_up_to_date_alone(world: World) -> None:
    (world.photos / "new").mkdir()
    world.index()
    picture(90).save(world.photos / "new" / "a.png")
    picture(91).save(world.photos / "b.png")
    report = world.library.add(world.photos / "new")
    assert (report.seen, report.indexed) == (1, 1)
    assert [s.path for s in world.library.catalog.sources()] == [str(world.photos)]


def test_a_source_inside_another_belongs_to_itself(world: World) -> None:
    inner = world.photos / "inner"
    inner.mkdir()
    picture(80).save(inner / "x.png")
    world.library.add(inner)
    report = world.index()
    assert (report.seen, report.indexed, report.unchanged) == (15, 14, 1)
    assert len(world.paths()) == 15
    assert world.index().unchanged == 15


def test_removing_takes_files_out_and_leaves_the_disk_alone(world: World) -> None:
    world.index()
    assert world.library.remove(world.photos / "bees.txt") == 1
    assert world.library.search("sugar syrup hive", kind="passage", k=1)[0].path.endswith("storm.md")
    assert (world.photos / "bees.txt").exists()
    assert world.library.remove(world.photos) == 13
    assert world.library.catalog.sources() == []
    with pytest.raises(NothingIndexed):
        world.library.search("anything")


def test_what_is_removed_leaves_no_byte_behind(world: World) -> None:
    secret = world.photos / "secret.txt"
    secret.write_text("The combination of the vault is quagmirewort.\n")
    world.index()

    def holding(word: bytes) -> list[str]:
        files = [file for file in world.library.root.rglob("*") if file.is_file()]
        return [file.name for file in files if word in file.read_bytes()]

    with Collection.open(world.library.root, encoder=Hashing()) as reader:
        assert reader.search("quagmirewort", k=1)[0].path == str(secret)
        assert holding(b"quagmirewort") and holding(b"secret.txt")
        before = {hit.path for hit in reader.search("keeper storm", k=20)}
        world.library.remove(secret)
        assert {hit.path for hit in reader.search("keeper storm", k=20)} == before - {str(secret)}
    assert holding(b"quagmirewort") == [] and holding(b"secret.txt") == []
    assert len(world.paths()) == 14 == world.library.store.count()
    assert world.library.search("hive syrup", hybrid=True, k=1)[0].path.endswith("bees.txt")
    assert examine(world.library) == []


def test_removing_something_unknown_is_refused(world: World) -> None:
    world.index()
    with pytest.raises(BadInput, match="not in"):
        world.library.remove("/nowhere/at/all")


def test_another_encoder_is_refused(world: World) -> None:
    class Other(Hashing):
        def __init__(self) -> None:
            super().__init__()
            from dataclasses import replace

            self.space = replace(self.space, weights="0" * 64)

    with pytest.raises(SpaceMismatch, match="holds vectors of"):
        Collection.open(world.library.root, encoder=Other())


def test_similar_uses_the_stored_vector_and_leaves_the_file_out(world: World) -> None:
    world.index()
    before = world.encoder.encoded
    hits = world.library.similar(world.photos / "p03.png", k=3)
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert world.encoder.encoded == before
    assert len(hits) == 3 and all(not hit.path.endswith("p03.png") for hit in hits)


def test_a_document_is_judged_as_a_text_and_a_folder_is_no_file(world: World) -> None:
    world.index()
    as_text = world.library.search("in autumn the hive is fed with sugar syrup two to one", kind="image", k=5)
    as_document = world.library.similar(world.photos / "bees.txt", kind="image", k=5)
    by_path = {hit.path: hit for hit in as_text}
    shared = [(hit, by_path[hit.path]) for hit in as_document if hit.path in by_path]
    assert shared
    for one, other in shared:
        assert one.score == pytest.approx(other.score, abs=1e-5)
        assert one.confidence == pytest.approx(other.confidence, abs=1e-5)
    with pytest.raises(BadInput, match="not a picture or an indexed file"):
        world.library.similar(world.photos)


def test_a_query_that_is_a_path_or_an_address_is_only_text(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.index()

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a query touched the network or a file")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("searchkit.collection.answers.decode_file", refuse)
    for query in ("http://169.254.169.254/x.jpg", str(world.photos / "p01.png"), "file:///etc/passwd"):
        assert len(world.library.search(query, k=2)) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "the query is empty"),
        ({"text": "  "}, "empty"),
        ({"text": "a", "vector": [1.0] * 64}, "a vector is a whole question"),
        ({"text": "a", "k": 0}, "k is 0"),
        ({"text": "a", "kind": "video"}, "kind is 'video'"),
        ({"text": "a", "collapse": "some"}, "collapse is 'some'"),
        ({"text": "a", "filter": "colour = 'red'"}, "filter"),
        ({"vector": [1.0, 2.0]}, "shape"),
    ],
)
def test_bad_queries_say_what_is_wrong(world: World, arguments: dict[str, object], message: str) -> None:
    world.index()
    with pytest.raises(BadInput, match=message):
        world.library.search(**arguments)  # type: ignore[arg-type]


def test_a_filter_is_applied_before_the_search(world: World) -> None:
    world.index()
    hits = world.library.search("anything", k=5, filter="path LIKE '%p07%'")
    assert [Path(hit.path).name for hit in hits] == ["p07.png"]
