"""The damage matrix: every kind of file of a collection, damaged in four ways, under every command.

No command ends in an error of a library; whoever answers wrongly is told of by the doctor; and after
`doctor --fix` the collection answers and lists as it did, with nothing encoded again that was sound.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from searchkit.cli import output
from searchkit.collection import Collection
from searchkit.collection.damage import restore_manifest
from searchkit.collection.doctor import examine
from searchkit.encoders.hashing import Hashing
from searchkit.errors import CollectionDamaged, SearchkitError
from searchkit.types import Vectors

NOTES = 120
QUESTIONS = ("wheel3 river5", "stone7", "river1 marker2")
Found = list[tuple[str, str]]


class Counting(Hashing):
    """Counts the notes that it encodes."""

    notes = 0

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.notes += sum(text.startswith("note ") for text in texts)
        return super().encode_text(texts)


def flipped(file: Path) -> None:
    chance, data = random.Random(1), bytearray(file.read_bytes())
    for _ in range(40):
        data[int(len(data) * chance.uniform(0.05, 0.95))] ^= 255
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def emptied(file: Path) -> None:
    file.write_bytes(b"")


WAYS: dict[str, Callable[[Path], object]] = {
    "flipped": flipped,
    "cut": cut,
    "emptied": emptied,
    "gone": Path.unlink,
}
FILES = {
    "manifest": "collection.toml",
    "copy of the manifest": "collection.toml.copy",
    "catalog": "catalog.sqlite",
    "rows": "lance/*/data/*.lance",
    "version": "lance/*/_versions/*.manifest",
    "version hint": "lance/*/_versions/latest_version_hint.json",
    "transaction": "lance/*/_transactions/*.txn",
    "words: tokens": "lance/*/_indices/*/part_0_tokens.lance",
    "words: lists": "lance/*/_indices/*/part_0_invert.lance",
    "words: documents": "lance/*/_indices/*/part_0_docs.lance",
    "words: card": "lance/*/_indices/*/metadata.lance",
    "sums": "lance/*/sums.json",
    "accelerator": "faiss/*/base-*/passage.faiss",
    "accelerator: items": "faiss/*/base-*/passage.items",
    "accelerator: ends": "faiss/*/base-*/passage.ends.npy",
    "accelerator: ids": "faiss/*/base-*/passage.ids.npy",
    "accelerator: rows": "faiss/*/base-*/passage.rows.npy",
    "accelerator: card": "faiss/*/base-*/passage.json",
    "accelerator: pointer": "faiss/*/current.json",
    "neutral vectors": "neutral/*.npz",
}
"""Kinds of files, by a pattern; of several that match, the newest versions and the largest others are hit."""
USUAL = {
    ("manifest", "gone"),
    ("catalog", "gone"),
    ("catalog", "emptied"),
    ("catalog", "flipped"),
    ("rows", "flipped"),
    ("rows", "gone"),
    ("version", "cut"),
    ("words: lists", "flipped"),
    ("accelerator", "flipped"),
    ("accelerator: pointer", "gone"),
}
CELLS = [
    pytest.param(kind, way, marks=() if (kind, way) in USUAL else pytest.mark.slow, id=f"{kind}, {way}")
    for kind in FILES
    for way in WAYS
]


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with `notes` and their `library`, which has an accelerator."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "notes").mkdir()
    chance = random.Random(2)
    words = [f"{word}{number}" for number in range(20) for word in ("wheel", "river", "marker", "stone")]
    for number in range(NOTES):
        (folder / "notes" / f"{number}.txt").write_text("note " + " ".join(chance.choices(words, k=20)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
        with Collection.open(folder / "library", encoder=Hashing()) as library:
            library.add(folder / "notes")
            library.accelerate(wait=True)
        yield folder


@pytest.fixture
def library(sound: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("searchkit.stores.faiss.MIN_ROWS", 1)
    return Path(shutil.copytree(sound / "library", tmp_path / "library"))


def damage(library: Path, kind: str, way: str) -> None:
    files = list(library.glob(FILES[kind]))
    assert files, f"the collection has no {FILES[kind]}"
    WAYS[way](min(files) if kind == "version" else max(files, key=lambda file: file.stat().st_size))


def answers(library: Path) -> tuple[list[Found], list[str]]:
    with Collection.open(library, encoder=Hashing(), create=False) as opened:
        ways: tuple[dict[str, Any], ...] = ({}, {"hybrid": True}, {"filter": "size > 10"})
        hits = [opened.search(text, k=5, **how) for text in QUESTIONS for how in ways]
        shown = [[(h.path, f"{h.score:.4f} {h.confidence:.3f} {h.text}") for h in some] for some in hits]
        return shown, [asset.path for asset in opened.assets()]


def told(run: Callable[[], object]) -> object:
    """What a command gives, or its error, which has to be one that says what to do."""
    try:
        return run()
    except SearchkitError as error:
        assert isinstance(error, CollectionDamaged) and error.hint, repr(error)
        assert output.failure(error) == 2
        return None


def index(library: Path) -> None:
    with Collection.open(library, encoder=Hashing()) as opened:
        opened.add()


def remove(library: Path, path: str) -> None:
    with Collection.open(library, encoder=Hashing(), create=False) as opened:
        opened.remove(path)


def doctor(library: Path, *, fix: bool, encoder: Hashing) -> list[str]:
    restored = restore_manifest(library) if fix else []
    with Collection.open(library, encoder=encoder, create=False) as opened:
        return [finding.what for finding in [*restored, *examine(opened, fix=fix)]]


@pytest.mark.parametrize(("kind", "way"), CELLS)
def test_damage_is_told_of_and_mended(sound: Path, library: Path, kind: str, way: str) -> None:
    right = answers(library)
    rotten = library.with_name("rotten")
    damage(library, kind, way)
    shutil.copytree(library, rotten)

    found = told(lambda: answers(library))
    findings = told(lambda: doctor(library, fix=False, encoder=Hashing()))
    assert found in (right, None) or findings, "other answers, and the doctor is content"

    for command in (index, lambda where: remove(where, str(sound / "notes" / "7.txt"))):
        shutil.rmtree(library)
        shutil.copytree(rotten, library)
        told(lambda command=command: command(library))  # type: ignore[misc]
        told(lambda: answers(library))
    shutil.rmtree(library)
    shutil.copytree(rotten, library)

    encoder = Counting()
    doctor(library, fix=True, encoder=encoder)
    assert answers(library) == right
    assert doctor(library, fix=False, encoder=Hashing()) == []
    assert encoder.notes <= (NOTES if kind == "rows" else 0), "what was sound was encoded again"


def test_one_rotten_vector_costs_the_encoding_of_one_note(library: Path) -> None:
    right = answers(library)
    with Collection.open(library, encoder=Hashing()) as opened:
        vector = opened.store.vectors([min(opened.store.ids())])[0].tobytes()
    for file in library.glob(FILES["rows"]):  # Lance joined them, and keeps those of an hour ago
        at = (data := file.read_bytes()).find(vector) + 1
        if at > 0:  # a byte of the mantissa: no score changes by a thousandth
            file.write_bytes(data[:at] + bytes([data[at] ^ 64]) + data[at + 1 :])
    encoder = Counting()
    (first, second) = doctor(library, fix=True, encoder=encoder)
    assert "1 items cannot be read or are not what was written" in first and "missing" in second
    assert encoder.notes == 1 and answers(library) == right


def test_a_catalog_that_is_lost_is_made_from_the_store_while_the_sources_are_away(
    sound: Path, library: Path
) -> None:
    right, away = answers(library), sound / "away"
    (sound / "notes").rename(away)
    try:
        damage(library, "catalog", "gone")
        doctor(library, fix=True, encoder=Hashing())
        assert answers(library) == right
    finally:
        away.rename(sound / "notes")
    with Collection.open(library, encoder=Hashing()) as opened:
        report = opened.add()
    assert (report.unchanged, report.indexed) == (NOTES, 0)


def test_an_accelerator_without_sums_still_answers(library: Path) -> None:

    (pointer,) = library.glob("faiss/*/current.json")
    plain = json.loads(pointer.read_text())
    assert plain.pop("sums")
    pointer.write_text(json.dumps(plain))
    with Collection.open(library, encoder=Hashing()) as opened:
        assert opened.accelerator.version is not None
        assert examine(opened) == []


def test_files_that_have_vanished_are_said_to_wait(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    for number in range(20):
        (notes / f"{number}.txt").write_text(f"note {number}")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as opened:
        opened.add(notes)
        for number in range(15):
            (notes / f"{number}.txt").unlink()
        assert opened.add().warnings
        (finding,) = examine(opened)
        assert finding.what == "15 of 20 files are gone and stay searchable" and "--prune" in finding.remedy
        opened.add(prune=True)
        assert examine(opened) == []
