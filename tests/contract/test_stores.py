"""The law of `VectorStore` on both stores, and the accelerator over each against brute force."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import BadInput
from searchkit.protocols import VectorStore
from searchkit.stores import faiss as accelerators
from searchkit.stores.faiss import Accelerator
from searchkit.stores.lance import LanceStore
from searchkit.stores.memory import MemoryStore
from searchkit.types import Item, Kind
from tests.stores import DIM, SPACE, Truth, item, items, same, unit

STORES = ("on disk", "in memory")


def opened(which: str, folder: Path) -> VectorStore:
    return LanceStore(folder / "lance", SPACE) if which == "on disk" else MemoryStore(SPACE)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> VectorStore:
    return opened(request.param, tmp_path)


@pytest.fixture
def truth() -> Truth:
    return Truth()


# the law


def test_an_empty_store_answers_everything_with_nothing(store: VectorStore) -> None:
    assert store.search(unit(1, 0)[0], 5) == [] and list(store.scan()) == [] and store.count() == 0
    assert store.get(["00"]) == [] and store.vectors([]).shape == (0, DIM)
    store.write([], np.zeros((0, DIM), np.float32))
    store.delete([])
    assert store.count() == 0


def test_every_field_of_an_item_comes_back_as_it_was(store: VectorStore) -> None:
    passage = Item(
        "ab-1", Kind.PASSAGE, "/p/a b'\"\n.pdf", "/p", "f" * 64, 3, 1.7e9, 7, 12, 40, "line\nthree ✓ 'q'"
    )
    picture = item(2, width=4000, height=3000, mtime=-12.5)
    bytes_path = item(3, path="/photos/caf\udce9.png")
    store.write([passage, picture, bytes_path], unit(3, 0))
    assert store.get(["ab-1", picture.id, bytes_path.id]) == [passage, picture, bytes_path]


def test_get_keeps_the_order_asked_for_and_leaves_out_what_is_not_there(store: VectorStore) -> None:
    store.write(items(5), unit(5, 0))
    wanted = [item(4).id, "nothing", item(0).id]
    assert [one.id for one in store.get(wanted)] == [item(4).id, item(0).id]


def test_vectors_come_in_the_order_asked_for_and_a_missing_one_is_named(store: VectorStore) -> None:
    vectors = unit(2500, 1)  # more than one look-up
    store.write(items(2500), vectors)
    order = np.random.default_rng(0).permutation(2500)
    assert np.array_equal(store.vectors([item(i).id for i in order]), vectors[order])
    with pytest.raises(KeyError, match="missing"):
        store.vectors([item(0).id, "missing"])


def test_writing_an_id_again_replaces_it(store: VectorStore) -> None:
    store.write(items(4), unit(4, 1))
    store.write([item(2, mtime=1.8e9)], unit(4, 1)[2:3])
    assert store.count() == 4 and store.get([item(2).id])[0].mtime == 1.8e9


def test_vectors_of_another_width_or_number_are_refused_and_nothing_is_written(store: VectorStore) -> None:
    for vectors in (unit(2, 0), np.zeros((3, DIM + 1), np.float32)):
        with pytest.raises(ValueError, match="3 items"):
            store.write(items(3), vectors)
    assert store.count() == 0


def test_search_is_exact_and_ordered(store: VectorStore, truth: Truth) -> None:
    for start in (0, 400, 800):  # several fragments
        vectors = unit(400, start)
        store.write(items(400, start=start), vectors)
        truth.write(items(400, start=start), vectors)
    gone = [item(i).id for i in range(0, 1200, 7)]
    store.delete(gone)
    truth.delete(gone)
    for query in unit(10, 99):
        for kind in (None, *Kind):
            assert same(store.search(query, 20, kind=kind), truth.search(query, 20, kind))
    assert len(store.search(unit(1, 0)[0], 5000)) == store.count() == len(truth.rows)


def test_equal_scores_are_ordered_by_id(store: VectorStore) -> None:
    vector = unit(1, 0)
    store.write([item(i) for i in (5, 1, 3)], np.repeat(vector, 3, axis=0))
    assert [c.item.id for c in store.search(vector[0], 3)] == [item(i).id for i in (1, 3, 5)]


def test_scan_gives_every_vector_once_and_in_the_same_order_each_time(store: VectorStore) -> None:
    for start in (0, 100, 200):
        store.write(items(100, start=start), unit(100, start))
    store.delete([item(105).id])
    first, second = ([i for ids, _ in store.scan() for i in ids] for _ in range(2))
    assert first == second and sorted(first) == sorted(store.ids()) and len(set(first)) == 299
    for kind in Kind:
        assert sum(len(ids) for ids, _ in store.scan(kind=kind)) == store.count(kind=kind)
    for ids, vectors in store.scan(kind=Kind.PASSAGE):
        assert np.array_equal(store.vectors(ids), vectors)
        assert {one.kind for one in store.get(ids)} == {Kind.PASSAGE}


def test_compacting_changes_no_answer(store: VectorStore, truth: Truth) -> None:
    for start in range(0, 50, 5):
        store.write(items(5, start=start), unit(5, start))
        truth.write(items(5, start=start), unit(5, start))
    store.delete([item(7).id])
    truth.delete([item(7).id])
    store.compact()
    assert store.count() == 49 and same(store.search(unit(1, 3)[0], 9), truth.search(unit(1, 3)[0], 9))


def test_erasing_leaves_what_is_beside_it(store: VectorStore, truth: Truth) -> None:
    store.write(items(30), unit(30, 0))
    truth.write(items(30), unit(30, 0))
    gone = [item(i).id for i in (3, 4, 29)]
    store.erase(gone)
    truth.delete(gone)
    assert store.get(gone) == [] and same(store.search(unit(1, 3)[0], 40), truth.search(unit(1, 3)[0], 40))


def test_labels_are_counted_and_the_first_and_the_last_moment_told(store: VectorStore) -> None:
    assert store.labels_and_times() == ({}, None, None)
    written = [item(0, label="dog", mtime=1.5e9), item(1, label="cat", taken=9e8), item(2, label="it's")]
    written += [item(3, label="it's"), item(4, mtime=1.8e9)]
    store.write(written, unit(5, 0))
    labels, first, last = store.labels_and_times()
    assert list(labels.items()) == [("it's", 2), ("cat", 1), ("dog", 1)] and (first, last) == (9e8, 1.8e9)


# rows


def test_a_row_is_an_items_until_it_is_written_again(store: VectorStore) -> None:
    vectors = unit(20, 0)
    store.write(items(10), vectors[:10])
    before = store.version
    images = [item(i).id for i in (8, 1, 5)]
    rows = store.rows_of([*images, "missing", item(0).id], kind=Kind.IMAGE, until=before)
    assert rows.dtype == np.int64 and (rows[:3] >= 0).all() and rows[3:].tolist() == [-1, -1]
    assert np.array_equal(store.vectors_at(rows[:3].tolist()), vectors[[8, 1, 5]])
    store.write([item(1, mtime=1.8e9), item(11)], vectors[[1, 11]])
    store.delete([item(5).id])
    assert store.version > before
    after = store.rows_of(images, kind=Kind.IMAGE, until=before)
    assert after[0] == rows[0] and after[1:].tolist() == [-1, -1], "written again, and deleted"
    ((newer, written, theirs),) = store.rows_since(before, kind=Kind.IMAGE)
    assert sorted(one.id for one in written) == [item(1).id, item(11).id]
    assert np.array_equal(store.vectors_at(newer.tolist()), theirs)
    assert not set(newer.tolist()) & set(rows.tolist())
    newest = store.search(vectors[8], 20, newer_than=before)
    assert sorted(c.item.id for c in newest) == [item(1).id, item(11).id]


def test_all_rows_are_given_once_with_their_items_and_vectors(store: VectorStore) -> None:
    store.write(items(40), unit(40, 0))
    assert len(store.rows_where("true")) == 40
    for kind in Kind:
        for rows, written, vectors in store.rows_since(kind=kind):
            ids = [one.id for one in written]
            assert store.get(ids) == written and np.array_equal(store.vectors(ids), vectors)
            assert store.rows_of(ids, kind=kind, until=store.version).tolist() == rows.tolist()
            assert sorted(rows.tolist()) == store.rows_where("true", kind=kind).tolist()
            assert len(ids) == store.count(kind=kind)


# words


def worded(number: int, text: str | None, path: str = "/d/a.txt") -> Item:
    return item(number, Kind.PASSAGE if text else Kind.IMAGE, text=text, path=path)


ENGLISH = "The keeper was feeding the bees with syrup, and it is the last time that they are fed."


def matched(store: VectorStore, words: str, column: str = "text", **options: object) -> list[int]:
    candidates = store.match(words, 50, column=column, **options)  # type: ignore[arg-type]
    assert all(c.score > 0 for c in candidates)
    assert [c.score for c in candidates] == sorted((c.score for c in candidates), reverse=True)
    return [int(c.item.id[:8], 16) for c in candidates]


def test_words_are_found_before_and_after_they_are_indexed_and_gone_with_their_items(
    store: VectorStore,
) -> None:
    store.write([worded(i, f"Note {i} about thing{i}.") for i in range(20)], unit(20, 0))
    for _ in range(2):
        assert matched(store, "thing7") == [7] and matched(store, "thing7, thing3!") in ([3, 7], [7, 3])
        assert matched(store, "nothing") == [] == matched(store, "?")
        store.compact()
    assert matched(store, "THING7") == [7]
    store.write([worded(30, "Note 30 about thing30."), worded(7, "Another.")], unit(2, 1))
    store.delete([item(3).id])
    assert matched(store, "thing30") == [30] and matched(store, "thing7 thing3") == []


def test_the_stems_are_those_of_the_language_of_most_passages_or_of_the_one_that_is_asked_for(
    store: VectorStore,
) -> None:
    store.write([worded(0, ENGLISH), worded(1, "Nobody connects it."), worded(2, None)], unit(3, 0))
    assert store.language == "none"
    store.compact()
    assert store.language == "english" and matched(store, "connections") == [1]
    store.write([worded(3, "The connections were cut.")], unit(1, 5))
    assert sorted(matched(store, "connecting")) == [1, 3]
    assert matched(store, "What did the keeper do?") == [0], "common words count where there are no others"
    store.asked_language = "none"
    store.compact()
    assert store.language == "none" and matched(store, "connecting") == []


def test_the_names_of_files_have_words_too_and_a_filter_holds_for_words(store: VectorStore) -> None:
    store.write(
        [
            worded(0, ENGLISH, "/d/Annual-reports_2020.pdf"),
            worded(1, None, "/d/reports.png"),
            worded(2, "Reports.", "/d/caf\udce9.txt"),
        ],
        unit(3, 0),
    )
    store.compact()
    assert sorted(matched(store, "report", "name")) == [0, 1]
    assert matched(store, "reports", "name", kind=Kind.IMAGE) == [1]
    assert matched(store, "reports 2020", "name", where="path LIKE '%.pdf'") == [0]
    assert matched(store, "2020 reports", "name")[0] == 0, "two words are better than one"


# filters


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("path LIKE '%00003%'", [3]),
        ("mtime > '2026-01-01'", [4]),
        ("path LIKE '%0000%' AND mtime>='2026-01-01T00:00:00Z'", [4]),
        ("mtime < timestamp '2020-01-01'", [5]),
        ("mtime < '2020-01-01' OR width = 640", [2, 5]),
        ("mtime BETWEEN '2016-01-01' AND '2020-01-01'", [5]),
        ("text IS NULL AND mtime not between '2016-01-01' and '2020-01-01' AND width IS NULL", [1, 3, 4]),
        ("text IS NOT NULL", [0]),
        ("path LIKE '/PHOTOS/%'", []),
        (r"path LIKE '%/0000\_.png' OR path LIKE '%/0000_.png' AND width IN (640, 5)", [2]),
        ("coalesce(width, 0) * 2 % 1000 = 280 AND NOT kind = 'passage'", [2]),
        ("starts_with(path, '/photos/00004') OR text = 'it''s timestamp ''2020'' '", [4]),
        ("coalesce(taken, mtime) >= timestamp '2026-01-01 00:00:00'", [4]),
        ("taken = '2020-09-13T12:26:40'", [3]),
        ("mtime > '2026-05-05T19:00:00+02:00'", [4]),
        ("start >= 10 AND end < 20", [0]),
        ('"end" = 15 AND width <> 640 OR label_confidence = 0.8', [1]),
        ("label_confidence > 0.8 OR label != 'cat'", []),
        ("width = NULL", []),
        ("true", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_a_filter_is_applied_before_the_search(store: VectorStore, where: str, numbers: list[int]) -> None:
    changed: dict[int, dict[str, object]] = {
        0: {"text": "a", "start": 10, "end": 15},
        1: {"label": "cat", "label_confidence": 0.8},
        2: {"width": 640},
        3: {"taken": 1.6e9},
        4: {"mtime": 1.78e9},
        5: {"mtime": 1.5e9},
    }
    store.write([item(i)._replace(**changed.get(i, {})) for i in range(6)], unit(6, 0))  # type: ignore[arg-type]
    expected = [item(i).id for i in numbers]
    candidates = store.search(unit(1, 1)[0], 6, where=where)
    assert sorted(c.item.id for c in candidates) == expected
    assert store.count(where=where) == len(numbers)
    rows = store.rows_of(expected, kind=Kind.IMAGE, until=store.version)
    assert store.rows_where(where).tolist() == sorted(rows.tolist())


@pytest.mark.parametrize(
    "where",
    ["colour = 'red'", 'path = "red"', "path LIKE", "1", "width", "drop table x", "mtime > 'yesterday'"],
)
def test_a_filter_that_cannot_be_read_is_refused_with_the_columns(store: VectorStore, where: str) -> None:
    store.write([one._replace(width=640) for one in items(3)], unit(3, 0))
    with pytest.raises(BadInput) as caught:
        store.search(unit(1, 0)[0], 3, where=where)
    for read in (store.rows_where, lambda where: store.count(where=where)):
        with pytest.raises(BadInput):
            read(where)
    assert where in str(caught.value) and "mtime" in caught.value.hint and ".rs" not in str(caught.value)


# the accelerator


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accelerator is built for small stores too."""
    monkeypatch.setattr(accelerators, "MIN_ROWS", 5)


@pytest.fixture
def fast(store: VectorStore, tmp_path: Path, few: None) -> Iterator[Accelerator]:
    """An accelerator over 300 rows in which every third is a passage."""
    store.write(items(300), unit(300, 0))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.version is None and accelerator.rebuild()
    assert accelerator.version == store.version
    yield accelerator


def test_the_accelerator_equals_brute_force_and_the_store(
    store: VectorStore, truth: Truth, tmp_path: Path
) -> None:
    store.write(items(2600), unit(2600, 0))
    truth.write(items(2600), unit(2600, 0))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.rebuild()
    agree(accelerator, store, truth)
    newer = items(60, start=2600)
    store.write(newer, unit(60, 5))
    truth.write(newer, unit(60, 5))
    agree(accelerator, store, truth)
    gone = [item(i).id for i in range(0, 2660, 5)]
    store.delete(gone)
    truth.delete(gone)
    agree(accelerator, store, truth)
    store.compact()
    agree(accelerator, store, truth)
    assert accelerator.rebuild()
    agree(Accelerator(tmp_path / "faiss", store), store, truth)


def agree(accelerator: Accelerator, store: VectorStore, truth: Truth) -> None:
    for query in unit(3, 1234):
        for kind in Kind:
            for k in (1, 30):
                expected = truth.search(query, k, kind)
                assert same(accelerator.search(query, k, kind=kind), expected)
                assert same(store.search(query, k, kind=kind), expected)


def test_deleting_all_that_is_nearest_shows_what_lies_behind(fast: Accelerator, store: VectorStore) -> None:
    query = unit(1, 9)[0]
    ranked = [c.item.id for c in store.search(query, 300, kind=Kind.IMAGE)]
    store.delete(ranked[:150])
    assert [c.item.id for c in fast.search(query, 10, kind=Kind.IMAGE)] == ranked[150:160]
    store.delete(ranked[150:])
    assert fast.search(query, 10, kind=Kind.IMAGE) == []


def test_an_item_that_went_and_came_back_is_found_once(fast: Accelerator, store: VectorStore) -> None:
    vector = unit(300, 0)[1:2]
    store.delete([item(1).id])
    store.write([item(1, mtime=1.9e9)], vector)
    found = fast.search(vector[0], 300, kind=Kind.IMAGE)
    assert found[0].item == item(1, mtime=1.9e9) and len(found) == len({c.item.id for c in found}) == 200


def test_a_kind_that_the_collection_does_not_hold_is_found_empty(
    store: VectorStore, tmp_path: Path, few: None
) -> None:
    store.write([item(i) for i in range(20)], unit(20, 0))
    Accelerator(tmp_path / "faiss", store).rebuild()
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.search(unit(1, 0)[0], 5, kind=Kind.PASSAGE) == []
    store.write([item(50, Kind.PASSAGE)], unit(1, 0))
    assert accelerator.search(unit(1, 0)[0], 5, kind=Kind.PASSAGE)[0].item.id == item(50).id


def test_a_small_store_needs_no_accelerator(store: VectorStore, tmp_path: Path) -> None:
    store.write(items(10), unit(10, 0))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert not accelerator.rebuild() and accelerator.version is None and not (tmp_path / "faiss").exists()


def test_rebuilding_leaves_one_build_and_serves_readers_of_the_old_one(
    fast: Accelerator, store: VectorStore, tmp_path: Path
) -> None:
    reader = Accelerator(tmp_path / "faiss", store)
    store.write([item(900)], unit(1, 900))
    assert fast.rebuild()
    assert [p.name for p in (tmp_path / "faiss").iterdir() if p.is_dir()] == [f"base-{store.version}"]
    assert reader.search(unit(1, 900)[0], 1, kind=Kind.IMAGE)[0].item.id == item(900).id


FILES = ["current.json", *(f"base/image.{end}" for end in ("faiss", "ids.npy", "items", "ends.npy", "json"))]


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


@pytest.mark.parametrize(
    "name",
    FILES,
)
@pytest.mark.parametrize("harm", [cut, write(b""), write(b"junk" * 99), Path.unlink])
def test_a_damaged_accelerator_is_none(
    fast: Accelerator, store: VectorStore, tmp_path: Path, name: str, harm: Callable[[Path], object]
) -> None:
    build = json.loads((tmp_path / "faiss" / "current.json").read_text())["base"]
    harm(tmp_path / "faiss" / name.replace("base", build))
    damaged = Accelerator(tmp_path / "faiss", store)
    assert damaged.version is None
    assert damaged.rebuild() and damaged.search(unit(1, 0)[0], 1, kind=Kind.IMAGE)


@pytest.mark.parametrize(
    "pointer", [[], {"base": "x"}, {"version": 1}, {"format": 2, "base": "base-9", "version": "x"}]
)
def test_a_pointer_to_nothing_is_no_accelerator(store: VectorStore, tmp_path: Path, pointer: object) -> None:
    (tmp_path / "faiss").mkdir()
    (tmp_path / "faiss" / "current.json").write_text(json.dumps(pointer))
    assert Accelerator(tmp_path / "faiss", store).version is None


def test_an_accelerator_of_a_later_state_than_the_store_is_not_used(
    fast: Accelerator, store: VectorStore, tmp_path: Path
) -> None:
    pointer = tmp_path / "faiss" / "current.json"
    current = json.loads(pointer.read_text())
    pointer.write_text(json.dumps(current | {"version": store.version + 1}))
    assert Accelerator(tmp_path / "faiss", store).version is None


# both are one


VALUES = {
    "path": ["'/photos/00001.png'", "'/photos/00009.png'", "'/photos/%1.png'", "'/Photos/00001.png'"],
    "ordinal": ["0", "2", "-1"],
    "width": ["640", "1000", "1024"],
    "label_confidence": ["0.25", "0.8"],
    "mtime": ["'2017-07-14'", "'2023-11-14T22:13:20'", "'2023-11-15T00:13:20+02:00'"],
    "text": ["'note'", "'it''s'", "'%e%'"],
}
ANY = ("{} = {}", "{} <> {}", "{} < {}", "{} >= {}", "{} BETWEEN {} AND {}", "{} IS NULL", "{} IS NOT NULL")
LIKE, IN = ("{} LIKE {}", "{} NOT LIKE {}"), ("{} IN ({}, {})", "{} NOT IN ({}, {})")


@st.composite
def comparisons(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(sorted(VALUES)))
    forms = [*ANY, *(LIKE if name in ("path", "text") else ()), *(IN if name != "mtime" else ())]
    values = st.sampled_from(VALUES[name])
    return draw(st.sampled_from(forms)).format(name, draw(values), draw(values))


FILTERS = st.recursive(
    comparisons(),
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("(NOT {})".format, inner),
    ),
    max_leaves=4,
)
FIELDS = {
    "ordinal": st.integers(0, 3),
    "mtime": st.sampled_from([1.5e9, 1.6e9, 1.7e9]),
    "width": st.sampled_from([None, 640, 1000, 2000]),
    "label": st.sampled_from([None, "cat", "dog"]),
    "label_confidence": st.sampled_from([None, 0.25, 0.5]),
    "text": st.sampled_from([None, "note", "it's", "a note, it is", "the beginning of it"]),
}


@st.composite
def made_up(draw: st.DrawFn) -> Item:
    kind = draw(st.sampled_from(list(Kind)))
    return item(draw(st.integers(0, 12)), kind, **draw(st.fixed_dictionaries(FIELDS)))


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "delete", "compact"]),
        st.lists(made_up(), max_size=6, unique_by=lambda one: one.id),
    ),
    min_size=1,
    max_size=5,
)


def change(store: VectorStore, what: str, written: list[Item]) -> None:
    if what == "write":
        store.write(written, unit(13, 3)[[int(one.id[:8], 16) for one in written]])
    elif what == "delete":
        store.delete([one.id for one in written])
    else:
        store.compact()


def answers(store: VectorStore, where: str | None, k: int) -> list[object]:
    """All that a store says of a filter and of the nearest, scores apart."""
    question, ids = unit(1, 7)[0], sorted(store.ids())
    return [
        store.get(ids),
        store.vectors(ids).tolist(),
        [[c.item for c in store.search(question, k, kind=kind, where=where)] for kind in (None, *Kind)],
        [store.count(kind=kind, where=where) for kind in (None, *Kind)],
        [len(store.rows_where(where or "true", kind=kind)) for kind in Kind],
        sorted(c.item.id for c in store.match("note it", 50, column="text", where=where)),
        store.labels_and_times(),
        store.language,
    ]


@settings(max_examples=25, deadline=None)
@given(changes=CHANGES, where=st.one_of(st.none(), FILTERS), k=st.integers(1, 20))
def test_a_store_in_memory_answers_as_the_one_on_disk(
    tmp_path_factory: pytest.TempPathFactory,
    changes: list[tuple[str, list[Item]]],
    where: str | None,
    k: int,
) -> None:
    both = [opened(which, tmp_path_factory.mktemp("both")) for which in STORES]
    for what, written in changes:
        for store in both:
            change(store, what, written)
    on_disk, in_memory = (answers(store, where, k) for store in both)
    assert on_disk == in_memory
