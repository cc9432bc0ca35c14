"""EPUB: the pages of the book in the order in which it is read."""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from selectolax.lexbor import LexborHTMLParser

from searchkit.errors import Unreadable
from searchkit.parsers.archive import checked, parse_xml
from searchkit.parsers.blocks import Blocks
from searchkit.parsers.contents import Chapters, contents, resolved
from searchkit.parsers.html import HtmlParser, parse_page, visible
from searchkit.protocols import Parser
from searchkit.types import Document, Embedded

CONTAINER = "META-INF/container.xml"
PAGES = ("application/xhtml+xml", "text/html", "text/x-oeb1-document")


class EpubParser(Parser):
    """Chapters one below the other, each under its name in the table of contents, at its depth there. A book
    has no pages before it is laid out."""

    name = HtmlParser.name
    suffixes = frozenset({".epub"})
    capped = True

    def parse(self, path: Path) -> Document:
        blocks = Blocks(path)
        with checked(path) as file, zipfile.ZipFile(file) as archive:
            package, folder = _package(archive, path)
            chapters = Chapters(contents(archive, package, folder))
            for page, tree in _pages(archive, package, folder, path):
                text, found = visible(tree.root) if tree.root else ("", ())
                if not text:
                    continue
                chapter, headings = chapters.begin(page, text, found)
                if chapter is not None:
                    blocks.heading(chapter.name, chapter.depth)
                blocks.add(text, headings=headings)
            title = next((node.text for node in package.iterfind(".//{*}title") if node.text), None)
        return blocks.document(title=title)

    def pictures(self, path: Path) -> Iterator[Embedded]:
        with checked(path) as file, zipfile.ZipFile(file) as archive:
            seen, inside = set(), set(archive.namelist())
            package, folder = _package(archive, path)
            for page, tree in _pages(archive, package, folder, path):
                for node in tree.css("img, image"):
                    link = node.attributes.get("src") or node.attributes.get("xlink:href") or ""
                    name = resolved(posixpath.dirname(page), link)
                    if name in inside and name not in seen:
                        seen.add(name)
                        yield Embedded(archive.read(name))


def _package(archive: zipfile.ZipFile, path: Path) -> tuple[Element, str]:
    """The file that lists the others, and the folder that their names start from. Raises `Unreadable`."""
    if CONTAINER not in archive.namelist():
        raise Unreadable(f"{path} is not an EPUB: {CONTAINER} is missing")
    if "META-INF/rights.xml" in archive.namelist():
        raise Unreadable(f"{path} is locked by its seller (DRM)")
    root = parse_xml(archive.read(CONTAINER), name=str(path)).find(".//{*}rootfile")
    name = unquote(root.get("full-path", "")) if root is not None else ""
    if name not in archive.namelist():
        raise Unreadable(f"{path} is damaged: {name or 'its list of pages'} is missing")
    return parse_xml(archive.read(name), name=str(path)), posixpath.dirname(name)


def _pages(
    archive: zipfile.ZipFile, package: Element, folder: str, path: Path
) -> Iterator[tuple[str, LexborHTMLParser]]:
    """The pages of the spine, each once; those that the archive does not hold are passed over."""
    manifest = {item.get("id"): item for item in package.iterfind(".//{*}item")}
    inside, seen = set(archive.namelist()), set()
    for reference in package.iterfind(".//{*}itemref"):
        item = manifest.get(reference.get("idref"))
        if item is None or item.get("media-type") not in PAGES:
            continue
        name = resolved(folder, item.get("href", ""))
        if name in inside and name not in seen:
            seen.add(name)
            data = archive.read(name)
            if data.strip():
                yield name, parse_page(data, name=f"{path}: {name}", xhtml=True)
