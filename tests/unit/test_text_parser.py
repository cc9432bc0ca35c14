from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from searchkit.errors import Unreadable
from searchkit.parsers import text as module
from searchkit.parsers.text import TextParser, decode

GREETING = "Grüße aus Kraków – 日本\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_an_offset_points_into_the_file_with_its_line_ends_untouched(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "letter.txt"
    path.write_bytes(("one\r\ntwo\rthree\n" + GREETING).encode(encoding))
    document = TextParser().parse(path)
    with path.open(newline="", encoding=encoding) as file:
        assert document.text == file.read()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_without_a_mark_is_recognised(encoding: str) -> None:
    text = "Meeting notes, Kraków, 3 May.\r\n"
    assert decode(text.encode(encoding), name="notes.txt") == text


def test_a_western_code_page_is_the_last_resort() -> None:
    text = "A “naïve” café costs 5 €"
    assert decode(text.encode("cp1252"), name="menu.txt") == text


def test_a_byte_that_cp1252_lacks_makes_it_latin_1() -> None:
    assert decode(b"a long enough line, caf\xe9 \x81 and on and on and on and on", name="x")[23] == "é"


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r", "shift_jis", "gb18030"])
def test_another_old_encoding_is_refused_rather_than_garbled(encoding: str) -> None:
    text = {"shift_jis": "日本語の文章です。", "gb18030": "这是一个中文句子。"}.get(
        encoding, "Это русский текст"
    )
    with pytest.raises(Unreadable) as refused:
        decode(text.encode(encoding) * 20, name="old.txt")
    assert "old.txt" in str(refused.value)


def test_the_remedy_for_an_old_encoding_is_named() -> None:
    with pytest.raises(Unreadable, match="encoding") as refused:
        decode("Это русский текст".encode("cp1251"), name="old.txt")
    assert "UTF-8" in refused.value.hint


@pytest.mark.parametrize("data", [b"\0\1" * 500, b"MZ\x90\0\3\0\0\0\4" * 60, b"text " + bytes(100)])
def test_control_bytes_make_a_file_binary(data: bytes) -> None:
    with pytest.raises(Unreadable, match=r"tool\.txt is (binary|damaged)"):
        decode(data, name="tool.txt")


def test_a_coloured_log_with_a_stray_nul_is_text() -> None:
    log = "\x1b[31mERROR\x1b[0m disk full\n" * 20 + "\0"
    assert decode(log.encode(), name="a.log") == log


def test_half_a_character_after_a_mark_is_damage() -> None:
    with pytest.raises(Unreadable, match="not valid utf-16 at byte"):
        decode(GREETING.encode("utf-16")[:-1], name="cut.txt")


def test_a_dump_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dump.log"
    path.write_bytes(b"x" * 2_000_001)
    monkeypatch.setattr(module, "MAX_BYTES", 2_000_000)
    with pytest.raises(Unreadable, match="more than 1 MB"):
        TextParser().parse(path)


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")))
def test_all_utf8_text_survives(text: str) -> None:
    assert decode(text.encode(), name="any.txt") == text
