"""The table of contents of an EPUB: which chapter a page begins, and how deep it lies in the book."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError

from selectolax.lexbor import LexborNode

from searchkit.errors import Unreadable
from searchkit.parsers.archive import parse_xml
from searchkit.parsers.html import parse_page
from searchkit.types import Heading

NCX = "application/x-dtbncx+xml"
DEEPEST = 9
"""The deepest level of a heading; entries of some generated books lie deeper."""
REACH = 40
"""Elements around a link that are looked at."""
MAX_ENTRIES = 50_000
"""The most entries of a table of contents: nested lists can repeat the same ones again and again."""
SHORTEST = 4
"""Letters of a name that may be part of a longer one: "The sea" in "2. The sea"."""
NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A chapter's name and depth, from 1."""

    depth: int
    name: str


Contents = dict[str, list[Entry]]
"""Member of the archive that holds a page → the entries of that page, in the book's order."""


def contents(archive: zipfile.ZipFile, package: Element, folder: str) -> Contents:
    """The contents by the navigation page of EPUB 3, else the list of EPUB 2; empty where both are missing or
    damaged: the book can be read without."""
    items = list(package.iterfind(".//{*}item"))
    pages = [item for item in items if "nav" in item.get("properties", "").split()]
    lists = [item for item in items if item.get("media-type") == NCX]
    ways: list[tuple[list[Element], Callable[[bytes], Iterator[tuple[int, str, str]]]]]
    ways = [(pages, _from_page), (lists, _from_list)]
    for some, read in ways:
        for item in some:
            name = resolved(folder, item.get("href", ""))
            try:
                entries = islice(read(archive.read(name)), MAX_ENTRIES)
                found = _by_page(entries, posixpath.dirname(name))
            except (KeyError, Unreadable, ParseError):
                continue
            if found:
                return found
    return {}


def resolved(folder: str, link: str) -> str:
    """The member that a link in a file of `folder` means; empty for links that lead out of the book."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    return posixpath.normpath(posixpath.join(folder, unquote(parts.path)))


def _by_page(entries: Iterator[tuple[int, str, str]], folder: str) -> Contents:
    found: Contents = {}
    for depth, name, link in entries:
        words = " ".join(name.split())
        if words and (page := resolved(folder, link)):
            found.setdefault(page, []).append(Entry(min(depth, DEEPEST), words))
    return found


def _from_page(data: bytes) -> Iterator[tuple[int, str, str]]:
    """(depth, name, link) of the list in <nav epub:type="toc">, or in the only one."""
    tree = parse_page(data, name="nav", xhtml=True)
    lists = tree.css("nav")
    lists = [nav for nav in lists if "toc" in (nav.attributes.get("epub:type") or "").split()] or lists[:1]
    for nav in lists:
        for link in nav.css("a"):
            yield max(1, _lists_around(link, nav)), link.text(), link.attributes.get("href") or ""


def _lists_around(node: LexborNode, root: LexborNode) -> int:
    count, above = 0, node.parent
    for _ in range(REACH):
        if above is None or above.mem_id == root.mem_id:
            break
        count += above.tag == "ol"
        above = above.parent
    return count


def _from_list(data: bytes) -> Iterator[tuple[int, str, str]]:
    """The same from the navPoints of toc.ncx, in their order, without recursion."""
    root = parse_xml(data, name="toc.ncx").find("{*}navMap")
    stack = [(0, root)] if root is not None else []
    while stack:
        depth, node = stack.pop()
        if depth:
            name, page = node.find("{*}navLabel/{*}text"), node.find("{*}content")
            if name is not None and page is not None:
                yield depth, name.text or "", page.get("src", "")
        stack.extend((depth + 1, child) for child in reversed(node.findall("{*}navPoint")))


class Chapters:
    """Gives the headings of page after page the depth that they have in the book."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._depth = self._level = 0
        """Depth in the book and level in the page of the last heading that the contents name."""

    def begin(self, page: str, text: str, headings: Sequence[Heading]) -> tuple[Entry | None, list[Heading]]:
        """The chapter's name if the page does not say it itself, and the page's headings at their depths:
        those that the contents do not name lie below the last that they do."""
        entries = self._contents.get(page, [])
        words = [_letters(text[h.start : h.end]) for h in headings]
        depths = {_letters(entry.name): entry.depth for entry in reversed(entries)}
        title, first = None, []
        if entries and (name := _letters(entries[0].name)) not in words:
            if words and _is_in(name, words[0]):
                depths[words[0]] = entries[0].depth
            else:
                self._depth = entries[0].depth
                self._level = min((h.level for h in headings), default=1) - 1
                line = text.partition("\n")[0].rstrip()
                if _letters(line) == name:  # said, and not marked as a heading
                    first = [Heading(self._depth, 0, len(line))]
                else:
                    title = entries[0]
        placed = [self._placed(h, depths.get(word)) for h, word in zip(headings, words, strict=True)]
        return title, [*first, *placed]

    def _placed(self, heading: Heading, depth: int | None) -> Heading:
        if depth is not None:
            self._depth, self._level = depth, heading.level
        level = heading.level if not self._depth else self._depth + heading.level - self._level
        return Heading(min(max(level, 1), DEEPEST), heading.start, heading.end)


def _letters(text: str) -> str:
    return NOT_LETTERS.sub("", text.casefold())


def _is_in(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= SHORTEST and short in long
