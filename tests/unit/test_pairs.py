"""Pairs of every form in, the same pairs out; what cannot be used is named and stops nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from searchkit.errors import BadInput
from searchkit.finetuning.pairs import HARD_NEGATIVES, Pairs, read_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shots").mkdir()
    for name, colour in (("red", (200, 0, 0)), ("blue", (0, 0, 200)), ("copy", (200, 0, 0))):
        Image.new("RGB", (8, 8), colour).save(tmp_path / "shots" / f"{name}.png")
    return tmp_path


ROWS = [
    {"text": "a red thing", "image": "shots/red.png"},
    {"text": "how to boil an egg", "text2": "Put it in water.", "negatives": ["Eat it.", "Throw it."]},
    {"image": "shots/blue.png", "image2": "shots/red.png"},
]


def write(folder: Path, form: str, rows: list[dict[str, object]]) -> Path:
    path = folder / f"pairs.{form}"
    names = ["text", "image", "text2", "image2", "negatives"]
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    elif form == "parquet":
        pq.write_table(pa.table({name: [row.get(name) for row in rows] for name in names}), path)
    else:
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, names)
            writer.writeheader()
            for row in rows:
                cells = {k: json.dumps(v) if isinstance(v, list) else v for k, v in row.items()}
                writer.writerow(cells)
    return path


def said(found: Pairs) -> list[tuple[str, str, str, list[str]]]:
    def name(number: int) -> str:
        side = found.sides[number]
        return side.text or (side.path.stem if side.path else "bytes")

    return [
        (str(found.direction(p)), name(p.query), name(p.positive), [name(n) for n in p.negatives])
        for p in found.pairs
    ]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_form_gives_the_same_pairs(folder: Path, form: str) -> None:
    found = read_pairs(write(folder, form, list(ROWS)))
    assert said(found) == [
        ("text-image", "a red thing", "red", []),
        ("image-passage", "red", "a red thing", []),
        ("text-passage", "how to boil an egg", "Put it in water.", ["Eat it.", "Throw it."]),
        ("image-image", "blue", "red", []),
        ("image-image", "red", "blue", []),
    ]
    assert (found.rows, found.bad) == (3, [])


def test_the_fingerprint_follows_the_contents_not_the_file(folder: Path) -> None:
    prints = {read_pairs(write(folder, form, list(ROWS))).fingerprint for form in ("csv", "jsonl", "parquet")}
    assert len(prints) == 1
    Image.new("RGB", (8, 8), (201, 0, 0)).save(folder / "shots" / "red.png")
    assert read_pairs(folder / "pairs.csv").fingerprint not in prints


def test_parquet_may_hold_the_pictures_themselves(folder: Path) -> None:
    data = (folder / "shots" / "red.png").read_bytes()
    table = pa.table({"text": ["one", "two"], "image": [{"bytes": data, "path": None}] * 2})
    pq.write_table(table, folder / "bytes.parquet")
    found = read_pairs(folder / "bytes.parquet")
    assert [found.sides[p.positive].data for p in found.pairs if found.sides[p.query].text] == [data, data]
    assert len(found.sides) == 3  # one picture, two texts


def test_copies_of_a_picture_are_one_side_and_equal_rows_one_pair(folder: Path) -> None:
    rows = [{"text": "red", "image": f"shots/{name}.png"} for name in ("red", "copy", "red")]
    found = read_pairs(write(folder, "jsonl", list(rows)))
    assert len(found.sides) == 2
    assert len(found.pairs) == 2


def test_bad_rows_are_named_and_stop_nothing(folder: Path) -> None:
    path = folder / "pairs.jsonl"
    rows = [
        *ROWS[:1],
        {"text": "no such file", "image": "shots/gone.png"},
        {"text": "alone"},
        {"text": 5, "text2": "a number"},
        {"text": "same", "text2": "same"},
        {"text": "wrong negatives", "text2": "b", "negatives": [3]},
        {"text": "a folder", "image": "shots"},
        {"text": "\x00", "image": "a\x00b"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n{oh dear\n[1]\n")
    found = read_pairs(path)
    assert len(found.pairs) == 2
    assert [bad.row for bad in found.bad] == [2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert "shots/gone.png is not a file" in found.bad[0].reason
    assert "both ends" in found.bad[3].reason


def test_no_more_negatives_than_the_loss_takes_and_never_the_answer(folder: Path) -> None:
    wrong = ["b", *(f"n{i}" for i in range(9))]
    found = read_pairs(write(folder, "jsonl", [{"text": "a", "text2": "b", "negatives": wrong}]))
    assert len(found.pairs[0].negatives) == HARD_NEGATIVES - 1  # the first of them was the answer


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pairs.csv", b"title,photo\na,b\n"),
        ("pairs.csv", b"text,text2\n,\n"),
        ("pairs.csv", b"text,text2\n\xff\xfe,b\n"),
        ("pairs.parquet", b"PAR1"),
        ("pairs.txt", b"text"),
        ("pairs.jsonl", b""),
    ],
)
def test_a_file_without_a_pair_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=name):
        read_pairs(tmp_path / name)


@pytest.mark.parametrize("name", ["none.csv", "none.jsonl", "none.parquet"])
def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadInput, match=f"there is no file .*{name}") as refused:
        read_pairs(tmp_path / name)
    assert refused.value.hint is not None and "UTF-8" not in refused.value.hint
