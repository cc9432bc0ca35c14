"""Doctor: what disk, catalog, tables and encoder disagree on is found, named, and mended once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import lancedb
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, text

from searchkit.catalog import connect
from searchkit.catalog.catalog import Catalog
from searchkit.catalog.jobs import MAX_ATTEMPTS, Work
from searchkit.collection import Collection
from searchkit.collection.doctor import Finding, examine
from searchkit.collection.manifest import FORMAT, Manifest, write_manifest
from searchkit.collection.spaces import refill, rollback
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, CollectionError, CollectionTooNew
from searchkit.types import Vectors


class Drifted(Hashing):
    """Says that it is the encoder of before, and is not quite."""

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_text(texts)
        return -vectors[:, ::-1].copy() if len(texts) == 1 else vectors


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(6):
        (notes / f"n{number}.txt").write_text(f"a note about thing{number}\n")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as opened:
        opened.add(notes)
        yield opened


def add_a_note(library: Collection) -> None:
    (Path(library.catalog.sources()[0].path) / "late.txt").write_text("late\n")


def words(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.severity, finding.what) for finding in findings]


def mended(library: Collection) -> list[Finding]:
    """What `--fix` finds, once it is certain that it mended it and has nothing to do a second time."""
    found = examine(library, fix=True)
    assert all(finding.fixed for finding in found)
    assert examine(library, fix=True) == []
    return found


def test_an_encoder_that_has_changed_is_found_by_its_golden_vectors(library: Collection) -> None:
    assert examine(library) == []
    with Collection.open(library.root, encoder=Drifted()) as drifted:
        ((severity, what),) = words(examine(drifted))
        assert severity == "broken" and "makes other vectors than before" in what


def test_items_of_a_space_that_rests_are_compared_too(library: Collection) -> None:
    refill(library, Hashing(32))
    old = library.store_of(Hashing().space.key)
    ids = sorted(old.ids())
    old.write([old.get(ids[:1])[0]._replace(id="orphan-0")], old.vectors(ids[:1]))
    old.delete(ids[1:2])
    found = mended(library)
    assert [f.severity for f in found] == ["broken", "broken"]
    assert all("hashing-" in f.what for f in found)
    assert library.search("thing1", k=1)[0].path.endswith("n1.txt")  # the active one was not touched
    assert sorted(library.store_of(Hashing().space.key).ids()) == sorted(set(ids) - {ids[1]})


def test_a_lost_table_is_made_again_from_the_sources(library: Collection) -> None:
    shutil.rmtree(library.root / "lance")
    with Collection.open(library.root, encoder=Hashing()) as opened:
        assert len([f for f in examine(opened) if f.severity == "broken"]) == 6
        mended(opened)
        assert opened.store.count() == 6 and opened.add().unchanged == 6
        assert examine(opened) == []


def test_what_a_deleted_space_left_is_removed(library: Collection) -> None:
    for stray in ("lance/gone-abc-p1-d8.lance", "faiss/gone-abc-p1-d8"):
        (library.root / stray / "data").mkdir(parents=True)
    ((_, what),) = words(mended(library))
    assert "gone-abc-p1-d8 is left of a space" in what
    assert not list(library.root.rglob("gone-abc*"))


def test_a_refresh_that_was_given_up_is_told_and_done(library: Collection) -> None:
    jobs, space = library.catalog.jobs, library.manifest.space
    jobs.enqueue(space, [Work("")], kind="refresh", delay=-600)
    for _ in range(MAX_ATTEMPTS):
        claimed = jobs.claim("me", space, 1, lease=60)
        jobs.retry(claimed, "no room")
        with library.catalog._writer.begin() as tx:
            tx.execute(text("UPDATE job SET due = 0"))
    ((_, what),) = words(mended(library))
    assert what == "refresh was given up: no room"


def test_confidence_by_an_older_rule_is_named_and_measured_anew(
    library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = library.manifest.space
    today = library.catalog.references(space)
    monkeypatch.setattr("searchkit.search.confidence.MARGIN", 9.0)
    ((severity, what),) = words(examine(library))
    assert severity == "note" and "older rule" in what and space in what
    mended(library)
    redone = library.catalog.references(space)
    assert redone["text", "passage"].level > today["text", "passage"].level
    monkeypatch.undo()
    assert words(examine(library)) == [(severity, what)]
    library.add()  # the next run does it as well
    assert examine(library) == [] and library.catalog.references(space) == today


def test_a_store_in_a_newer_format_is_refused_with_what_it_needs(library: Collection) -> None:
    table = lancedb.connect(library.root / "lance").open_table(library.manifest.space)
    noted = {"searchkit:format": "7", "searchkit:needs": "2.5.0"}
    table.update_field_metadata({"path": "id", "metadata": noted})
    with Collection.open(library.root, encoder=Hashing()) as opened:
        with pytest.raises(CollectionTooNew, match="format 7; this searchkit reads up to 1") as caught:
            opened.search("thing1")
        assert "searchkit 2.5.0 or newer" in caught.value.hint
        add_a_note(opened)
        with pytest.raises(CollectionTooNew):
            opened.add()
        (finding,) = examine(opened, fix=True)
        assert finding.severity == "broken" and not finding.fixed
        assert "format 7" in finding.what and "searchkit 2.5.0 or newer" in finding.remedy


@pytest.mark.parametrize("readable", [False, True])
def test_a_table_that_a_newer_lancedb_wrote_is_refused(library: Collection, readable: bool) -> None:
    library.store.compact()
    table = library.root / "lance" / f"{library.manifest.space}.lance"
    for manifest in (table / "_versions").glob("*.manifest"):
        set_lance_flag(manifest, field=10 if readable else 9)
    with Collection.open(library.root, encoder=Hashing()) as opened:
        if readable:
            assert opened.search("thing1", k=1)[0].path.endswith("n1.txt")
        add_a_note(opened)
        with pytest.raises(CollectionTooNew, match=r"newer LanceDB: .*upgrade Lance") as caught:
            opened.add()
        assert "pip install -U" in caught.value.hint
        if not readable:
            assert "newer LanceDB" in examine(opened, fix=True)[0].what


def set_lance_flag(manifest: Path, *, field: int) -> None:
    """As a Lance of the future would: a flag in a field of the manifest (9 for readers, 10 for
    writers) that nobody knows today."""
    raw = manifest.read_bytes()
    at = int.from_bytes(raw[-16:-8], "little")
    end = at + 4 + int.from_bytes(raw[at : at + 4], "little")
    message = raw[at + 4 : end] + bytes([field << 3, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20])  # 2 ** 40
    manifest.write_bytes(raw[:at] + len(message).to_bytes(4, "little") + message + raw[end:])


def test_an_accelerator_in_a_newer_format_is_left_alone_and_said_to_be(
    library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
    folder = library.root / "faiss" / library.manifest.space
    folder.mkdir(parents=True)
    newer = json.dumps({"format": 99, "needs": "3.0.0", "something": "else"})
    (folder / "current.json").write_text(newer)
    with Collection.open(library.root, encoder=Hashing()) as opened:
        assert opened.search("thing3", k=1)[0].path.endswith("n3.txt")
        opened.accelerate(wait=True)
        assert (folder / "current.json").read_text() == newer
        (finding,) = examine(opened, fix=True)
        assert finding.severity == "note" and "format 99" in finding.what and "3.0.0" in finding.remedy


def test_an_accelerator_in_an_older_format_is_built_again(
    library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
    current = library.root / "faiss" / library.manifest.space / "current.json"
    library.accelerate(wait=True)
    now = json.loads(current.read_text())
    current.write_text(json.dumps(now | {"format": now["format"] - 1}))
    with Collection.open(library.root, encoder=Hashing()) as opened:
        assert opened.search("thing3", k=1)[0].path.endswith("n3.txt")
        (finding,) = mended(opened)
        assert "no accelerator of this version" in finding.what
    assert json.loads(current.read_text()) == now


def test_a_space_with_holes_is_noted(library: Collection) -> None:
    refill(library, Hashing(32))
    add_a_note(library)
    library.add()
    rollback(library)
    assert words(examine(library)) == [("note", f"1 files are not in {Hashing().space.key} yet")]


def test_a_collection_of_the_first_format_is_opened_searched_and_changed(
    library: Collection, tmp_path: Path
) -> None:
    old = tmp_path / "old"
    shutil.copytree(library.root / "lance", old / "lance")
    space = Hashing().space
    write_manifest(old, Manifest(FORMAT, "hashing", space.key, ""))
    engine = create_engine(f"sqlite:///{old / 'catalog.sqlite'}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(connect.__file__).parent / "migrations"))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            text("INSERT INTO space VALUES (:key, 'hashing', :weights, 1, 64, 0.0)"),
            {"key": space.key, "weights": space.weights},
        )
        for table in ("source", "asset", "encoded"):
            with library.catalog._engine.connect() as new:
                rows = new.execute(text(f"SELECT * FROM {table}")).mappings().all()
            names = [column["name"] for column in inspect(connection).get_columns(table)]
            marks = ", ".join(f":{name}" for name in names)
            old_rows = [{name: row[name] for name in names} for row in rows]
            connection.execute(text(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"), old_rows)
    engine.dispose()
    with Collection.open(old, encoder=Hashing()) as opened:
        assert opened.search("thing3", k=1)[0].path.endswith("n3.txt")
        report = opened.add()
        assert (report.unchanged, report.indexed) == (6, 0)
        (exposed,) = examine(opened, fix=True)
        assert exposed.what.startswith("other users of this machine may read")
        assert examine(opened) == []
        (record,) = opened.catalog.spaces()
        assert record.golden is not None, "the first refresh keeps what the encoder makes"
        assert refill(opened, Hashing(32)).indexed == 6
        assert rollback(opened, space.key) == space.key
        assert opened.search("thing3", k=1)[0].space == space.key


def test_the_catalog_of_a_database_that_is_not_there_says_so() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(CollectionError, match="does not answer") as caught:
        Catalog("postgresql://nobody:secret@127.0.0.1:1/nothing")
    assert "secret" not in str(caught.value)
    for url in ("nothing", "mysql://host/x"):
        with pytest.raises(BadInput):
            Catalog(url)


def test_a_reader_whose_view_is_older_than_the_accelerator_goes_on_finding(
    library: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
    library.accelerate(wait=True)
    current = library.root / "faiss" / library.manifest.space / "current.json"
    with Collection.open(library.root, encoder=Hashing()) as reader:
        assert reader.search("thing3", k=1)[0].path.endswith("n3.txt")
        assert reader.accelerator.is_current
        add_a_note(library)
        library.add()
        pointer = json.loads(current.read_text())
        current.write_text(
            json.dumps({**pointer, "version": pointer["version"] + 9})
        )  # which it will see soon
        reader.store._table.checkout_latest()
        reader.store._changed()
        assert reader.search("late", k=1)[0].path.endswith("late.txt")
        assert reader.search("thing3", k=1)[0].path.endswith("n3.txt")
        current.write_text(json.dumps(pointer))
        reader.search("thing3", k=1)
        assert reader.accelerator.is_current
