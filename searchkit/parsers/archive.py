"""Documents that are archives: looked over before a byte of them is unpacked for good."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from searchkit.errors import Unreadable
from searchkit.parsers.limits import (
    MAX_MEMBERS,
    MAX_RATIO,
    MAX_TAGS,
    MAX_UNPACKED,
    MAX_XML,
    MB,
    RATIO_FROM,
    one_file,
    too_much,
)
from searchkit.parsers.regular import opened_regular

PLAIN = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The packings that documents use. Of these `zipfile` unpacks no more than a member declares."""
CHUNK = 4 * MB
ENTITIES = tuple(word.encode(code) for word in ("<!DOCTYPE", "<!ENTITY") for code in ("ascii", "utf-16-le"))
"""A big-endian text holds the little-endian bytes too, one place further."""


@contextmanager
def checked(path: Path, *, office: bool = False) -> Iterator[BinaryIO]:
    """The open file of an archive whose members, unpacked, stay within the limits; whatever is raised while
    it is open becomes `Unreadable`. `office` says that each XML member is one of Office Open XML, where
    declarations are forbidden: those could declare entities that grow without end.
    """
    with one_file(path), opened_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                _check(archive, path)
                if office:
                    _check_xml(archive, path)
        except zipfile.BadZipFile as error:
            raise Unreadable(f"{path} is damaged, or not what its name says: {error}") from error
        file.seek(0)
        yield file


def _check(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise too_much(path, f"{len(members):,} files inside, more than {MAX_MEMBERS:,}")
    for member in members:
        if member.flag_bits & 1:
            raise Unreadable(f"{path} is protected by a password", hint="save a copy without the password")
        if member.compress_type not in PLAIN:
            raise Unreadable(f"{path} is packed in a way that documents never are ({member.filename})")
        if member.file_size > max(RATIO_FROM, MAX_RATIO * member.compress_size):
            raise Unreadable(f"{path} is a bomb: {member.filename} unpacks to {member.file_size:,} bytes")
    unpacked = sum(member.file_size for member in members)
    if unpacked > MAX_UNPACKED:
        raise too_much(path, f"{unpacked // MB:,} MB unpacked, more than {MAX_UNPACKED // MB}")


def _check_xml(archive: zipfile.ZipFile, path: Path) -> None:
    """Sheets are read row by row and are not counted as trees."""
    size = tags = 0
    for member in archive.infolist():
        if not member.filename.lower().endswith((".xml", ".rels", ".vml")):
            continue
        tree = "/worksheets/" not in member.filename
        for piece in _pieces(archive, member):
            if any(word in piece for word in ENTITIES):
                raise Unreadable(f"{path} declares entities in {member.filename}, as no office program does")
            size += len(piece)
            tags += (piece.count(b"<") + piece.count(b'="')) if tree else 0
        if size > MAX_XML or tags > MAX_TAGS:
            raise too_much(path, f"more than {MAX_XML // MB} MB or {MAX_TAGS // 10**6} million tags of XML")


def _pieces(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """The content of a member, each piece with the end of the last in front."""
    with archive.open(member) as file:
        end = b""
        while piece := file.read(CHUNK):
            yield end + piece
            end = piece[-32:]


def parse_xml(data: bytes, *, name: str) -> ElementTree.Element:
    """The root of a small XML file that declares no entities; `name` is for the message."""
    if len(data) > MAX_XML or data.count(b"<") + data.count(b'="') > MAX_TAGS:
        raise too_much(name, f"more than {MAX_XML // MB} MB or {MAX_TAGS // 10**6} million tags of XML")
    if any(word in data for word in ENTITIES[2:]):
        raise Unreadable(f"{name} declares entities, as no document needs")
    return ElementTree.fromstring(data)
