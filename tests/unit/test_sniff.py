from __future__ import annotations

from pathlib import Path

import pytest

from searchkit.errors import Unreadable
from searchkit.registry import parser_of
from tests.documents import SAMPLES, jpeg, png

OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


@pytest.mark.parametrize(
    ("suffix", "held", "reader"),
    [
        (".txt", SAMPLES["PdfParser"], "PdfParser"),
        (".doc", SAMPLES["DocxParser"], "DocxParser"),
        (".doc", SAMPLES["RtfParser"], "RtfParser"),
        (".doc", SAMPLES["HtmlParser"] + b"<html>", "DocxParser"),  # nothing at its start says what it is
        (".doc", b"\xef\xbb\xbf <!-- x -->\n<!DOCTYPE html><p>a", "HtmlParser"),
        (".xls", b"<table><tr><td>1</table>", "HtmlParser"),
        (".docx", SAMPLES["XlsxParser"], "XlsxParser"),
        (".pdf", SAMPLES["EpubParser"], "EpubParser"),
        (".md", SAMPLES["PptxParser"], "PptxParser"),
        (".txt", b"<html> begins a page", "TextParser"),
        (".txt", b"this text is about %PDF-1.4", "TextParser"),
        (".pdf", b"junk in front\n" + SAMPLES["PdfParser"], "PdfParser"),
        (".docx", b"PK\3\4 cut off", "DocxParser"),
    ],
)
def test_the_content_says_who_reads_a_file(suffix: str, held: bytes, reader: str, tmp_path: Path) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(held)
    assert type(parser_of(path)).__name__ == reader


def test_an_archive_of_another_name_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "file.zip"
    path.write_bytes(SAMPLES["DocxParser"])
    assert parser_of(path) is None


@pytest.mark.parametrize(
    ("suffix", "held", "reason", "hint"),
    [
        (".pdf", png(), "is named .pdf but holds a PNG picture", "own suffix"),
        (".txt", jpeg(), "is named .txt but holds a JPEG picture", "own suffix"),
        (".csv", b"\x1f\x8b\x08rest", "is named .csv but holds a gzip archive", "own suffix"),
        (".doc", OLD, "binary format of Office before 2007", "save it as .docx"),
        (".xls", OLD, "binary format of Office before 2007", "save it as .xlsx"),
        (
            ".docx",
            OLD + "EncryptedPackage".encode("utf-16-le"),
            "protected by a password",
            "without the password",
        ),
    ],
)
def test_what_nobody_reads_is_refused_by_name_and_content(
    suffix: str, held: bytes, reason: str, hint: str, tmp_path: Path
) -> None:
    path = tmp_path / f"file{suffix}"
    path.write_bytes(held)
    with pytest.raises(Unreadable, match=reason) as refused:
        parser_of(path)
    assert hint in refused.value.hint
