"""What a file holds, told from its first bytes, whatever its name says."""

from __future__ import annotations

import codecs
import io
import os
import re
import zipfile
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers.limits import MB
from searchkit.parsers.regular import opened_regular, regular

HEAD = 4096
"""Bytes that are looked at."""

PACKED = {"word/": ".docx", "ppt/": ".pptx", "xl/": ".xlsx"}
"""The folder in an archive of Office Open XML that says which it is."""
EPUB = b"application/epub+zip"
OPEN_DOCUMENT = b"application/vnd.oasis.opendocument."
"""The content of the member `mimetype`; of the second, how it begins."""

OTHERS = (
    (b"\x89PNG\r\n", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"RIFF", "a WebP picture, a sound or a film"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\0", "a SQLite database"),
)
"""What no parser reads; of pictures, those that often have a document's name."""
OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
ZIP = b"PK\x03\x04"
RTF = b"{\\rtf"
BEFORE_PAGE = ((b"<?xml", b">"), (b"<!--", b"-->"))
"""What may come before a page's first tag: how it begins and ends."""
PAGE = re.compile(rb"<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE)
MAX_DIRECTORY = 4 * MB
"""Bytes of an archive's list of its files, of which each takes ten times as many in memory."""


def held(path: Path, *, binary: bool) -> str | None:
    """The suffix of the format that a file's content shows; None where it shows none (plain text, damage).

    `binary` says that its name promises something else than text: then a page or an RTF text is one, where
    otherwise it is text that may be about HTML. Raises `Unreadable` for what no parser reads, naming the
    suffix and the content.
    """
    try:
        with opened_regular(path) as file:
            head = file.read(HEAD)
    except OSError as error:
        raise Unreadable(f"cannot read {path}: {error.strerror}") from error
    if head.startswith(OLD_OFFICE):
        raise _old_office(path)
    for magic, what in OTHERS:
        if head.startswith(magic):
            raise Unreadable(f"{path} is named {path.suffix} but holds {what}", hint="give it its own suffix")
    if b"%PDF-" in head[:1024] and (binary or head.startswith(b"%PDF-")):
        return ".pdf"
    if head.startswith(ZIP):
        return _packed(path)
    if head.startswith(RTF):
        return ".rtf"
    return ".html" if binary and _is_page(head) else None


def _is_page(head: bytes) -> bool:
    """In steps: an expression that may end a comment at any later one's end tries all ways to do so."""
    at = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    while True:
        at += len(head[at:]) - len(head[at:].lstrip())
        begin, end = next((pair for pair in BEFORE_PAGE if head[at:].lower().startswith(pair[0])), (b"", b""))
        if not begin:
            return PAGE.match(head, at) is not None
        found = head.find(end, at + len(begin))
        if found < 0:
            return False
        at = found + len(end)


class _Directory(io.FileIO):
    """A file of which nobody reads much at once: `zipfile` reads the whole list of what an archive holds."""

    def read(self, size: int | None = -1, /) -> bytes:
        most = MAX_DIRECTORY + 1 if size is None or size < 0 else size
        if most > MAX_DIRECTORY and os.fstat(self.fileno()).st_size - self.tell() > MAX_DIRECTORY:
            raise ValueError("too much at once")
        return super().read(most) or b""


def _packed(path: Path) -> str | None:
    try:
        with _Directory(regular(path)) as file, zipfile.ZipFile(file) as archive:
            names = archive.namelist()
            if "mimetype" in names and archive.getinfo("mimetype").file_size < HEAD:
                declared = archive.read("mimetype").strip()
                if declared == EPUB:
                    return ".epub"
                if declared.startswith(OPEN_DOCUMENT):
                    return ".odt"
    except Exception:  # a damaged archive: what its name says shall give the reason
        return None
    for folder, suffix in PACKED.items():
        if "[Content_Types].xml" in names and any(name.startswith(folder) for name in names):
            return suffix
    if "META-INF/container.xml" in names:
        return ".epub"
    if "META-INF/manifest.xml" in names and "content.xml" in names:
        return ".odt"
    return None


def _old_office(path: Path) -> Unreadable:
    """OLE2 holds the formats from before 2007, and newer ones that are encrypted."""
    try:
        encrypted = _holds(path, ENCRYPTED)
    except OSError:
        encrypted = False
    if encrypted:
        return Unreadable(f"{path} is protected by a password", hint="save a copy without the password")
    new = {".ppt": ".pptx", ".xls": ".xlsx"}.get(path.suffix.lower(), ".docx")
    return Unreadable(f"{path} is in the binary format of Office before 2007", hint=f"save it as {new}")


def _holds(path: Path, word: bytes) -> bool:
    end = b""
    with opened_regular(path) as file:
        while piece := file.read(MB):
            if word in end + piece:
                return True
            end = piece[-len(word) :]
    return False
