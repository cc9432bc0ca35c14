"""The accelerator with a large base: what it promises, against comparing with everything."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.protocols import VectorStore
from searchkit.search.plan import Planner
from searchkit.stores import faiss as accelerators
from searchkit.stores import lists, shelf
from searchkit.stores.faiss import Accelerator
from searchkit.stores.lance import LanceStore
from searchkit.stores.memory import MemoryStore
from searchkit.types import Item, Kind, Space

DIM, ROWS, K = 32, 6000, 10
SPACE = Space("sheet", "0" * 64, 1, DIM)


def vectors(count: int, seed: int) -> np.ndarray:
    """In clusters, as embeddings lie; every seed draws from the same ones."""
    centres = np.random.default_rng(0).standard_normal((40, DIM), np.float32)
    random = np.random.default_rng(seed)
    drawn = centres[random.integers(0, 40, count)] + 0.6 * random.standard_normal((count, DIM), np.float32)
    found: np.ndarray = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return found


def item(n: int, kind: Kind = Kind.IMAGE) -> Item:
    return Item(
        f"{n:08x}-0", kind, f"/photos/{n % 100:02}/{n}.jpg", "/photos", f"{n:064x}", 0, 1e9 + n, size=n
    )


ALL, QUESTIONS = vectors(ROWS, 1), vectors(60, 2)


def exact(among: np.ndarray, question: np.ndarray, k: int = K) -> list[str]:
    """Ids of the nearest of some rows of ALL."""
    order = np.argsort(-(ALL[among] @ question), kind="stable")[:k]
    return [item(int(n)).id for n in among[order]]


STORES = ("on disk", "in memory")


def filled(which: str, folder: Path, rows: np.ndarray = ALL) -> VectorStore:
    store: VectorStore = LanceStore(folder / "lance", SPACE) if which == "on disk" else MemoryStore(SPACE)
    store.write([item(n) for n in range(len(rows))], rows)
    return store


@pytest.fixture(scope="module", params=STORES)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> VectorStore:
    return filled(request.param, tmp_path_factory.mktemp("large"))


@pytest.fixture(scope="module", autouse=True)
def large() -> Iterator[None]:
    """A base is large from a thousand rows on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accelerators, "EXACT_UP_TO", 1000)
        yield


@pytest.fixture(scope="module", params=[16, 8], ids=["16 bits a number", "8 bits a number"])
def fast(
    request: pytest.FixtureRequest, store: VectorStore, tmp_path_factory: pytest.TempPathFactory
) -> Accelerator:
    accelerator = Accelerator(tmp_path_factory.mktemp("large") / "faiss", store)
    accelerator.refresh()
    assert accelerator.version is None and accelerator.is_due()  # a large base is not built in passing
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lists, "ROOM", request.param // 8 * DIM * ROWS)
        assert accelerator.rebuild(QUESTIONS[:20]) and not accelerator.is_due()
    codes = accelerator.describe(Kind.IMAGE).index.rpartition(",")[2]
    assert codes == {16: "Refine(SQfp16)", 8: "Refine(SQ8)"}[request.param]
    return accelerator


def recall(fast: Accelerator, among: np.ndarray) -> float:
    hits = 0
    for question in QUESTIONS:
        found = {c.item.id for c in fast.search(question, K, kind=Kind.IMAGE)}
        hits += len(found & set(exact(among, question)))
    return hits / (K * len(QUESTIONS))


def test_a_large_base_is_in_lists_and_keeps_the_recall_it_was_tuned_to(fast: Accelerator) -> None:
    how = fast.describe(Kind.IMAGE)
    assert re.fullmatch(r"PCAR(\d+),IVF128,PQ\1x4fsr,Refine\(\w+\)", how.index)
    assert how.nprobe > 0 and not how.exact
    assert how.recall >= lists.TARGET
    assert recall(fast, np.arange(ROWS)) >= 0.93


def test_a_base_that_looks_into_one_list_misses_more(store: VectorStore, fast: Accelerator) -> None:
    here = fast._shelves[Kind.IMAGE][0]
    lazy = shelf.Shelf(
        here.index, shelf.Tuning("one", nprobe=1, k_factor=1), here.ids, here.rows, here._ends, here._items
    )
    found = [
        {one.item.id for one in lazy.candidates(lazy.search(question, K))}
        & set(exact(np.arange(ROWS), question))
        for question in QUESTIONS
    ]
    assert sum(map(len, found)) / (K * len(QUESTIONS)) < 0.9


def test_scores_are_cosines_to_two_thousandths(fast: Accelerator) -> None:
    for candidate in fast.search(QUESTIONS[0], 50, kind=Kind.IMAGE):
        assert candidate.score == pytest.approx(ALL[int(candidate.item.id[:8], 16)] @ QUESTIONS[0], abs=4e-3)


@pytest.mark.parametrize("way", ["mapped", "read in places", "read after seeking"])
def test_items_come_back_whole(
    way: str, store: VectorStore, fast: Accelerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way != "mapped":
        monkeypatch.setattr(shelf, "MAPPED", 0)
    if way == "read after seeking":
        monkeypatch.delattr(shelf.os, "pread")
    again = Accelerator(fast._folder, store)
    assert (again._shelves[Kind.IMAGE][0]._items._map is None) == (way != "mapped")
    for candidate in again.search(QUESTIONS[0], 5, kind=Kind.IMAGE):
        assert candidate.item == item(int(candidate.item.id[:8], 16))


def test_more_is_found_than_the_lists_that_are_looked_into_hold(fast: Accelerator) -> None:
    assert len(fast.search(QUESTIONS[0], ROWS, kind=Kind.IMAGE)) == ROWS


@settings(max_examples=40)
@given(
    share=st.sampled_from([0.0005, 0.01, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 10_000),
    k=st.sampled_from([1, 10, 40]),
)
def test_whatever_a_filter_keeps_is_searched_exactly(
    store: VectorStore, fast: Accelerator, share: float, seed: int, k: int
) -> None:
    random = np.random.default_rng(seed)
    low = int(random.integers(0, ROWS))
    high = min(ROWS, low + max(1, int(share * ROWS)))
    question = QUESTIONS[seed % len(QUESTIONS)]
    planner = Planner(store, fast)
    found, how = planner.search(question, k, kind=Kind.IMAGE, where=f"size >= {low} AND size < {high}")
    kept = np.arange(low, high)
    assert f"compares the {len(kept)} " in how()
    assert len(found) == min(k, len(kept)) and {c.item.size for c in found} <= set(kept.tolist())
    right = exact(kept, question, k)
    assert len({c.item.id for c in found} & set(right)) >= 0.9 * len(right) - 0.5


def test_a_filter_that_keeps_nothing_finds_nothing(store: VectorStore, fast: Accelerator) -> None:
    found, _ = Planner(store, fast).search(QUESTIONS[0], K, kind=Kind.IMAGE, where="size < 0")
    assert found == []


# after changes


over_both = pytest.mark.parametrize("own", STORES, indirect=True)


@pytest.fixture
def own(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[VectorStore, Accelerator]:
    store = filled(getattr(request, "param", STORES[0]), tmp_path)
    accelerator = Accelerator(tmp_path / "faiss", store)
    assert accelerator.rebuild()
    return store, accelerator


def pointer(tmp_path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((tmp_path / "faiss" / "current.json").read_text())
    return found


@over_both
def test_what_is_new_and_gone_is_right_at_once_beside_the_base_and_after_a_rebuild(
    own: tuple[VectorStore, Accelerator], tmp_path: Path
) -> None:
    store, fast = own
    base = pointer(tmp_path)["base"]
    store.delete([item(n).id for n in range(0, 600)])
    added = vectors(300, 7)
    store.write([item(ROWS + n) for n in range(300)], added)
    store.write([item(n) for n in range(100)], ALL[:100])  # and some come back
    left = np.r_[0:100, 600:ROWS]
    every = np.concatenate([ALL[left], added])
    ids = [item(int(n)).id for n in left] + [item(ROWS + n).id for n in range(300)]

    def agree(engine: Accelerator) -> float:
        hits = 0
        for question in np.concatenate([QUESTIONS[:20], added[:20]]):
            right = {ids[n] for n in np.argsort(-(every @ question), kind="stable")[:K]}
            hits += len(right & {c.item.id for c in engine.search(question, K, kind=Kind.IMAGE)})
        return hits / (K * 40)

    assert not fast.is_current and agree(fast) >= 0.93
    store.compact()
    fast.refresh()
    assert fast.is_current and pointer(tmp_path)["base"] == base and pointer(tmp_path)["fresh"]
    assert agree(fast) >= 0.93
    where, _ = Planner(store, fast).search(added[3], 5, kind=Kind.IMAGE, where=f"size >= {ROWS}")
    assert where[0].item.id == item(ROWS + 3).id
    assert agree(Accelerator(tmp_path / "faiss", store)) >= 0.93  # a reader that opens it now
    assert fast.rebuild() and pointer(tmp_path)["fresh"] is None and pointer(tmp_path)["base"] != base
    assert agree(fast) >= 0.93


@over_both
def test_an_item_that_was_written_again_shows_its_new_self(
    own: tuple[VectorStore, Accelerator], tmp_path: Path
) -> None:
    store, fast = own
    again = Item(**{name: getattr(item(5), name) for name in shelf.NAMES} | {"label": "cat"})
    store.write([again], ALL[5:6])
    assert fast.search(ALL[5], 1, kind=Kind.IMAGE)[0].item.label == "cat"
    fast.refresh()
    found = fast.search(ALL[5], 50, kind=Kind.IMAGE)
    assert found[0].item.label == "cat" and len({c.item.id for c in found}) == 50


@over_both
def test_a_base_is_due_when_too_much_has_changed(
    own: tuple[VectorStore, Accelerator], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, fast = own
    monkeypatch.setattr(accelerators, "MIN_ROWS", 100)
    store.delete([item(n).id for n in range(60)])
    fast.refresh()
    assert not fast.is_due()
    store.write([item(ROWS + n) for n in range(60)], vectors(60, 3))
    fast.refresh()
    assert fast.is_due()


def test_another_process_that_rebuilt_is_noticed(
    own: tuple[VectorStore, Accelerator], tmp_path: Path
) -> None:
    store, fast = own
    reader = Accelerator(tmp_path / "faiss", store)
    store.write([item(ROWS)], vectors(1, 3))
    assert not reader.is_current
    assert fast.rebuild()
    assert reader.is_current


def test_items_of_another_version_are_no_accelerator(
    own: tuple[VectorStore, Accelerator], tmp_path: Path
) -> None:
    store, _ = own
    card = tmp_path / "faiss" / str(pointer(tmp_path)["base"]) / "image.json"
    assert Accelerator(tmp_path / "faiss", store).version == store.version
    kept = json.loads(card.read_text())
    card.write_text(json.dumps(kept | {"fields": kept["fields"][:-1]}))
    assert Accelerator(tmp_path / "faiss", store).version is None


def test_one_process_builds_at_a_time(own: tuple[VectorStore, Accelerator], tmp_path: Path) -> None:
    import filelock

    _, fast = own
    with filelock.FileLock(tmp_path / "faiss" / "build.lock", thread_local=False):
        assert not fast.rebuild()
    assert fast.rebuild()


@pytest.mark.parametrize("dim", [7, 9, 33])
def test_any_number_of_dimensions_has_an_index(dim: int) -> None:
    drawn = np.random.default_rng(4).standard_normal((4000, dim), np.float32)
    rows = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    index, items = lists.trained(dim, len(rows), iter([rows]))
    truth = lists.Truth(items, items[:0])
    for _, _, some in truth.watching([(np.arange(len(rows)), [], rows)]):
        index.add(some)
    assert lists.tuned(index, truth).recall >= lists.TARGET


def test_the_codes_are_of_the_dimensions_along_which_vectors_differ() -> None:
    random = np.random.default_rng(5)
    few = random.standard_normal((4000, 20), np.float32) @ random.standard_normal((20, 64), np.float32)
    rows = few + 3 * random.standard_normal(64)  # all lie to one side
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    index, _ = lists.trained(64, len(rows), iter([rows]))
    fewer = shelf.faiss.downcast_VectorTransform(shelf.faiss.downcast_index(index.base_index).chain.at(0))
    turn = shelf.faiss.vector_to_array(fewer.A).reshape(-1, 64)
    assert len(turn) <= 24
    assert np.allclose(turn @ turn.T, np.eye(len(turn)), atol=1e-5)
    apart = rows - rows.mean(axis=0)
    assert np.square(apart @ turn.T).sum() >= lists.SHARE * np.square(apart).sum()


def test_vectors_that_are_all_the_same_are_found(tmp_path: Path) -> None:
    store = filled("on disk", tmp_path, np.tile(ALL[:1], (2500, 1)))
    fast = Accelerator(tmp_path / "faiss", store)
    assert fast.rebuild() and not fast.describe(Kind.IMAGE).exact
    found = fast.search(ALL[0], K, kind=Kind.IMAGE)
    assert len({one.item.id for one in found}) == K
    assert found[-1].score == pytest.approx(1.0, abs=4e-3)


def test_which_of_many_copies_are_found_does_not_count() -> None:
    rows = np.concatenate([ALL[:500], np.tile(ALL[500:501], (20, 1))])
    truth = lists.Truth(rows[[3, 510]], rows[:0])
    for _ in truth.watching([(np.arange(len(rows)), [], rows)]):
        pass
    right = truth._best.I[:, : lists.DEPTH + 1].copy()
    right[1] = 500 + np.arange(9, 20)  # others of the copies
    assert truth.recall(right) == 1.0
    right[0, 5] = -1
    assert truth.recall(right) == 0.9


def test_a_base_with_codes_of_whole_vectors_as_made_before_answers_on(
    tmp_path: Path, store: VectorStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def before(dim: int, count: int, scan: Iterator[np.ndarray]) -> tuple[object, np.ndarray]:
        sample = np.concatenate(list(scan))
        name = f"IVF128,PQ{dim // 4}x4fsr,Refine(SQ8)"
        index = shelf.faiss.index_factory(dim, name, shelf.faiss.METRIC_INNER_PRODUCT)
        index.train(sample)
        return index, sample[:100]

    monkeypatch.setattr(accelerators, "trained", before)
    assert Accelerator(tmp_path / "faiss", store).rebuild(QUESTIONS[:20])
    assert recall(Accelerator(tmp_path / "faiss", store), np.arange(ROWS)) >= 0.93
