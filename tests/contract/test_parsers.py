"""What every parser promises, whatever the format: protocols.Parser."""

from __future__ import annotations

import io
import os
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from searchkit.errors import Unreadable
from searchkit.protocols import Parser
from searchkit.registry import BINARY, PARSERS, parser_for, parser_of
from searchkit.types import Document
from tests.documents import SAMPLES

WITH_PICTURE = {"DocxParser", "PptxParser", "OdfParser", "EpubParser", "MailParser", "NotebookParser"}
"""Whose samples hold a red one."""


def _parser(suffix: str) -> Parser:
    parser = parser_for(suffix)
    assert parser is not None
    return parser


every_parser = pytest.mark.parametrize(
    ("parser", "sample"),
    [pytest.param(_parser(suffixes[0]), SAMPLES[name], id=name) for _, name, suffixes in PARSERS],
)


def parse_bytes(parser: Parser, data: bytes) -> Document:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{min(parser.suffixes)}"
        path.write_bytes(data)
        return parser.parse(path)


def assert_lawful(document: Document) -> None:
    assert document.text.strip()
    assert document.title is None or document.title.strip() == document.title != ""
    assert [page.number for page in document.pages] == list(range(1, len(document.pages) + 1))
    end = 0
    for page in document.pages:
        assert end <= page.start <= page.end <= len(document.text)
        end = page.end
        if page.start < page.end:
            assert document.page_at(page.start) == document.page_at(page.end - 1) == page.number
    if document.pages:
        between = list(document.text)
        for page in reversed(document.pages):
            del between[page.start : page.end]
        assert not "".join(between).strip(), "text that is on no page"
    end = 0
    for heading in document.headings:
        words = document.text[heading.start : heading.end]
        assert 1 <= heading.level <= 9 and end <= heading.start and words.strip() == words != ""
        end = heading.end


@every_parser
def test_a_good_file_gives_its_words(parser: Parser, sample: bytes) -> None:
    document = parse_bytes(parser, sample)
    assert_lawful(document)
    assert re.search(r"The lighthouse\s+(.+\s+)?and its \W?keeper", document.text)


@every_parser
def test_the_registry_knows_a_good_file_whatever_suffix_it_has(
    parser: Parser, sample: bytes, tmp_path: Path
) -> None:
    for suffix in parser.suffixes | (BINARY if parser.suffixes <= BINARY else set()):
        path = tmp_path / f"file{suffix}"
        path.write_bytes(sample)
        assert type(parser_of(path)) is type(parser)


@every_parser
def test_pictures_are_picture_files_and_asked_for_one_by_one(
    parser: Parser, sample: bytes, tmp_path: Path
) -> None:
    path = tmp_path / f"file{min(parser.suffixes)}"
    path.write_bytes(sample)
    pictures = list(parser.pictures(path))
    assert len(pictures) == (type(parser).__name__ in WITH_PICTURE)
    for picture in pictures:
        assert Image.open(io.BytesIO(picture.data)).convert("RGB").resize((1, 1)).getpixel((0, 0))[0] > 250  # type: ignore[index]
    asked = parser.pictures(path)
    next(asked, None)
    getattr(asked, "close", lambda: None)()  # half-way: nothing stays open, nothing is locked
    assert parser.parse(path)


@every_parser
def test_the_same_file_gives_the_same_document(parser: Parser, sample: bytes) -> None:
    assert parse_bytes(parser, sample) == parse_bytes(parser, sample)


@every_parser
def test_many_threads_get_what_one_gets(parser: Parser, sample: bytes) -> None:
    alone = parse_bytes(parser, sample)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: parse_bytes(parser, sample), range(40))) == {alone}


@every_parser
def test_the_name_carries_a_version(parser: Parser, sample: bytes) -> None:
    assert re.fullmatch(r"\S.* \d[\w.+]*", parser.name)


@pytest.mark.parametrize(("module", "name", "suffixes"), PARSERS)
def test_the_registry_gives_each_parser_for_just_its_suffixes(
    module: str, name: str, suffixes: tuple[str, ...]
) -> None:
    for suffix in suffixes:
        parser = _parser(suffix)
        assert (type(parser).__module__, type(parser).__name__) == (module, name)
        assert parser.suffixes == frozenset(suffixes)


@every_parser
def test_a_missing_file_is_unreadable(parser: Parser, sample: bytes, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="nowhere"):
        parser.parse(tmp_path / f"nowhere{min(parser.suffixes)}")


@every_parser
def test_a_folder_is_unreadable(parser: Parser, sample: bytes, tmp_path: Path) -> None:
    folder = tmp_path / f"folder{min(parser.suffixes)}"
    folder.mkdir()
    with pytest.raises(Unreadable, match="folder"):
        parser.parse(folder)


@every_parser
@pytest.mark.parametrize("blank", [b"", b" \r\n\t\n"], ids=["empty", "white space"])
def test_a_file_without_text_is_refused_by_name(parser: Parser, sample: bytes, blank: bytes) -> None:
    with pytest.raises(Unreadable, match=re.escape(f"file{min(parser.suffixes)}")):
        parse_bytes(parser, blank)


@every_parser
def test_binary_data_is_refused(parser: Parser, sample: bytes) -> None:
    with pytest.raises(Unreadable):
        parse_bytes(parser, bytes(range(256)) * 40)


@every_parser
def test_a_name_that_is_not_utf8_is_no_obstacle(parser: Parser, sample: bytes, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9" + min(parser.suffixes).encode())
    path.write_bytes(sample)
    assert parser.parse(path) == parse_bytes(parser, sample)


@every_parser
@settings(max_examples=40)
@given(data=st.data())
def test_any_bytes_give_a_document_or_a_reason(parser: Parser, sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)), label="start")
    end = data.draw(st.integers(start, len(sample)), label="end")
    damage = data.draw(st.binary(max_size=60), label="damage")
    try:
        document = parse_bytes(parser, sample[:start] + damage + sample[end:])
    except Unreadable as error:
        assert "file" in str(error)
    else:
        assert_lawful(document)


@every_parser
@settings(max_examples=40)
@given(text=st.text(max_size=200))
def test_any_text_gives_a_document_or_a_reason(parser: Parser, sample: bytes, text: str) -> None:
    try:
        document = parse_bytes(parser, text.encode())
    except Unreadable as error:
        assert "file" in str(error)
    else:
        assert_lawful(document)
