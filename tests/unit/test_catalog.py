"""The catalog tells what it was told; what is forgotten leaves tombstones; migrations make the tables."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from searchkit.catalog import connect
from searchkit.catalog.catalog import Asset, Catalog, Content, Reference, Source
from searchkit.catalog.tables import Base
from searchkit.errors import CollectionTooNew
from searchkit.types import Failure, FileEntry, Space

SPACE = "space-a"
OTHER = "space-b"
ODD_NAMES = [
    "/photos/caf\udce9.png",
    "/photos/new\nline.png",
    "/photos/犬 👍.png",
    "/photos/100%_'quoted\".png",
    "/photos/" + "x" * 200 + ".png",
]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'catalog.sqlite'}"


@pytest.fixture
def catalog(url: str) -> Iterator[Catalog]:
    opened = Catalog(url)
    yield opened
    opened.close()


@pytest.fixture
def photos(catalog: Catalog) -> Source:
    return catalog.add_source("/photos")


def asset(
    path: str, sha256: str = "a", *, items: int = 1, source: str = "/photos", mtime_ns: int = 7
) -> Asset:
    return Asset(path, source, 10, mtime_ns, sha256, "image", sha256, items)


def buried(catalog: Catalog, space: str = SPACE) -> set[tuple[str, str, int]]:
    graves = [grave.content for grave in catalog.tombstones() if grave.space == space]
    return {(c.path, c.sha256, c.items) for c in graves}


# sources


def test_a_source_is_added_once_and_marked(catalog: Catalog, photos: Source) -> None:
    assert catalog.add_source("/photos") == photos == Source(photos.id, "/photos", "ready")
    catalog.mark_source(photos, "offline")
    assert [(s.path, s.state) for s in catalog.sources()] == [("/photos", "offline")]
    catalog.mark_source(photos, "ready")
    assert catalog.sources() == [photos]


def test_sources_come_in_order_of_path_with_any_bytes_in_their_names(catalog: Catalog) -> None:
    for path in ("/b", "/a\udcff", "/a\nb"):
        catalog.add_source(path)
    assert [s.path for s in catalog.sources()] == ["/a\nb", "/a\udcff", "/b"]


def test_a_source_is_dropped_with_its_failures_but_not_while_it_has_assets(
    catalog: Catalog, photos: Source
) -> None:
    catalog.fail(photos, FileEntry("/photos/x", 1, 1), reason="r", decoder="d", sha256=None)
    catalog.record(photos, SPACE, [asset("/photos/a")])
    with pytest.raises(IntegrityError):
        catalog.drop_source(photos)
    assert catalog.failures()  # all of it or nothing
    catalog.forget(["/photos/a"])
    catalog.drop_source(photos)
    assert catalog.sources() == [] and catalog.failures() == []


# assets


def test_assets_come_back_as_recorded_in_order_of_path(catalog: Catalog, photos: Source) -> None:
    recorded = [asset(path, f"{n:064}", items=n) for n, path in enumerate(ODD_NAMES, start=1)]
    catalog.record(photos, SPACE, recorded)
    assert list(catalog.assets(SPACE)) == sorted(recorded, key=lambda a: os.fsencode(a.path))
    assert catalog.counts() == {"image": 5}


def test_an_asset_says_what_the_space_asked_for_holds_of_it(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a", "old", items=3)])
    catalog.record(photos, OTHER, [asset("/photos/a", "new", items=2)])
    seen = {space: next(catalog.assets(space)) for space in (SPACE, OTHER, None)}
    assert [(seen[s].sha256, seen[s].encoded, seen[s].items) for s in (SPACE, OTHER, None)] == [
        ("new", "old", 3),  # this space has yet to see the new content
        ("new", "new", 2),
        ("new", None, 0),
    ]


def test_times_and_sizes_of_sixty_four_bits_are_kept(catalog: Catalog, photos: Source) -> None:
    large = Asset("/photos/a", "/photos", 2**40, 2**63 - 1, "s", "image", "s", 1)
    catalog.record(photos, SPACE, [large])
    assert list(catalog.assets(SPACE)) == [large]


def test_at_or_below_a_path_leaves_its_siblings_out(catalog: Catalog, photos: Source) -> None:
    inside = ["/photos", "/photos/a", "/photos/a/b", "/photos/\udcff", "/photos/.", "/photos//a"]
    outside = ["/photos2", "/photos2/a", "/photos.png", "/photos-old/a", "/photo", "/Photos/a", "/photos0"]
    catalog.record(photos, SPACE, [asset(path) for path in inside + outside])
    entries = [FileEntry(path, 1, 2) for path in inside + outside]
    for entry in entries:
        catalog.fail(photos, entry, reason="r", decoder="d", sha256=None)
    assert {a.path for a in catalog.assets(under="/photos")} == set(inside)
    assert {f.path for f in catalog.failures(under="/photos")} == set(inside)
    assert catalog.failed_as(under="/photos") == dict.fromkeys(inside, (1, 2, "d"))
    assert {a.path for a in catalog.assets(under="/photos/a")} == {"/photos/a", "/photos/a/b"}
    assert len(list(catalog.assets(under="/"))) == len(inside + outside)


def test_patterns_in_a_path_are_not_patterns(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/100%/a"), asset("/100x/a"), asset("/a_b/c"), asset("/axb/c")])
    assert [a.path for a in catalog.assets(under="/100%")] == ["/100%/a"]
    assert [a.path for a in catalog.assets(under="/a_b")] == ["/a_b/c"]


def test_the_same_file_recorded_again_leaves_one_row_and_no_tombstone(
    catalog: Catalog, photos: Source
) -> None:
    for _ in range(2):
        catalog.record(photos, SPACE, [asset("/photos/a")])
    assert list(catalog.assets(SPACE)) == [asset("/photos/a")] and buried(catalog) == set()


def test_touching_changes_size_and_time_only(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a"), asset("/photos/b")])
    catalog.touch([FileEntry("/photos/a", 11, 99)])
    assert list(catalog.assets(SPACE)) == [
        Asset("/photos/a", "/photos", 11, 99, "a", "image", "a", 1),
        asset("/photos/b"),
    ]


def test_contents_name_one_place_of_each_content_in_a_space(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a", "x", items=2), asset("/photos/b", "x", items=2)])
    catalog.record(photos, OTHER, [asset("/photos/c", "y")])
    assert catalog.contents(SPACE) in [{"x": Content(p, "x", 2)} for p in ("/photos/a", "/photos/b")]
    assert catalog.contents(OTHER) == {"y": Content("/photos/c", "y", 1)} and catalog.contents("none") == {}


# tombstones


def test_new_content_buries_what_it_replaces_in_that_space_only(catalog: Catalog, photos: Source) -> None:
    for space in (SPACE, OTHER):
        catalog.record(photos, space, [asset("/photos/a", "old", items=3)])
    catalog.record(photos, SPACE, [asset("/photos/a", "new")])
    assert buried(catalog) == {("/photos/a", "old", 3)} and buried(catalog, OTHER) == set()


def test_forgetting_buries_in_every_space_and_counts_what_went(catalog: Catalog, photos: Source) -> None:
    many = [asset(f"/photos/{n}", f"{n}") for n in range(603)]  # more than one statement takes
    catalog.record(photos, SPACE, [*many, asset("/photos/\udcff", "odd", items=2)])
    catalog.record(photos, OTHER, many[:1])
    catalog.fail(photos, FileEntry("/photos/0", 1, 1), reason="r", decoder="d", sha256=None)
    gone = [one.path for one in many[:602]]
    assert catalog.forget(iter([*gone, "/photos/\udcff", "/not/there"])) == 603
    assert [a.path for a in catalog.assets()] == ["/photos/602"] and catalog.failures() == []
    assert buried(catalog) == {(a.path, a.sha256, 1) for a in many[:602]} | {("/photos/\udcff", "odd", 2)}
    assert buried(catalog, OTHER) == {("/photos/0", "0", 1)}


def test_tombstones_are_cleared_one_by_one(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a"), asset("/photos/b")])
    catalog.forget(["/photos/a", "/photos/b"])
    one, other = catalog.tombstones()
    second = other.content
    catalog.clear_tombstones([one.id])
    assert buried(catalog) == {(second.path, second.sha256, second.items)}


def test_an_asset_without_items_leaves_no_tombstone(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a", items=0)])
    assert catalog.forget(["/photos/a"]) == 1 and buried(catalog) == set()


# the ledger


def test_a_failure_is_kept_until_the_file_is_recorded(catalog: Catalog, photos: Source) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a\udcff")])
    before = time.time()
    for reason in ("first", "truncated ✂"):
        entry = FileEntry("/photos/a\udcff", 5, 6)
        catalog.fail(photos, entry, reason=reason, decoder="pillow 1", sha256="f" * 64)
    (failure,) = catalog.failures()
    assert before <= failure.at <= time.time()
    expected = Failure("/photos/a\udcff", "truncated ✂", "f" * 64, "pillow 1", failure.at)
    assert failure == expected and catalog.failed_as(under="/photos") == {entry.path: (5, 6, "pillow 1")}
    assert list(catalog.assets(SPACE)) == [asset("/photos/a\udcff")]  # what it had, it keeps
    catalog.record(photos, SPACE, [asset("/photos/a\udcff", "mended")])
    assert catalog.failures() == []


def test_failures_are_cleared_by_path(catalog: Catalog, photos: Source) -> None:
    for name in ("a", "b", "c"):
        catalog.fail(photos, FileEntry(f"/photos/{name}", 1, 1), reason="r", decoder="d", sha256=None)
    catalog.clear_failures(["/photos/a", "/photos/c", "/photos/none"])
    assert [f.path for f in catalog.failures()] == ["/photos/b"]


# spaces and references


def test_spaces_and_references_come_back(catalog: Catalog) -> None:
    space = Space("pocket", "f" * 64, 1, 384)
    for _ in range(2):
        catalog.add_space(space)
    assert catalog.space(space.key) == space and catalog.space("none") is None
    catalog.set_reference(space.key, "text", "image", Reference(0.1, 0.2, 3))
    catalog.set_reference(space.key, "text", "image", Reference(0.2, 0.1, 128))
    catalog.set_reference(space.key, "image", "image", Reference(0.5, 0.1, 9))
    catalog.set_reference(OTHER, "text", "image", Reference(0.9, 0.1, 1))
    assert catalog.references(space.key) == {
        ("text", "image"): Reference(0.2, 0.1, 128),
        ("image", "image"): Reference(0.5, 0.1, 9),
    }


# the file


def test_what_was_written_is_there_when_opened_again(url: str) -> None:
    first = Catalog(url)
    first.record(first.add_source("/photos"), SPACE, [asset("/photos/a")])
    first.close()
    second = Catalog(url)
    assert list(second.assets(SPACE)) == [asset("/photos/a")]
    second.close()


def test_a_reader_opens_and_sees_the_last_whole_write_while_another_is_under_way(
    catalog: Catalog, photos: Source, url: str, tmp_path: Path
) -> None:
    catalog.record(photos, SPACE, [asset("/photos/a")])
    writer = sqlite3.connect(tmp_path / "catalog.sqlite", isolation_level=None)
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE asset SET size = 99")
    reader = Catalog(url)
    assert [a.size for a in reader.assets()] == [10]
    writer.execute("COMMIT")
    writer.close()
    assert [a.size for a in reader.assets()] == [99]
    reader.close()


def test_writers_in_several_threads_wait_for_each_other(url: str, catalog: Catalog, photos: Source) -> None:
    def write(number: int) -> None:
        mine = Catalog(url)
        for n in range(10):
            mine.record(photos, SPACE, [asset(f"/photos/{number}-{n}")])
        mine.close()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(catalog.assets(SPACE))) == 40


def test_a_catalog_from_the_future_is_refused_and_left_as_it_is(url: str, tmp_path: Path) -> None:
    Catalog(url).close()
    with sqlite3.connect(tmp_path / "catalog.sqlite") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(CollectionTooNew, match="9999") as caught:
        Catalog(url)
    assert "newer searchkit" in caught.value.hint
    with sqlite3.connect(tmp_path / "catalog.sqlite") as raw:
        assert raw.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    raw.close()


# migrations


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(Path(connect.__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config)


def test_the_newest_migration_is_the_one_that_the_code_knows() -> None:
    assert scripts().get_heads() == [connect.HEAD]
    assert {script.revision for script in scripts().walk_revisions()} == connect.KNOWN


def test_the_migrations_make_the_tables_of_the_code(catalog: Catalog, url: str) -> None:
    engine = create_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


def test_an_empty_file_is_brought_to_the_newest_tables(url: str, tmp_path: Path) -> None:
    (tmp_path / "catalog.sqlite").touch()
    opened = Catalog(url)
    assert opened.sources() == []
    opened.close()


def test_a_catalog_of_the_first_format_learns_what_is_left_out(url: str) -> None:
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(connect.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    engine.dispose()
    catalog = Catalog(url)
    source = catalog.add_source("/photos")
    counted = replace(asset("/photos/a.pdf"), left_out='{"pages_without_text": 2}')
    catalog.record(
        source, SPACE, [counted, asset("/photos/b.pdf", "b"), replace(counted, path="/photos/c.pdf")]
    )
    assert catalog.left_out(SPACE) == {"pages_without_text": 4} and catalog.left_out(OTHER) == {}
    assert catalog.contents(SPACE)["a"].left_out == counted.left_out
    assert [a.left_out for a in catalog.assets(SPACE)] == [counted.left_out, None, counted.left_out]
    catalog.close()
