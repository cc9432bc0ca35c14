"""Pairs from a collection's own files: captions beside and inside pictures, headings over sections."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngInfo
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import BadInput
from searchkit.finetuning.described import LONGEST, description
from searchkit.finetuning.gather import gather
from searchkit.finetuning.pairs import read_pairs

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description><dc:description><rdf:Alt>'
    '<rdf:li xml:lang="x-default">Salt &amp; pepper</rdf:li></rdf:Alt></dc:description>'
    "</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def picture(path: Path, **options: object) -> Path:
    Image.new("RGB", (24, 24), (len(path.name) * 9 % 255, 80, 40)).save(path, **options)  # type: ignore[arg-type]
    return path


def described(path: Path, text: str) -> Path:
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = text
    return picture(path, exif=exif)


def test_a_caption_is_found_beside_a_picture_and_inside_it(tmp_path: Path) -> None:
    assert description(described(tmp_path / "a.jpg", "A boat in  fog")) == "A boat in fog"
    (tmp_path / "a.txt").write_text("A rowing boat\n")
    assert description(tmp_path / "a.jpg") == "A rowing boat"  # what lies beside it says more
    (tmp_path / "a.jpg.txt").write_text("The very boat")
    assert description(tmp_path / "a.jpg") == "The very boat"

    plain = picture(tmp_path / "b.png")
    assert description(plain) is None
    (tmp_path / "b.json").write_text(json.dumps({"id": 3, "caption": "", "title": "Two hats"}))
    assert description(plain) == "Two hats"

    both = picture(tmp_path / "c.png")
    (tmp_path / "c.xmp").write_text(XMP)
    assert description(both) == "Salt & pepper"
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", XMP)
    assert description(picture(tmp_path / "d.png", pnginfo=info)) == "Salt & pepper"


def iptc(caption: bytes) -> bytes:
    """The APP13 segment that holds a caption, as newspapers' software writes it."""
    data = b"\x1c\x02\x78" + len(caption).to_bytes(2, "big") + caption
    data += b"\0" * (len(data) % 2)
    block = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0" + len(data).to_bytes(4, "big") + data
    return b"\xff\xed" + (len(block) + 2).to_bytes(2, "big") + block


def test_a_newspaper_caption_comes_before_the_cameras(tmp_path: Path) -> None:
    path = described(tmp_path / "a.jpg", "From the camera")
    data = path.read_bytes()
    path.write_bytes(data[:2] + iptc(b"The mayor opens a bridge") + data[2:])
    assert description(path) == "The mayor opens a bridge"


@pytest.mark.parametrize("text", ["OLYMPUS DIGITAL CAMERA", "DSC_0042", "  ", "123", "x " * LONGEST])
def test_what_cameras_write_by_themselves_is_no_caption(tmp_path: Path, text: str) -> None:
    assert description(described(tmp_path / "a.jpg", text)) is None


def test_a_damaged_sidecar_or_picture_says_nothing(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.png")
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xff")
    assert description(path) is None
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    assert description(tmp_path / "broken.jpg") is None


def test_a_collection_gives_captions_and_headings_that_only_one_section_has(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    picture(files / "hat.png")
    (files / "hat.json").write_text(json.dumps({"caption": "a straw hat"}))
    picture(files / "silent.png")
    for name, step in (("one", "Mending a torn sail"), ("two", "Painting the hull white")):
        (files / f"{name}.md").write_text(
            f"# The {name} book\n\n## {step}\n\nFirst take {name} needles.\n\n## In short\n\nDo not hurry.\n"
        )
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(files)
        count = gather(library, tmp_path / "own.jsonl")
        first = (tmp_path / "own.jsonl").read_text()
        assert gather(library, tmp_path / "own.jsonl") == count
    assert (tmp_path / "own.jsonl").read_text() == first
    rows = [json.loads(line) for line in first.splitlines()]
    assert {"text": "a straw hat", "image": str(files / "hat.png")} in rows
    answers = {row["text"]: row["text2"] for row in rows if "text2" in row}
    assert "one needles" in answers["Mending a torn sail"]
    assert "two needles" in answers["Painting the hull white"]
    assert "In short" not in answers and not any("silent" in str(row) for row in rows)
    assert len(read_pairs(tmp_path / "own.jsonl").bad) == 0


def test_the_command_says_where_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    picture(tmp_path / "files" / "a.png")
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        library.add(tmp_path / "files")
    result = CliRunner().invoke(app, ["adapt", "-c", str(tmp_path / "library"), "--own", "-q"])
    assert isinstance(result.exception, BadInput) and "no picture" in str(result.exception)
