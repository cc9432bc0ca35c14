from __future__ import annotations

import zipfile
from pathlib import Path
from random import Random

import pytest

from searchkit.errors import Unreadable
from searchkit.parsers import archive
from searchkit.parsers.archive import checked, parse_xml
from searchkit.parsers.limits import MAX_MEMBERS, MB
from tests.documents import zipped


def check(data: bytes, folder: Path, *, office: bool = False) -> None:
    path = folder / "book.epub"
    path.write_bytes(data)
    with checked(path, office=office) as file:
        assert file.read() == data


def test_a_plain_archive_passes_and_is_read_from_its_start(tmp_path: Path) -> None:
    check(zipped({"a.xml": "<a/>", "b.bin": bytes(range(256))}), tmp_path, office=True)


def test_a_member_that_unpacks_a_thousandfold_is_a_bomb(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"book\.epub is a bomb: zeros unpacks to 10,485,760 bytes"):
        check(zipped({"zeros": bytes(10 * MB)}), tmp_path)


def test_many_members_that_are_no_bombs_alone_are_too_much_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED", 10 * MB)
    check(zipped({str(n): bytes(4 * MB) for n in range(2)}), tmp_path)
    with pytest.raises(Unreadable, match="12 MB unpacked, more than 10"):
        check(zipped({str(n): bytes(4 * MB) for n in range(3)}), tmp_path)


def test_so_many_members_are_no_document(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="10,001 files inside"):
        check(zipped({str(n): b"" for n in range(MAX_MEMBERS + 1)}), tmp_path)


def test_a_member_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    lying = bytearray(zipped({"zeros": bytes(10 * MB)}))
    for header, field in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = lying.index(header) + field
        lying[at : at + 4] = (1000).to_bytes(4, "little")
    path = tmp_path / "book.epub"
    path.write_bytes(lying)
    with pytest.raises(Unreadable, match="damaged"), checked(path) as file, zipfile.ZipFile(file) as inside:
        inside.read("zeros")


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_declaration_is_seen_in_any_coding_and_across_the_border_of_two_readings(
    coding: str, tmp_path: Path
) -> None:
    declared = "<!DOCTYPE a>".encode(coding)
    noise = Random(1).randbytes(2 * MB).hex().encode()
    with pytest.raises(Unreadable, match="declares entities"):
        check(zipped({"a.xml": noise[: 4 * MB - 6] + declared}), tmp_path, office=True)


def test_tags_are_counted_before_they_become_a_tree(tmp_path: Path) -> None:
    random, many = Random(1), b'<x/><y a="1"/>' * 430  # salted: alike, they would be a bomb for their ratio
    salted = b"".join(many + random.randbytes(60).hex().encode() for _ in range(4000))
    with pytest.raises(Unreadable, match="5 million tags"):
        check(zipped({"a.xml": salted}), tmp_path, office=True)


def test_entities_of_a_small_file_are_refused() -> None:
    with pytest.raises(Unreadable, match="declares entities"):
        parse_xml(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', name="all.opf")
    assert parse_xml(b'<!DOCTYPE package PUBLIC "x" "y"><package/>', name="all.opf").tag == "package"


def test_a_password_is_named_as_the_reason(tmp_path: Path) -> None:
    data = bytearray(zipped({"a": b"secret"}))
    data[data.index(b"PK\1\2") + 8] |= 1
    with pytest.raises(Unreadable, match="protected by a password"):
        check(bytes(data), tmp_path)
