"""Documents as a collection keeps them: passages, headings, pictures inside, and what is left out."""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.manifest import read_manifest
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput, NoText
from searchkit.ingest import encode, load
from searchkit.protocols import Encoder, Parser
from searchkit.stores.lance import LanceStore
from searchkit.types import Chunking, Document, Embedded, Heading, Item, PageSpan, Progress, Vectors

SENTENCES = [f"Keeper {n} of lighthouse {n % 7} rowed out on day {n}." for n in range(400)]


class Scrapbook(Parser):
    """A file format of these tests: JSON with text, headings, pages, and pictures with their pages."""

    name = "scrapbook 1"
    suffixes = frozenset({".md"})

    def parse(self, path: Path) -> Document:
        raw = json.loads(path.read_text())
        if not raw["text"]:
            raise NoText(f"{path} has no text", hint="run OCR on it first", pages=3)
        headings = tuple(Heading(*h) for h in raw.get("headings", ()))
        return Document(
            raw["text"], pages=tuple(PageSpan(*p) for p in raw.get("pages", ())), headings=headings
        )

    def pictures(self, path: Path) -> Iterator[Embedded]:
        for page, data in json.loads(path.read_text()).get("pictures", ()):
            if data is None:
                raise RuntimeError("the library underneath gave up")
            yield Embedded(base64.b64decode(data), page)


@pytest.fixture(autouse=True)
def scrapbook(monkeypatch: pytest.MonkeyPatch) -> None:
    parser, known = Scrapbook(), load.parser_of
    monkeypatch.setattr(load, "parser_of", lambda path: parser if path.suffix == ".md" else known(path))


class Counting(Hashing):
    """Counts the pictures and keeps the texts that it encodes."""

    def __init__(self, *, pixels: int = 4) -> None:
        super().__init__()
        self.record = replace(self.record, pixels=pixels)
        self.pictures = 0
        self.texts: list[str] = []

    def encode_images(self, pixels: Sequence[np.ndarray]) -> Vectors:
        self.pictures += len(pixels)
        return super().encode_images(pixels)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        self.texts += texts
        return super().encode_text(texts)


def png(seed: int, side: int = 80) -> str:
    colours = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(colours).resize((side + 20, side), Image.Resampling.NEAREST).save(data, "PNG")
    return base64.b64encode(data.getvalue()).decode()


def book(path: Path, text: str = "The keeper rowed out.", **parts: object) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"text": text, **parts}))
    return path


def everything(library: Collection) -> dict[str, tuple[Item, np.ndarray]]:
    ids = sorted(library.store.ids())
    return dict(zip(ids, zip(library.store.get(ids), library.store.vectors(ids), strict=True), strict=True))


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "library", encoder=Counting()) as made:
        yield made


# pictures inside


def test_pictures_inside_are_items_of_the_document_after_its_passages(
    library: Collection, files: Path
) -> None:
    book(files / "a.md", pictures=[(2, png(1)), (5, png(2))])
    report = library.add(files)
    assert (report.indexed, report.passages, report.images) == (1, 1, 2)
    items = sorted((item for item, _ in everything(library).values()), key=lambda item: item.ordinal)
    assert [(i.kind.value, i.page, i.width, i.height) for i in items] == [
        ("passage", None, None, None),
        ("image", 2, 100, 80),
        ("image", 5, 100, 80),
    ]
    query = files.parent / "query.png"
    query.write_bytes(base64.b64decode(png(2)))
    best = library.search(image=query, k=1)[0]
    assert (best.path, best.page, best.kind.value) == (str(files / "a.md"), 5, "image") and best.score > 0.999
    status = library.status()
    assert (status.images, status.documents, status.passages, status.pictures) == (0, 1, 1, 2)
    assert examine(library) == []


def test_a_moved_and_a_copied_document_take_their_pictures_along(library: Collection, files: Path) -> None:
    book(files / "a.md", pictures=[(2, png(1)), (9, png(3, side=20))])
    library.add(files)
    before = library.encoder.pictures  # type: ignore[attr-defined]
    shutil.copy(files / "a.md", files / "copy.md")
    (files / "a.md").rename(files / "moved.md")
    report = library.add(files)
    assert (report.reused, report.indexed, report.images, report.deleted) == (2, 0, 0, 1)
    assert library.encoder.pictures - before < 2 + 256  # type: ignore[attr-defined]
    kinds = sorted((Path(i.path).name, i.kind.value) for i, _ in everything(library).values())
    assert kinds == [(f, k) for f in ("copy.md", "moved.md") for k in ("image", "passage")]
    assert library.status().left_out == {"pictures_too_small": 2}
    (files / "copy.md").unlink()
    library.add(files)
    assert len(everything(library)) == 2 and examine(library) == []


def test_what_is_left_out_is_counted_in_the_report_and_in_the_status(
    library: Collection, files: Path
) -> None:
    junk = base64.b64encode(b"not a picture").decode()
    pages = [(1, 0, 4), (2, 5, 5), (3, 6, 6)]
    pictures = [(1, png(1)), (1, png(1)), (2, png(2, side=20)), (3, junk)]
    book(files / "a.md", text="rain\n\n", pages=pages, pictures=pictures)
    book(files / "b.md", pictures=[(1, png(4)), (2, None), (3, png(5))])
    report = library.add(files)
    assert report.failed == 0 and report.images == 2
    wanted = {
        "pages_without_text": 2,
        "pictures_too_small": 1,
        "pictures_repeated": 1,
        "pictures_unreadable": 2,
    }
    assert report.to_json()["left_out"] == wanted
    library.close()
    with Collection.open(library.root, encoder=Counting()) as again:
        assert again.status().to_json()["left_out"] == wanted
        assert again.add().left_out == {}


def test_a_passage_that_the_encoder_would_cut_is_counted(
    library: Collection, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder: Encoder = library.encoder
    plain = type(encoder).token_offsets

    def twice(self: Counting, text: str) -> list[tuple[int, int]]:
        """As a tokenizer may: of a passage by itself it makes more tokens than of it in the whole text."""
        return list(plain(self, text)) * (2 if len(text) < 999 else 1)

    monkeypatch.setattr(type(encoder), "token_offsets", twice)
    (files / "long.txt").write_text("word " * 300)
    assert library.add(files).left_out["passages_cut"] >= 2


def test_a_scan_is_found_by_its_pictures(library: Collection, files: Path) -> None:
    book(files / "scan.md", text="", pictures=[(1, png(1)), (2, png(2))])
    report = library.add(files)
    assert (report.indexed, report.images, report.passages, report.failed) == (1, 2, 0, 0)
    assert report.left_out == {"pages_without_text": 3}
    assert library.add(files).unchanged == 1


def test_a_scan_without_pictures_fails_and_says_what_to_do(library: Collection, files: Path) -> None:
    book(files / "scan.md", text="", pictures=[(1, png(1, side=10))])
    assert library.add(files).failed == 1
    assert library.failures()[0].reason.endswith("has no text (run OCR on it first)")


def test_an_encoder_of_text_leaves_the_pictures_alone(tmp_path: Path, files: Path) -> None:
    book(files / "a.md", pictures=[(1, png(1))])
    book(files / "scan.md", text="", pictures=[(1, None)])
    with Collection.open(tmp_path / "text", encoder=Counting(pixels=0)) as library:
        report = library.add(files)
        assert (report.images, report.passages, report.failed) == (0, 1, 1)
        assert report.left_out == {}


def test_a_document_is_like_others_by_its_text_and_a_scan_by_its_pictures(
    library: Collection, files: Path
) -> None:
    book(files / "a.md", text="Bees in autumn.", pictures=[(1, png(1))])
    (files / "b.txt").write_text("In autumn, bees.")
    book(files / "scan.md", text="", pictures=[(1, png(1))])
    library.add(files)
    (best,) = library.similar(files / "b.txt", k=1)
    assert best.text == "Bees in autumn." and best.score > 0.999
    found = library.similar(files / "a.md", k=1, kind="passage")
    assert found[0].path.endswith("b.txt") and found[0].score > 0.999
    found = library.similar(files / "scan.md", k=1, kind="image")
    assert found[0].path.endswith("a.md") and found[0].score > 0.999


# headings, and how documents are cut


GUIDE = "# Bees\n## Feeding\nSugar syrup, two to one.\n# Storms\nRow home at once.\n"
HEADINGS = [(1, 2, 6), (2, 10, 17), (1, 45, 51)]


def test_headings_are_encoded_with_the_text_and_can_be_filtered(tmp_path: Path, files: Path) -> None:
    book(files / "guide.md", text=GUIDE, headings=HEADINGS)
    chunking = Chunking("heading")
    with Collection.open(tmp_path / "library", encoder=Counting(), chunking=chunking) as library:
        library.add(files)
        hits = library.search("syrup", filter="heading LIKE 'Bees%'")
        assert [(h.item.heading, h.text) for h in hits] == [("Bees › Feeding", GUIDE[:43].strip())]
        assert hits[0].to_json()["heading"] == "Bees › Feeding"
        assert hits[0].text == GUIDE[hits[0].item.start : hits[0].item.end]
        texts = library.encoder.texts  # type: ignore[attr-defined]
        assert "Bees › Feeding\n" + GUIDE[:43].strip() in texts
        assert len(library.search("syrup", kind="passage")) == 2


def test_a_collection_keeps_how_its_documents_are_cut(tmp_path: Path, files: Path) -> None:
    (files / "a.txt").write_text(" ".join(SENTENCES[:40]))
    root = tmp_path / "library"
    with Collection.open(root, encoder=Counting(), chunking=Chunking(tokens=50, overlap=10)) as library:
        library.add(files)
        count = library.store.count()
    assert read_manifest(root).chunking == Chunking("window", 50, 10)
    (files / "b.txt").write_text("Other. " + " ".join(SENTENCES[:40]))
    with Collection.open(root, encoder=Counting(), chunking=Chunking("window", 50)) as library:
        library.add(files)
        assert abs(library.store.count() - 2 * count) <= 2
    with pytest.raises(BadInput, match=r"window, 50 tokens, 10 shared.*late, 50") as refused:
        Collection.open(root, encoder=Counting(), chunking=Chunking("late"))
    assert "searchkit rm" in refused.value.hint
    with Collection.open(root, encoder=Counting()) as library:
        library.remove(files)
    with Collection.open(root, encoder=Counting(), chunking=Chunking("late")) as library:
        assert library.manifest.chunking == Chunking("late", 50, 10)
    assert read_manifest(root).chunking.method == "late"


@pytest.mark.parametrize(
    ("chunking", "word"),
    [(Chunking(tokens=500), "500"), (Chunking(tokens=9, overlap=9), "overlap"), (Chunking("pages"), "pages")],
)
def test_sizes_that_do_not_fit_the_encoder_leave_no_collection(
    tmp_path: Path, chunking: Chunking, word: str
) -> None:
    with pytest.raises(BadInput, match=word) as refused:
        Collection.open(tmp_path / "library", encoder=Counting(), chunking=chunking)
    assert refused.value.hint and not (tmp_path / "library").exists()


def test_late_passages_are_the_same_as_windows_with_vectors_of_their_tokens(
    tmp_path: Path, files: Path
) -> None:
    """The weightless encoder's tokens see nothing of each other, so that the vectors are the same too."""
    (files / "short.txt").write_text(" ".join(SENTENCES[:20]))
    (files / "long.txt").write_text(" ".join(SENTENCES * 20))
    book(files / "pictures.md", text=" ".join(SENTENCES[:9]), pictures=[(1, png(1))])
    found = []
    for method in ("window", "late"):
        with Collection.open(tmp_path / method, encoder=Counting(), chunking=Chunking(method)) as library:
            library.add(files)
            found.append(everything(library))
    window, late = found
    assert window.keys() == late.keys() and len(window) > load.LONG
    assert all(late[i][0] == item and late[i][1] @ vector > 0.9999 for i, (item, vector) in window.items())


# long documents


def test_a_long_document_in_parts_is_what_it_is_in_one_piece(
    tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = " ".join(SENTENCES * 3)
    third = len(text) // 3
    pages = [(1, 0, third), (2, third, 2 * third), (3, 2 * third, len(text))]
    book(files / "a.md", text=text, pages=pages, pictures=[(n, png(n)) for n in range(1, 4)])
    found, told = [], []
    for name, long, part in (("whole", 10**6, 10**6), ("parts", 5, 20)):
        monkeypatch.setattr(load, "LONG", long)
        monkeypatch.setattr(encode, "PART", part)
        monkeypatch.setattr("searchkit.ingest.embed.AT_ONCE", 7)
        with Collection.open(tmp_path / name, encoder=Counting()) as library:
            steps: list[Progress] = []
            report = library.add(files, on_progress=steps.append)
            assert (report.indexed, report.images) == (1, 3) and report.passages > 100
            found.append(everything(library))
            told.append([(p.part, p.parts) for p in steps if p.parts])
            assert examine(library) == []
            shutil.copy(files / "a.md", files.parent / "copy.md")
            assert library.add(files.parent / "copy.md").reused == 1  # in parts too
            assert library.store.count() == 2 * len(found[-1]) and examine(library) == []
    whole, parts = found
    assert whole.keys() == parts.keys()
    assert all(parts[i][0] == item and np.array_equal(parts[i][1], v) for i, (item, v) in whole.items())
    assert told[0] == [] and told[1] == sorted(told[1]) and {p for p, _ in told[1]} == {1, 2, 3}


def test_a_crash_in_the_middle_of_a_document_is_repaired_by_running_again(
    library: Collection, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LONG", 5)
    monkeypatch.setattr(encode, "PART", 20)
    monkeypatch.setattr("searchkit.ingest.embed.AT_ONCE", 7)
    (files / "a.txt").write_text(" ".join(SENTENCES * 5))
    plain, writes = LanceStore.write, 0

    def write(store: LanceStore, items: Sequence[Item], vectors: Vectors) -> None:
        nonlocal writes
        writes += 1
        if writes == 3:
            raise KeyboardInterrupt
        plain(store, items, vectors)

    monkeypatch.setattr(LanceStore, "write", write)
    with pytest.raises(KeyboardInterrupt):
        library.add(files)
    assert library.store.count() > 20 and list(library.assets()) == []
    report = library.add(files)
    assert report.indexed == 1 and library.store.count() == report.passages
    assert examine(library) == []


def test_a_document_that_is_interrupted_leaves_nothing_behind(
    library: Collection, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LONG", 5)
    monkeypatch.setattr(encode, "PART", 20)
    monkeypatch.setattr("searchkit.ingest.embed.AT_ONCE", 7)
    (files / "a.txt").write_text(" ".join(SENTENCES * 5))
    report = library.add(files, stop=lambda: library.store.count() > 0)
    assert report.interrupted and (report.indexed, report.passages) == (0, 0)
    assert library.store.count() == 0 and examine(library) == []
    assert library.add(files).indexed == 1


def test_a_document_that_breaks_far_inside_goes_to_the_ledger(
    library: Collection, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "LONG", 5)
    monkeypatch.setattr("searchkit.ingest.chunk.SEGMENT", 2000)
    plain = Counting.token_offsets

    def token_offsets(self: Counting, text: str) -> Sequence[tuple[int, int]]:
        if "lighthouse 6 rowed out on day 300" in text.replace("Keeper", "") and len(text) > 1500:
            raise ValueError("no such token")
        return plain(self, text)

    monkeypatch.setattr(Counting, "token_offsets", token_offsets)
    (files / "a.txt").write_text(" ".join(SENTENCES))
    (files / "b.txt").write_text("Rain fell.")
    report = library.add(files)
    assert (report.indexed, report.failed) == (1, 1)
    assert "no such token" in library.failures()[0].reason
    assert library.store.count() == 1
    assert [finding.severity for finding in examine(library)] == ["failed"]


# the command


def test_the_command_takes_the_chunking_and_says_what_a_collection_has(files: Path, tmp_path: Path) -> None:
    (files / "a.txt").write_text(" ".join(SENTENCES[:40]))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("searchkit")), *words]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    where = ("-c", str(tmp_path / "library"))
    sizes = ("--chunk-tokens", "40", "--chunk-overlap", "0")
    made = run("index", str(files), *where, "--model", "hashing", *sizes)
    assert made.returncode == 0, made.stderr
    assert "window, 40 tokens, 0 shared" in run("status", *where).stdout
    assert run("index", *where).returncode == 0
    refused = run("index", *where, "--chunking", "heading")
    assert refused.returncode == 2 and "heading, 40 tokens, 0 shared" in refused.stderr
