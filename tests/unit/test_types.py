"""The nouns: what they are called outside, and what follows from their fields."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import replace

import pytest

from searchkit.types import Document, Evaluation, Hit, IndexReport, Item, Kind, PageSpan, Space

HIT_FIELDS = [
    "schema",
    "rank",
    "score",
    "confidence",
    "kind",
    "path",
    "source",
    "page",
    "start",
    "end",
    "text",
    "sha256",
    "space",
    "mtime",
    "width",
    "height",
    "size",
    "taken",
    "label",
    "label_confidence",
    "heading",
    "ocr",
    "copies",
    "passages",
]
PICTURE = Item("a-0", Kind.IMAGE, "/photos/dog.png", "/photos", "f" * 64, 0, 1.7e9, width=640, height=480)
PASSAGE = Item("b-3", Kind.PASSAGE, "/papers/x.pdf", "/papers", "e" * 64, 3, 0.0, 2, 10, 14, "text")
SPACE = Space("pocket", "0123456789abcdef" * 4, 2, 384)


def hit(item: Item) -> Hit:
    return Hit(1, 0.123456789, 0.98765432, item, "space")


# hits


def test_a_hit_in_json_has_the_fields_of_the_contract_in_order() -> None:
    assert list(hit(PICTURE).to_json()) == HIT_FIELDS == list(hit(PASSAGE).to_json())


def test_a_picture_in_json() -> None:
    assert hit(PICTURE).to_json() == {
        "schema": 1,
        "rank": 1,
        "score": 0.123457,
        "confidence": 0.9877,
        "kind": "image",
        "path": "/photos/dog.png",
        "source": "/photos",
        "page": None,
        "start": None,
        "end": None,
        "text": None,
        "sha256": "f" * 64,
        "space": "space",
        "mtime": "2023-11-14T22:13:20+00:00",
        "width": 640,
        "height": 480,
        "size": None,
        "taken": None,
        "label": None,
        "label_confidence": None,
        "ocr": False,
        "heading": None,
        "copies": [],
        "passages": [],
    }


def test_a_passage_in_json_says_where_it_is() -> None:
    record = hit(PASSAGE).to_json()
    assert (record["kind"], record["page"], record["start"], record["end"], record["text"]) == (
        "passage",
        2,
        10,
        14,
        "text",
    )
    assert record["width"] is record["height"] is None and record["mtime"] == "1970-01-01T00:00:00+00:00"


def test_a_name_that_is_not_utf8_is_also_given_as_bytes() -> None:
    raw = b"/photos/caf\xe9.png"
    record = hit(PICTURE._replace(path=os.fsdecode(raw), source=os.fsdecode(b"/p\xff"))).to_json()
    assert record["path"] == "/photos/caf\ufffd.png" and base64.b64decode(record["path_b64"]) == raw
    assert record["source"] == "/p\ufffd"
    assert json.loads(json.dumps(record)) == record


@pytest.mark.parametrize("path", ["/a/ü 犬 👍.png", "/a/new\nline.png", "/a/really \ufffd.png"])
def test_a_name_that_is_utf8_is_given_as_it_is(path: str) -> None:
    record = hit(PICTURE._replace(path=path)).to_json()
    assert record["path"] == path and "path_b64" not in record


def test_a_hit_speaks_for_its_item() -> None:
    one = hit(PASSAGE)
    assert (one.path, one.kind, one.page, one.text) == ("/papers/x.pdf", Kind.PASSAGE, 2, "text")


# the others


def test_a_report_in_json_has_the_fields_of_the_contract() -> None:
    report = IndexReport(seen=5, indexed=2, images=2, failed=1, seconds=0.5)
    report.left_out["pages_without_text"] += 2
    assert report.to_json() == {
        "schema": 1,
        "seen": 5,
        "indexed": 2,
        "reused": 0,
        "unchanged": 0,
        "deleted": 0,
        "failed": 1,
        "offline": 0,
        "seconds": 0.5,
        "images_per_second": 4.0,
        "read_by_ocr": 0,
        "left_out": {"pages_without_text": 2},
    }


def test_a_run_that_took_no_time_has_no_speed() -> None:
    assert IndexReport(images=3).images_per_second == 0.0


def test_an_evaluation_in_json_has_the_fields_of_the_contract() -> None:
    record = Evaluation("nano", "pocket", 384, 50, {"ndcg@10": 0.5}).to_json()
    assert list(record) == ["schema", "task", "encoder", "dim", "queries", "metrics"]


@pytest.mark.parametrize(
    "change", [{"encoder": "b"}, {"weights": "f" * 64}, {"preprocessing": 3}, {"dim": 9}]
)
def test_spaces_that_differ_in_anything_have_different_keys(change: dict[str, object]) -> None:
    assert replace(SPACE, **change).key != SPACE.key  # type: ignore[arg-type]


def test_the_key_of_a_space_is_a_name_of_one_folder() -> None:
    assert SPACE.key == "pocket-0123456789ab-p2-d384"
    assert replace(SPACE, encoder="/home/me/a model").key == "_home_me_a_model-0123456789ab-p2-d384"


def test_a_document_knows_the_page_of_an_offset() -> None:
    document = Document("0123456789", (PageSpan(1, 0, 4), PageSpan(2, 5, 9)))
    assert [document.page_at(n) for n in (0, 3, 4, 5, 9)] == [1, 1, 1, 2, 2]
    assert Document("abc").page_at(1) is None and Document("abc", (PageSpan(1, 1, 3),)).page_at(0) is None
