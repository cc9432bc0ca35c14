"""What the store on disk does beyond the law of `VectorStore`: files, and other processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from searchkit.stores import faiss as accelerators
from searchkit.stores.faiss import Accelerator
from searchkit.stores.lance import LanceStore
from searchkit.types import Item, Kind
from tests.stores import DIM, SPACE, Truth, item, items, same, unit


@pytest.fixture
def store(tmp_path: Path) -> LanceStore:
    return LanceStore(tmp_path / "lance", SPACE)


@pytest.fixture
def truth() -> Truth:
    return Truth()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accelerator is built for small stores too."""
    monkeypatch.setattr(accelerators, "MIN_ROWS", 5)


def versions(store: LanceStore) -> list[dict[str, object]]:
    """The version that each row was written in, with its id."""
    table = store._table.search().select(["id", "written"]).to_arrow().sort_by("id")
    rows: list[dict[str, object]] = table.to_pylist()
    return rows


def worded(numbers: range) -> list[Item]:
    return [item(i, Kind.PASSAGE, text=f"note about thing{i}") for i in numbers]


def test_of_a_large_table_only_what_is_new_is_written_again(
    store: LanceStore, truth: Truth, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"WHOLE_UP_TO": 100, "INDEX_IDS_FROM": 100, "LATE": 60, "JOINED": 25}.items():
        monkeypatch.setattr(f"searchkit.stores.lance_compaction.{name}", value)

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
    written = versions(store)
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 11
    before = files()
    store.compact()
    assert right() and (store.rows_where("true") >> 32).min() == 0, "the large file was written again"
    assert len(files() - before) == 2
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 3  # 24 rows and 6
    assert versions(store) == written
    store.compact()
    assert store._table.stats()["fragment_stats"]["num_fragments"] == 3, "there was nothing to do"
    gone = [item(i).id for i in range(10, 60)]
    store.delete(gone)
    truth.delete(gone)
    store.compact()
    assert right() and (store.rows_where("true") >> 32).min() > 0, "a fifth of the large file was deleted"
    write(range(230, 295))
    store.compact()
    assert right() and store._table.index_stats("text_idx").num_unindexed_rows == 0
    write(range(295, 300))
    store.compact()
    assert store._table.index_stats("text_idx").num_unindexed_rows == 5
    monkeypatch.setattr("searchkit.stores.lance_compaction.VERSIONS", 3)
    for version in (tmp_path / "lance").rglob("*.manifest"):
        os.utime(version, (1, 1))
    store.compact()
    assert right() and store._table.index_stats("text_idx").num_unindexed_rows == 0


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
