"""Labels without training: from the command line to a search that is limited to one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from searchkit.collection import Collection
from searchkit.errors import NothingIndexed
from searchkit.stores import faiss

SCRIPT = Path(sys.executable).with_name("searchkit")
DATA = Path(__file__).resolve().parents[2] / "data"
SUBJECTS = ("sailing boat", "lighthouse", "tree", "bicycle")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawings of a few subjects, in folders of that name, indexed with the bundled encoder."""
    root = tmp_path_factory.mktemp("label")
    lines = [json.loads(line) for line in (DATA / "captions.jsonl").read_text().splitlines()]
    for line in lines:
        words = " ".join(line["captions"])
        for subject in SUBJECTS:
            if subject in words:
                (root / "files" / subject).mkdir(parents=True, exist_ok=True)
                shutil.copy(DATA / "album" / line["file"], root / "files" / subject)
                break
    (root / "files" / "notes.txt").write_text("A text has no label.")
    with Collection.open(root / "library") as library:
        library.add(root / "files")
    return root


def run(world: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SEARCHKIT_COLLECTION": str(world / "library")}
    return subprocess.run(
        [SCRIPT, *map(str, arguments)], capture_output=True, text=True, env=environment, timeout=120
    )


@pytest.mark.slow
def test_labels_are_written_and_search_is_limited_to_one(world: Path) -> None:
    done = run(world, "label", "--labels", ",".join(SUBJECTS), "--min-confidence", "0", "--json")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    right = [Path(one["path"]).parent.name == one["label"] for one in found]
    assert len(found) >= 12 and sum(right) / len(right) > 0.5  # at random a quarter
    assert all(0 <= one["confidence"] <= 1 for one in found)
    assert "labelled: " in done.stderr

    boats = {one["path"] for one in found if one["label"] == SUBJECTS[0]}
    limited = run(world, "search", "water", "--label", SUBJECTS[0], "--json", "-k", "100")
    hits = [json.loads(line) for line in limited.stdout.splitlines()]
    assert {hit["path"] for hit in hits} == boats and {hit["label"] for hit in hits} == {SUBJECTS[0]}
    filtered = run(world, "search", "water", "--filter", "label_confidence > 0.99", "-f", "-k", "100")
    sure = {one["path"] for one in found if one["confidence"] > 0.99}
    assert set(filtered.stdout.splitlines()) == sure


def test_what_is_not_sure_enough_goes_without_and_labels_can_be_taken_away(world: Path) -> None:
    with Collection.open(world / "library") as library:
        every = list(library.label(SUBJECTS, min_confidence=0))
        limit = sorted(one.confidence for one in every)[len(every) // 2]
        some = list(library.label(SUBJECTS, min_confidence=limit))
        assert {one.label is None for one in some} == {True, False}
        assert all((one.label is None) == (one.confidence < limit) for one in some)
        unlabelled = library.search("x", filter="label IS NULL AND kind = 'image'", k=100)
        assert len(unlabelled) == sum(one.label is None for one in some)
        list(library.label([]))
        assert library.search("x", label=SUBJECTS[0]) == []


def test_what_shows_none_of_them_goes_without(world: Path) -> None:
    with Collection.open(world / "library") as library:
        assert all(one.label is None for one in library.label(["violin", "telephone"]))
        found = list(library.label(["lighthouse"]))
        assert all(one.label for one in found if Path(one.path).parent.name == "lighthouse")
        assert any(one.label is None for one in found)
    assert run(world, "label", "--labels", "violin,telephone").returncode == 1


def test_only_what_was_named_is_labelled_and_a_moved_picture_keeps_its_label(world: Path) -> None:
    with Collection.open(world / "library") as library:
        list(library.label([]))
        part = list(library.label(SUBJECTS, world / "files" / "lighthouse", min_confidence=0))
        assert part and all(Path(one.path).parent.name == "lighthouse" for one in part)
        labelled = library.search("x", filter="label IS NOT NULL", k=100)
        assert {hit.path for hit in labelled} == {one.path for one in part}
        moved = world / "files" / "moved"
        shutil.move(world / "files" / "lighthouse", moved)
        library.add()
        after = library.search("x", filter="label IS NOT NULL", k=100)
        assert {Path(hit.path).name: hit.item.label for hit in after} == {
            Path(one.path).name: one.label for one in part
        }
        shutil.move(moved, world / "files" / "lighthouse")
        library.add()


def test_labelling_keeps_the_accelerator_true(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "MIN_ROWS", 1)
    with Collection.open(world / "library") as library:
        list(library.label(SUBJECTS, min_confidence=0))
        hits = library.search("a boat", kind="image", k=5)
        assert library.accelerator.version is not None and all(hit.item.label for hit in hits)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --labels or --clear"),
        (("--labels", " , "), "either --labels or --clear"),
        (("--labels", "cat", "--clear"), "either --labels or --clear"),
        (("/nowhere", "--labels", "cat"), "no indexed picture at or below /nowhere"),
    ],
)
def test_what_cannot_be_meant_is_refused(world: Path, arguments: tuple[str, ...], said: str) -> None:
    done = run(world, "label", *arguments)
    assert done.returncode == 2 and said in done.stderr


def test_a_collection_without_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with Collection.open(tmp_path / "library") as library:
        library.add(tmp_path / "a.txt")
        with pytest.raises(NothingIndexed, match="no pictures"):
            list(library.label(["cat"]))
