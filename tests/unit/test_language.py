"""Saying so when the encoder cannot read the question."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.encoders.records import RECORDS
from searchkit.search.language import foreign_script, warning_for

ENGLISH = RECORDS["jinaai/jina-clip-v1"]
MANY = RECORDS["google/siglip2-base-patch16-256"]


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("해변의 개 두 마리", "Hangul"),
        ("浜辺を走る犬", "CJK"),
        ("كلبان على الشاطئ", "Arabic"),
        ("δύο σκυλιά", "Greek"),
        ("two dogs и", None),  # most letters are Latin
        ("Über Größe: ñ, ø, ł", None),
        ("12 345 🐶 —", None),
        ("", None),
    ],
)
def test_the_script_of_most_letters_is_named_unless_it_is_latin(text: str, script: str | None) -> None:
    assert foreign_script(text) == script


def test_an_english_encoder_names_one_that_would_work_and_others_stay_silent() -> None:
    said = warning_for(ENGLISH, "две собаки")
    assert said is not None and "Cyrillic" in said and "google/siglip2" in said
    assert warning_for(ENGLISH, "two dogs") is None
    assert warning_for(MANY, "две собаки") is None
    text_only = warning_for(RECORDS["sentence-transformers/all-MiniLM-L6-v2"], "две собаки")
    assert text_only is not None and "multilingual" in text_only and "siglip" not in text_only


def test_a_collection_says_it_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (20, 20), "red").save(tmp_path / "photos" / "red.png")
    encoder = Hashing()
    encoder.record = replace(encoder.record, languages="English")
    with Collection.open(tmp_path / "library", encoder=encoder) as library:
        library.add(tmp_path / "photos")
        with caplog.at_level(logging.WARNING, "searchkit"):
            library.search("red square")
            assert not caplog.records
            library.search("красный")
            library.search("квадрат")
    assert [record.getMessage().count("Cyrillic") for record in caplog.records] == [1]
