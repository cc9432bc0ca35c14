"""E-mail: who wrote to whom, when and about what; the text; the names of what is attached."""

from __future__ import annotations

import codecs
import email.errors
import email.header
import email.parser
import email.policy
import re
from collections.abc import Iterator
from contextlib import suppress
from email.message import Message
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers.blocks import LINE, Blocks
from searchkit.parsers.html import parse_page, visible
from searchkit.parsers.limits import MB, one_file, too_much
from searchkit.parsers.text import decode, read_bytes
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded

SHOWN = ("Subject", "From", "To", "Cc", "Date")
MAX_HEADER = 20_000
"""Characters: a list of a thousand addresses. The rest of a longer one is left out."""
PARAMETERS = re.compile(rb"^content-(?:type|disposition):.*(?:\n[ \t].*)*", re.IGNORECASE | re.MULTILINE)
MAX_PARAMETERS = 8_000
"""Bytes; the library takes quadratic time to read more."""
MAX_PARTS = 1_000
BORDER = re.compile(rb"boundary", re.IGNORECASE)
MAX_COMPARED = 20_000_000
"""The library compares each line with the border of each part that is open: some four million in a second."""
NOT_FOR_MAIL = frozenset(("idna", "punycode"))
"""Character sets for names on the internet, which take quadratic time to read."""


class MailParser(Parser):
    """The headers that a reader sees, then the text; a message within it (a forwarded one) likewise."""

    name = "searchkit mail 1"
    suffixes = frozenset({".eml"})
    capped = True

    def parse(self, path: Path) -> Document:
        blocks = Blocks(path)
        with one_file(path):
            message = _message(path)
            subject = _header(message, "Subject")
            _add(message, blocks, path)
        return blocks.document(title=subject)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        with one_file(path):
            for part in _parts(_message(path), path):
                if part.get_content_maintype() == "image":
                    data = part.get_payload(decode=True)
                    if isinstance(data, bytes) and data:
                        yield Embedded(data)


def _message(path: Path) -> Message:
    data = read_bytes(path)
    decode(data[:100_000], name=str(path))  # a message is written in text, whatever is attached to it
    borders = 0
    for match in PARAMETERS.finditer(data):
        borders += BORDER.search(match[0]) is not None
        if match.end() - match.start() > MAX_PARAMETERS:
            raise Unreadable(
                f"{path} is no message: it describes a part in more than {MAX_PARAMETERS:,} bytes"
            )
    if borders * data.count(b"\n") > MAX_COMPARED:
        raise too_much(path, f"{borders:,} parts that hold others, which may all end at each line")
    parser = email.parser.BytesFeedParser(policy=email.policy.compat32)
    for at in range(0, len(data), MB):  # as a whole it would take five times its size
        parser.feed(data[at : at + MB])
    return parser.close()


def _parts(message: Message, path: Path) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number > MAX_PARTS:
            raise Unreadable(f"{path} has more than {MAX_PARTS:,} parts")
        yield part


def _add(message: Message, blocks: Blocks, path: Path) -> None:
    """Headers and text of a message and of those in it; HTML only where there is no plain text."""
    parts = list(_parts(message, path))
    plain = any(_is_text(part, "text/plain") and _text(part, path).strip() for part in parts)
    attached = []
    for part in parts:
        if part is message or part.get_content_maintype() == "message":
            shown = part.get_payload(0) if part.is_multipart() and part is not message else part
            _add_headers(shown, blocks)  # type: ignore[arg-type]
        if name := part.get_filename():
            attached.append(_decoded(name))
        elif _is_text(part, "text/plain" if plain else "text/html"):
            blocks.add(_text(part, path).strip())
    blocks.add(f"Attachments: {', '.join(attached)}" if attached else "")


def _add_headers(message: Message, blocks: Blocks) -> None:
    lines = [f"{name}: {value}" for name in SHOWN if (value := _header(message, name))]
    blocks.add(LINE.join(lines))


def _is_text(part: Message, kind: str) -> bool:
    return part.get_content_type() == kind and not part.get_filename()


def _text(part: Message, path: Path) -> str:
    """The text of a plain or an HTML part. A character set that is not known is guessed."""
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes) or not data.strip():
        return ""
    if part.get_content_type() == "text/html":
        tree = parse_page(data, name=str(path))
        return visible(tree.root)[0] if tree.root else ""
    try:
        known = codecs.lookup(str(part.get_content_charset("utf-8"))).name
        return decode(data, name=str(path)) if known in NOT_FOR_MAIL else data.decode(known)
    except (LookupError, ValueError):
        return decode(data, name=str(path))


def _header(message: Message, name: str) -> str:
    return _decoded(str(message.get(name, "")))


def _decoded(value: str) -> str:
    """=?utf-8?q?…?= to letters, on one line."""
    with suppress(LookupError, ValueError, email.errors.HeaderParseError):
        value = str(email.header.make_header(email.header.decode_header(value[:MAX_HEADER])))
    return " ".join(value.encode("utf-8", "replace").decode().split())
