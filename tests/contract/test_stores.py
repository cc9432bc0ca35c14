"""The law of `VectorStore` on the store of record, and the accelerator against brute force."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from searchkit.errors import BadInput
from searchkit.stores import faiss as accelerators
from searchkit.stores.faiss import Accelerator
from searchkit.stores.lance import LanceStore
from searchkit.types import Candidate, Item, Kind, Space, Vectors

DIM = 16
SPACE = Space("test", "0" * 64, 1, DIM)


def unit(n: int, seed: int) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, DIM)).astype(np.float32)
    vectors: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return vectors


def item(number: int, kind: Kind = Kind.IMAGE, **fields: object) -> Item:
    plain = Item(f"{number:08x}-0", kind, f"/photos/{number:05}.png", "/photos", f"{number:064x}", 0, 1.7e9)
    return plain._replace(**fields)  # type: ignore[arg-type]


def items(n: int, *, start: int = 0) -> list[Item]:
    """Every third is a passage."""
    return [item(i, Kind.PASSAGE if i % 3 == 0 else Kind.IMAGE) for i in range(start, start + n)]


class Truth:
    """Brute force: what a store must answer."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[Item, np.ndarray]] = {}

    def write(self, written: list[Item], vectors: Vectors) -> None:
        self.rows |= {i.id: (i, v) for i, v in zip(written, vectors, strict=True)}

    def delete(self, ids: list[str]) -> None:
        for i in ids:
            self.rows.pop(i, None)

    def search(self, vector: np.ndarray, k: int, kind: Kind | None = None) -> list[tuple[str, float]]:
        scores = [(i, float(vector @ v)) for i, (one, v) in self.rows.items() if kind in (None, one.kind)]
        return sorted(scores, key=lambda pair: (-pair[1], pair[0]))[:k]


def same(found: list[Candidate], expected: list[tuple[str, float]]) -> bool:
    ids, scores = [c.item.id for c in found], [c.score for c in found]
    return ids == [i for i, _ in expected] and np.allclose(scores, [s for _, s in expected], atol=1e-5)


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return LanceStore(tmp_path / "lance", SPACE)


@pytest.fixture
def truth() -> Truth:
    return Truth()


# the law


def test_an_empty_store_answers_everything_with_nothing(store: LanceStore) -> None:
    assert store.search(unit(1, 0)[0], 5) == [] and list(store.scan()) == [] and store.count() == 0
    assert store.get(["00"]) == [] and store.vectors([]).shape == (0, DIM)
    store.write([], np.zeros((0, DIM), np.float32))
    store.delete([])
    assert store.count() == 0


def test_every_field_of_an_item_comes_back_as_it_was(store: LanceStore) -> None:
    passage = Item(
        "ab-1", Kind.PASSAGE, "/p/a b'\"\n.pdf", "/p", "f" * 64, 3, 1.7e9, 7, 12, 40, "line\nthree ✓ 'q'"
    )
    picture = item(2, width=4000, height=3000, mtime=-12.5)
    bytes_path = item(3, path="/photos/caf\udce9.png")
    store.write([passage, picture, bytes_path], unit(3, 0))
    assert store.get(["ab-1", picture.id, bytes_path.id]) == [passage, picture, bytes_path]


def test_get_keeps_the_order_asked_for_and_leaves_out_what_is_not_there(store: LanceStore) -> None:
    store.write(items(5), unit(5, 0))
    wanted = [item(4).id, "nothing", item(0).id]
    assert [one.id for one in store.get(wanted)] == [item(4).id, item(0).id]


def test_vectors_come_in_the_order_asked_for_and_a_missing_one_is_named(store: LanceStore) -> None:
    vectors = unit(2500, 1)  # more than one look-up
    store.write(items(2500), vectors)
    order = np.random.default_rng(0).permutation(2500)
    assert np.array_equal(store.vectors([item(i).id for i in order]), vectors[order])
    with pytest.raises(KeyError, match="missing"):
        store.vectors([item(0).id, "missing"])


def test_writing_an_id_again_replaces_it(store: LanceStore) -> None:
    store.write(items(4), unit(4, 1))
    store.write([item(2, mtime=1.8e9)], unit(4, 1)[2:3])
    assert store.count() == 4 and store.get([item(2).id])[0].mtime == 1.8e9


def test_vectors_of_another_width_or_number_are_refused_and_nothing_is_written(store: LanceStore) -> None:
    for vectors in (unit(2, 0), np.zeros((3, DIM + 1), np.float32)):
        with pytest.raises(ValueError, match="3 items"):
            store.write(items(3), vectors)
    assert store.count() == 0


def test_search_is_exact_and_ordered(store: LanceStore, truth: Truth) -> None:
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


def test_equal_scores_are_ordered_by_id(store: LanceStore) -> None:
    vector = unit(1, 0)
    store.write([item(i) for i in (5, 1, 3)], np.repeat(vector, 3, axis=0))
    assert [c.item.id for c in store.search(vector[0], 3)] == [item(i).id for i in (1, 3, 5)]


def test_scan_gives_every_vector_once_and_in_the_same_order_each_time(store: LanceStore) -> None:
    for start in (0, 100, 200):
        store.write(items(100, start=start), unit(100, start))
    store.delete([item(105).id])
    first, second = ([i for ids, _ in store.scan() for i in ids] for _ in range(2))
    assert first == second and sorted(first) == sorted(store.ids()) and len(set(first)) == 299
    for ids, vectors in store.scan(kind=Kind.PASSAGE):
        assert np.array_equal(store.vectors(ids), vectors)
        assert {one.kind for one in store.get(ids)} == {Kind.PASSAGE}


def test_compacting_changes_no_answer(store: LanceStore, truth: Truth) -> None:
    for start in range(0, 50, 5):
        store.write(items(5, start=start), unit(5, start))
        truth.write(items(5, start=start), unit(5, start))
    store.delete([item(7).id])
    truth.delete([item(7).id])
    store.compact()
    assert store.count() == 49 and same(store.search(unit(1, 3)[0], 9), truth.search(unit(1, 3)[0], 9))


def worded(numbers: range) -> list[Item]:
    return [item(i, Kind.PASSAGE, text=f"note about thing{i}") for i in numbers]


def test_of_a_large_table_only_what_is_new_is_written_again(
    store: LanceStore, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WHOLE_UP_TO": 100, "INDEX_IDS_FROM": 100, "LATE": 60, "JOINED": 25}.items():
        monkeypatch.setattr(f"searchkit.stores.lance.{name}", value)

    def write(numbers: range) -> None:
        for into in (store, truth):
            into.write(worded(numbers), unit(len(numbers), numbers.start))

    def files() -> set[Path]:
        return set((tmp_path / "lance").rglob("data/*.lance"))

    def right() -> bool:
        words = [store.match(f"thing{i}", 1, column="text")[0].item.id for i in (3, 205, 229)]
        alike = same(store.search(unit(1, 3)[0], 9), truth.search(unit(1, 3)[0], 9))
        return alike and words == [item(i).id for i in (3, 205, 229)]

    write(range(200))
    store.compact()
    for start in range(200, 230, 3):
        write(range(start, start + 3))
    written = store.rows(kind=Kind.PASSAGE).sort_by("id").select(["id", "written"])
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 11
    before = files()
    store.compact()
    assert right() and (store.places("true") >> 32).min() == 0, "the large file was written again"
    assert len(files() - before) == 2
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 3  # 24 rows and 6
    assert store.rows(kind=Kind.PASSAGE).sort_by("id").select(["id", "written"]) == written
    store.compact()
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 3, "there was nothing to do"
    gone = [item(i).id for i in range(10, 60)]
    store.delete(gone)
    truth.delete(gone)
    store.compact()
    assert right() and (store.places("true") >> 32).min() > 0, "a fifth of the large file was deleted"
    write(range(230, 295))
    store.compact()
    assert right() and store._table.index_stats("text_idx").num_unindexed_rows == 0
    write(range(295, 300))
    store.compact()
    assert store._table.index_stats("text_idx").num_unindexed_rows == 5
    monkeypatch.setattr("searchkit.stores.lance.VERSIONS", 3)
    for version in (tmp_path / "lance").rglob("*.manifest"):
        os.utime(version, (1, 1))
    store.compact()
    assert right() and store._table.index_stats("text_idx").num_unindexed_rows == 0


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
    ],
)
def test_a_filter_is_applied_before_the_search(store: LanceStore, where: str, numbers: list[int]) -> None:
    changed: dict[int, dict[str, object]] = {
        0: {"text": "a"},
        2: {"width": 640},
        4: {"mtime": 1.78e9},
        5: {"mtime": 1.5e9},
    }
    store.write([item(i)._replace(**changed.get(i, {})) for i in range(6)], unit(6, 0))  # type: ignore[arg-type]
    found = store.search(unit(1, 1)[0], 6, where=where)
    assert sorted(c.item.id for c in found) == [item(i).id for i in numbers]


@pytest.mark.parametrize("where", ["colour = 'red'", "path LIKE", "1", "drop table x", "mtime > 'yesterday'"])
def test_a_filter_that_cannot_be_read_is_refused_with_the_columns(store: LanceStore, where: str) -> None:
    store.write(items(3), unit(3, 0))
    with pytest.raises(BadInput) as caught:
        store.search(unit(1, 0)[0], 3, where=where)
    assert where in str(caught.value) and "mtime" in caught.value.hint and ".rs" not in str(caught.value)


# two processes


def test_another_handle_sees_a_write_within_its_interval(store: LanceStore, tmp_path: Path) -> None:
    store.write(items(3), unit(3, 0))
    code = f"""
        from pathlib import Path
        import numpy as np
        from searchkit.stores.lance import LanceStore
        from searchkit.types import Item, Kind, Space
        store = LanceStore(Path({str(tmp_path / "lance")!r}), {SPACE!r})
        vector = np.eye({DIM}, dtype=np.float32)[:1]
        store.write([Item("other-0", Kind.IMAGE, "/x.png", "/", "0" * 64, 0, 0.0)], vector)
    """
    python(code).check_returncode()
    store._table.checkout_latest()  # what the two-second interval does, without the wait
    assert store.search(np.eye(DIM, dtype=np.float32)[0], 1)[0].item.id == "other-0"
    assert store.count() == 4


def test_a_row_written_through_a_handle_that_lags_is_newer_than_the_accelerator(
    store: LanceStore, tmp_path: Path, few: None
) -> None:
    lagging = LanceStore(tmp_path / "lance", SPACE)
    for start in (0, 10, 20):
        store.write(items(10, start=start), unit(10, start))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.rebuild()
    vector = unit(1, 77)
    lagging.write([item(500)], vector)  # its own version is still the empty table's
    store._table.checkout_latest()
    store._changed()
    assert accelerator.search(vector[0], 1, kind=Kind.IMAGE)[0].item.id == item(500).id


def test_a_writer_killed_half_way_leaves_whole_batches_and_all_it_acknowledged(tmp_path: Path) -> None:
    code = f"""
        from pathlib import Path
        import numpy as np
        from searchkit.stores.lance import LanceStore
        from searchkit.types import Item, Kind, Space
        store = LanceStore(Path({str(tmp_path / "lance")!r}), {SPACE!r})
        vectors = np.eye({DIM}, dtype=np.float32)
        for batch in range(10_000):
            ids = [f"{{batch}}-{{n}}" for n in range({DIM})]
            store.write([Item(i, Kind.IMAGE, "/x.png", "/", "0" * 64, 0, 0.0) for i in ids], vectors)
            print(batch, flush=True)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split()]
    assert writer.returncode == -signal.SIGKILL
    store = LanceStore(tmp_path / "lance", SPACE)
    wanted = [f"{batch}-{n}" for batch in acknowledged for n in range(DIM)]
    assert [one.id for one in store.get(wanted)] == wanted
    assert store.count() % DIM == 0 and store.count() == len(set(store.ids()))
    store.write([item(1)], unit(1, 0))  # and what it left can be written to
    assert store.get([item(1).id])


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )


# the accelerator


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accelerator is built for small stores too."""
    monkeypatch.setattr(accelerators, "MIN_ROWS", 5)


@pytest.fixture
def fast(store: LanceStore, tmp_path: Path, few: None) -> Iterator[Accelerator]:
    """An accelerator over 300 rows in which every third is a passage."""
    store.write(items(300), unit(300, 0))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.version is None and accelerator.rebuild()
    assert accelerator.version == store.version
    yield accelerator


def test_the_accelerator_equals_brute_force_and_the_store(tmp_path: Path) -> None:
    store, truth = LanceStore(tmp_path / "lance", SPACE), Truth()
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


def agree(accelerator: Accelerator, store: LanceStore, truth: Truth) -> None:
    for query in unit(3, 1234):
        for kind in Kind:
            for k in (1, 30):
                expected = truth.search(query, k, kind)
                assert same(accelerator.search(query, k, kind=kind), expected)
                assert same(store.search(query, k, kind=kind), expected)


def test_deleting_all_that_is_nearest_shows_what_lies_behind(fast: Accelerator, store: LanceStore) -> None:
    query = unit(1, 9)[0]
    ranked = [c.item.id for c in store.search(query, 300, kind=Kind.IMAGE)]
    store.delete(ranked[:150])
    assert [c.item.id for c in fast.search(query, 10, kind=Kind.IMAGE)] == ranked[150:160]
    store.delete(ranked[150:])
    assert fast.search(query, 10, kind=Kind.IMAGE) == []


def test_an_item_that_went_and_came_back_is_found_once(fast: Accelerator, store: LanceStore) -> None:
    vector = unit(300, 0)[1:2]
    store.delete([item(1).id])
    store.write([item(1, mtime=1.9e9)], vector)
    found = fast.search(vector[0], 300, kind=Kind.IMAGE)
    assert found[0].item == item(1, mtime=1.9e9) and len(found) == len({c.item.id for c in found}) == 200


def test_a_kind_that_the_collection_does_not_hold_is_found_empty(
    store: LanceStore, tmp_path: Path, few: None
) -> None:
    store.write([item(i) for i in range(20)], unit(20, 0))
    Accelerator(tmp_path / "faiss", store).rebuild()
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.search(unit(1, 0)[0], 5, kind=Kind.PASSAGE) == []
    store.write([item(50, Kind.PASSAGE)], unit(1, 0))
    assert accelerator.search(unit(1, 0)[0], 5, kind=Kind.PASSAGE)[0].item.id == item(50).id


def test_a_small_store_needs_no_accelerator(store: LanceStore, tmp_path: Path) -> None:
    store.write(items(10), unit(10, 0))
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert not accelerator.rebuild() and accelerator.version is None and not (tmp_path / "faiss").exists()


def test_rebuilding_leaves_one_build_and_serves_readers_of_the_old_one(
    fast: Accelerator, store: LanceStore, tmp_path: Path
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
    fast: Accelerator, store: LanceStore, tmp_path: Path, name: str, harm: Callable[[Path], object]
) -> None:
    build = json.loads((tmp_path / "faiss" / "current.json").read_text())["base"]
    harm(tmp_path / "faiss" / name.replace("base", build))
    damaged = Accelerator(tmp_path / "faiss", store)
    assert damaged.version is None
    assert damaged.rebuild() and damaged.search(unit(1, 0)[0], 1, kind=Kind.IMAGE)


@pytest.mark.parametrize(
    "pointer", [[], {"base": "x"}, {"version": 1}, {"format": 2, "base": "base-9", "version": "x"}]
)
def test_a_pointer_to_nothing_is_no_accelerator(store: LanceStore, tmp_path: Path, pointer: object) -> None:
    (tmp_path / "faiss").mkdir()
    (tmp_path / "faiss" / "current.json").write_text(json.dumps(pointer))
    assert Accelerator(tmp_path / "faiss", store).version is None


def test_an_accelerator_of_a_later_state_than_the_store_is_not_used(
    fast: Accelerator, store: LanceStore, tmp_path: Path
) -> None:
    pointer = tmp_path / "faiss" / "current.json"
    current = json.loads(pointer.read_text())
    pointer.write_text(json.dumps(current | {"version": store.version + 1}))
    assert Accelerator(tmp_path / "faiss", store).version is None
