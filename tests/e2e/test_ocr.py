"""Text in scans and in pictures: read by tesseract, found by its words, and marked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageFont

from searchkit.collection import Collection
from searchkit.collection.doctor import examine
from searchkit.collection.manifest import read_manifest
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.ingest.ocr import Ocr
from searchkit.types import Chunking, Kind

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="the program is not here")
WORDS = (
    "The lighthouse keeper\nfeeds his bees with syrup.",
    "Row home before the storm\nreaches the harbour.",
)


def written(text: str) -> Image.Image:
    """A scan of a few lines."""
    image = Image.new("L", (900, 300), 250)
    font = ImageFont.load_default(size=44)
    ImageDraw.Draw(image).multiline_text((40, 60), text, fill=20, font=font, spacing=20)
    return image


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A scan of two written pages and an empty one, a photo of a sign, and a photo of nothing."""
    folder = tmp_path / "files"
    folder.mkdir()
    pages = [*map(written, WORDS), Image.new("L", (900, 300), 250)]
    pages[0].save(folder / "scan.pdf", save_all=True, append_images=pages[1:])
    written("Bridge closed today").save(folder / "sign.png")
    Image.effect_mandelbrot((200, 200), (-2, -1, 1, 1), 50).save(folder / "none.png")
    return folder


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Collection]:
    with Collection.open(tmp_path / "library", encoder=Hashing(), ocr="eng") as opened:
        yield opened


@needs_tesseract
def test_pages_without_text_and_pictures_are_found_by_what_is_written_on_them(
    library: Collection, files: Path
) -> None:
    report = library.add(files)
    assert (report.failed, report.read_by_ocr, report.passages) == (0, 3, 3)
    assert report.left_out == {"pages_without_text": 1}
    hit = library.search("storm harbour", hybrid=True, kind="passage")[0]
    assert (Path(hit.path).name, hit.page, hit.text) == ("scan.pdf", 2, WORDS[1])
    assert hit.item.ocr and hit.to_json()["ocr"] is True
    sign = library.search("bridge closed", hybrid=True, kind="passage")[0]
    assert (Path(sign.path).name, sign.text, sign.item.ocr) == ("sign.png", "Bridge closed today", True)
    assert not any(h.item.ocr for h in library.search("bridge", kind="image"))
    assert library.around(hit).text == f"{WORDS[0]}\n{WORDS[1]}".replace("syrup.\nRow", "syrup. Row")
    (files / "copy.png").write_bytes((files / "sign.png").read_bytes() + b"other")
    library.add(files)
    assert [h.item.kind for h in library.similar(files / "sign.png", k=1)] == [Kind.IMAGE]  # by its looks
    (files / "copy.png").unlink()
    library.add(files)
    status = library.status()
    assert (status.ocr, status.passages_by_ocr, status.passages) == ("eng", 3, 3)
    assert examine(library) == [] and library.add(files).unchanged == 3


@needs_tesseract
@pytest.mark.parametrize("way", ["late", "window"])
def test_what_was_indexed_without_is_read_once_it_is_asked_for_and_keeps_its_items(
    tmp_path: Path, files: Path, way: str
) -> None:
    root, encoder = tmp_path / "library", Hashing()
    with Collection.open(root, encoder=encoder, chunking=Chunking(way)) as library:
        report = library.add(files)
        assert (report.read_by_ocr, report.passages) == (0, 0)
        before = {item.id: item for item in library.store.get(list(library.store.ids()))}
    with Collection.open(root, encoder=encoder, ocr="eng") as library:
        assert library.add().read_by_ocr == 3 and read_manifest(root).ocr == "eng"
        after = {item.id: item for item in library.store.get(list(library.store.ids()))}
        assert before.items() <= after.items() and len(after) == len(before) + 3
        assert all(after[new].ocr and after[new].kind is Kind.PASSAGE for new in after.keys() - before.keys())
        assert library.add(files).unchanged == 3
    with Collection.open(root, encoder=encoder, ocr="") as library:
        assert library.add().unchanged == 3 and library.status().passages_by_ocr == 3


@needs_tesseract
@pytest.mark.slow
def test_the_command_reads_them_and_says_how_many(tmp_path: Path, files: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("searchkit")), *words, "-c", str(tmp_path / "library")]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    made = run("index", str(files), "--model", "hashing", "--ocr", "--json")
    assert made.returncode == 0, made.stderr
    assert "read by OCR 3" in made.stderr and json.loads(made.stdout)["read_by_ocr"] == 3
    assert "3 passages (eng)" in run("status").stdout
    refused = run("index", "--ocr", "--ocr-languages", "eng+xyz")
    assert refused.returncode == 2 and "xyz" in refused.stderr and "tesseract-ocr-xyz" in refused.stderr


def test_without_the_program_it_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput, match="tesseract") as refused:
        Collection.open(tmp_path / "library", encoder=Hashing(), ocr="eng")
    assert "apt install tesseract-ocr" in refused.value.hint and not (tmp_path / "library").exists()


@needs_tesseract
def test_a_collection_that_reads_pictures_is_searched_without_the_program_and_not_added_to(
    library: Collection, files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "scan.pdf").unlink()
    library.add(files)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Collection.open(library.root, encoder=Hashing()) as elsewhere:
        assert elsewhere.search("bridge closed", kind="passage")[0].item.ocr
        with pytest.raises(BadInput, match="tesseract"):
            elsewhere.add(files)


@needs_tesseract
def test_a_picture_of_more_pixels_than_are_handed_over_is_read_smaller() -> None:
    large = written("Bridge closed today").resize((9000, 3000))
    assert Ocr()(large) == "Bridge closed today"
    assert Ocr()(Image.new("RGB", (64, 64), "white")) == "" == Ocr()(Image.new("RGB", (1, 1)))
