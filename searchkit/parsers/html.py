"""HTML: the text that a browser would show, line by line."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from searchkit.errors import NoText
from searchkit.parsers.text import BOMS, decode, read_bytes
from searchkit.protocols import Parser
from searchkit.types import Document

NOT_SHOWN = "head script style nav template noscript noframes iframe audio video canvas datalist rp"
DROPPED = frozenset(NOT_SHOWN.split())
"""Not shown, or shown on every page of a site, or only where a browser cannot do better."""

LINES = "html body div li ul ol dl dt dd tr caption thead tbody tfoot figcaption legend summary option"
PARAGRAPHS = (
    "p h1 h2 h3 h4 h5 h6 pre blockquote table section article header footer main aside figure hr form "
    "fieldset details address"
)
BREAKS = dict.fromkeys(LINES.split(), 1) | dict.fromkeys(PARAGRAPHS.split(), 2)
"""Line ends around an element: some stand on lines of their own, some have an empty line around them too."""

SPACES = re.compile(r"[ \t\n\f\r]+")
"""What HTML collapses; a no-break space is not among them."""

DECLARED = re.compile(rb"<meta[^>]*charset", re.IGNORECASE)
DECLARED_WITHIN = 1024
"""Bytes: where the HTML standard stops looking for the encoding."""

SELF_CLOSED = re.compile(rb"<(script|style|title|template|noscript|iframe|textarea)\b([^<>]*)/>")
"""Empty elements as XHTML writes them; read as HTML, they would swallow the rest of the page."""


class HtmlParser(Parser):
    """`Document.text` is what the page shows: blocks on lines of their own, white space collapsed."""

    name = f"selectolax {importlib.metadata.version('selectolax')}"
    suffixes = frozenset({".html", ".htm", ".xhtml"})

    def parse(self, path: Path) -> Document:
        data = read_bytes(path)
        if path.suffix.lower() == ".xhtml" or data.lstrip().startswith(b"<?xml"):
            data = SELF_CLOSED.sub(rb"<\1\2></\1>", data)
        tree = _tree(data, name=str(path))
        text = visible_text(tree.root) if tree.root else ""
        if not text:
            raise NoText(f"{path} has no text")
        return Document(text, title=_title(tree))


def _tree(data: bytes, *, name: str) -> LexborHTMLParser:
    """A declared encoding is the library's to follow; without one the page is read as any text is."""
    marked = any(data.startswith(mark) for mark, _ in BOMS)
    if not marked and DECLARED.search(data[:DECLARED_WITHIN]):
        return LexborHTMLParser(data, encoding=True)
    return LexborHTMLParser(decode(data, name=name))


def _title(tree: LexborHTMLParser) -> str | None:
    for node in (tree.css_first("head > title"), tree.css_first("h1")):
        if node is not None and (title := " ".join(node.text().split())):
            return title
    return None


def visible_text(root: LexborNode) -> str:
    """The text under `root` in reading order; empty if there is none."""
    page = _Page()
    preformatted = 0
    for node, entering in _walk(root):
        tag = node.tag or ""
        if node.is_text_node:
            show = page.verbatim if preformatted else page.flow
            show((node.text_content or "").replace("\u00ad", ""))  # soft hyphens are not seen
        elif tag == "br" and entering:
            page.line_break()
        elif tag in BREAKS:
            page.border(BREAKS[tag])
        elif tag in ("td", "th") and not entering:
            page.tab()
        if tag == "pre":
            preformatted += 1 if entering else -1
    return page.text()


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Every node that is shown, entering (True), and elements once more, leaving (False), in reading order.

    No recursion: pages nest deep.
    """
    stack = [(root, True)]
    while stack:
        node, entering = stack.pop()
        if entering and node.is_element_node:
            if node.tag in DROPPED or "hidden" in node.attributes:
                continue
            stack.append((node, False))
            child = node.last_child
            while child is not None:
                stack.append((child, True))
                child = child.prev
        yield node, entering


class _Page:
    """Text so far, and the white space that is due before the next word: the widest wish wins."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._breaks = 0
        self._gap = ""

    def flow(self, text: str) -> None:
        """Running text: white space collapses, also across the borders of inline elements."""
        collapsed = SPACES.sub(" ", text)
        if collapsed.startswith(" "):
            self._gap = self._gap or " "
        if words := collapsed.strip(" "):
            self.verbatim(words)
            self._gap = " " if collapsed.endswith(" ") else ""

    def verbatim(self, text: str) -> None:
        """Text whose white space is kept, after what is due before it."""
        if self._parts:
            self._parts.append("\n" * self._breaks or self._gap)
        self._parts.append(text)
        self._breaks, self._gap = 0, ""

    def border(self, breaks: int) -> None:
        self._breaks = max(self._breaks, breaks)

    def line_break(self) -> None:
        self._breaks = min(self._breaks + 1, 2)

    def tab(self) -> None:
        self._gap = "\t"

    def text(self) -> str:
        return "".join(self._parts).strip()
