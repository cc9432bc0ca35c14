"""The description of a picture by its own files: a caption beside it, or a description inside it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import unescape
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, IptcImagePlugin, UnidentifiedImageError

from searchkit.errors import Unreadable
from searchkit.parsers.regular import bytes_of, opened_regular

SIDECARS = (".txt", ".json", ".xmp")
"""Endings of files beside a picture, `photo.jpg.txt` or `photo.txt`; the first that holds a text counts."""
FIELDS = ("caption", "description", "title", "alt")
"""Keys of a JSON sidecar; the first that holds a text counts."""
LONGEST = 2000
"""The most characters of a caption."""
IPTC_CAPTION = (2, 120)
XMP_DESCRIPTION = re.compile(r"<dc:description\b[^>]*>(.*?)</dc:description>", re.DOTALL)
XMP_ITEM = re.compile(r"<rdf:li\b[^>]*>(.*?)</rdf:li>", re.DOTALL)
MOST_BYTES = 1 << 20
"""The most bytes of a sidecar."""
EMPTY = re.compile(
    r"(?i)^(?:dsc|img|dcim|pict?|image|photo|screenshot|olympus digital camera)[\W\d_]*$|^\W*\d*\W*$"
)
"""What cameras write when nobody has described anything."""


def description(path: Path) -> str | None:
    """The description of a picture in one line, from a sidecar, then IPTC, XMP and EXIF.

    None where there is none, or none of use; a file that cannot be read has none.
    """
    for text in (_beside(path), _inside(path)):
        line = " ".join((text or "").replace("\0", " ").split())
        if line and len(line) <= LONGEST and not EMPTY.match(line):
            return line
    return None


def _beside(path: Path) -> str | None:
    for suffix in SIDECARS:
        for sidecar in (path.with_name(path.name + suffix), path.with_suffix(suffix)):
            try:
                if sidecar == path or not sidecar.exists():
                    continue
                text = _described(suffix, bytes_of(sidecar, most=MOST_BYTES).decode("utf-8"))
            except (
                Unreadable,
                OSError,
                ValueError,
            ):  # ValueError: not UTF-8, not JSON
                continue
            if text and text.strip():
                return text
    return None


def _described(suffix: str, text: str) -> str | None:
    return text if suffix == ".txt" else _from_json(text) if suffix == ".json" else _from_xmp(text)


def _from_json(text: str) -> str | None:
    content: Any = json.loads(text)
    return _first_text([content.get(name) for name in FIELDS] if isinstance(content, dict) else [])


def _from_xmp(text: str) -> str | None:
    """The first language of dc:description. Read as text: an XML parser would follow its entities."""
    described = XMP_DESCRIPTION.search(text)
    item = XMP_ITEM.search(described[1]) if described else None
    return unescape(item[1]) if item else None


def _inside(path: Path) -> str | None:
    try:
        with opened_regular(path) as file, Image.open(file) as image:
            iptc = (IptcImagePlugin.getiptcinfo(image) or {}).get(IPTC_CAPTION)
            xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
            exif = image.getexif().get(ExifTags.Base.ImageDescription)
    except (
        Unreadable, OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError
    ):  # fmt: skip
        return None
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
    first = iptc[0] if isinstance(iptc, list) and iptc else iptc
    caption = first.decode("utf-8", "replace") if isinstance(first, bytes) else None
    return _first_text([caption, _from_xmp(text), exif])


def _first_text(values: Iterable[Any]) -> str | None:
    return next((value for value in values if isinstance(value, str) and value.strip()), None)
