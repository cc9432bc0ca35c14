"""HTML: the text that a browser would show, line by line."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

from searchkit.errors import NoText
from searchkit.parsers.nesting import refuse_deep
from searchkit.parsers.text import BOMS, decode, read_bytes
from searchkit.protocols import Parser
from searchkit.types import Document, Heading

NOT_SHOWN = "head script style nav template noscript noframes iframe audio video canvas datalist rp"
DROPPED = frozenset(NOT_SHOWN.split())
"""Not shown, or shown on every page of a site, or only where a browser cannot do better."""

LINES = "html body div li ul ol dl dt dd tr caption thead tbody tfoot figcaption legend summary option"
PARAGRAPHS = (
    "p h1 h2 h3 h4 h5 h6 pre blockquote table section article header footer main aside figure hr form "
    "fieldset details address"
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
BREAKS = dict.fromkeys(LINES.split(), 1) | dict.fromkeys(PARAGRAPHS.split(), 2)
"""Line ends around an element: some stand on lines of their own, some have an empty line around them too."""

AROUND = frozenset({"navigation", "contentinfo", "search", "menu", "menubar", "toolbar"})
"""Roles of what stands around a page's own text; a banner too, unless it holds the page's first heading."""
NOTICE_NAME = re.compile(r"[-_a-z]+(?:.|$)", re.DOTALL)
ABOUT = re.compile(r"cookie|consent|gdpr")
NOTICE = re.compile(r"(?:banner|notice|bar|popup|modal|overlay|dialog|wall)\b")
NOTICE_LENGTH = 2000
"""Characters; what is longer is about cookies, not a question about them."""

SPACES = re.compile(r"[ \t\n\f\r]+")
"""What HTML collapses; a no-break space is not among them."""

DECLARED = re.compile(rb"<meta[^>]*charset", re.IGNORECASE)
DECLARED_WITHIN = 1024
"""Bytes: where the HTML standard stops looking for the encoding."""

SELF_CLOSED = re.compile(rb"<(script|style|title|template|noscript|iframe|textarea)\b([^<>]*)/>")
"""Empty elements as XHTML writes them; read as HTML, they would swallow the rest of the page."""


class HtmlParser(Parser):
    """`Document.text` is what the page shows: blocks on lines of their own, white space collapsed; without
    what stands around the text on every page of a site, unless nothing else is there."""

    name = f"selectolax {importlib.metadata.version('selectolax')}"
    suffixes = frozenset({".html", ".htm", ".xhtml"})
    capped = True

    def parse(self, path: Path) -> Document:
        data = read_bytes(path)
        tree = parse_page(data, name=str(path), xhtml=path.suffix.lower() == ".xhtml")
        text, headings = visible(tree.root) if tree.root else ("", ())
        if not text:
            raise NoText(f"{path} has no text")
        return Document(text, title=_title(tree), headings=headings)


def parse_page(data: bytes, *, name: str, xhtml: bool = False) -> LexborHTMLParser:
    """A declared encoding is the library's to follow; without one the page is read as any text is.

    Raises `Unreadable` for what is no text, and for what would take the library minutes.
    """
    if xhtml or data.lstrip().startswith(b"<?xml"):
        data = SELF_CLOSED.sub(rb"<\1\2></\1>", data)
    refuse_deep(data, name=name)
    marked = any(data.startswith(mark) for mark, _ in BOMS)
    if not marked and DECLARED.search(data[:DECLARED_WITHIN]):
        return LexborHTMLParser(data, encoding=True)
    return LexborHTMLParser(decode(data, name=name))


def _title(tree: LexborHTMLParser) -> str | None:
    for node in (tree.css_first("head > title"), tree.css_first("h1")):
        if node is not None and (title := " ".join(node.text().split())):
            return title
    return None


def visible(root: LexborNode) -> tuple[str, tuple[Heading, ...]]:
    """The text under `root` in reading order, empty if there is none, and the headings in it."""
    page = _shown(root, around=False)
    return page if page[0] else _shown(root, around=True)


def _shown(root: LexborNode, *, around: bool) -> tuple[str, tuple[Heading, ...]]:
    page = _Page()
    preformatted = 0
    for node, entering in _walk(root, around=around):
        tag = node.tag or ""
        if node.is_text_node:
            show = page.verbatim if preformatted else page.flow
            show((node.text_content or "").replace("\u00ad", ""))  # soft hyphens are not seen
        elif tag == "br" and entering:
            page.line_break()
        elif tag in BREAKS:
            page.border(BREAKS[tag])
            if tag in HEADINGS:
                page.heading(HEADINGS[tag], entering)
        elif tag in ("td", "th") and not entering:
            page.tab()
        if tag == "pre":
            preformatted += 1 if entering else -1
    return page.result()


def _walk(root: LexborNode, *, around: bool) -> Iterator[tuple[LexborNode, bool]]:
    """Every node that is shown, entering (True), and elements once more, leaving (False), in reading order.

    No recursion: pages nest deep.
    """
    stack = [(root, True)]
    while stack:
        node, entering = stack.pop()
        if entering and node.is_element_node:
            if node.tag in DROPPED or "hidden" in node.attributes or not (around or _is_own(node)):
                continue
            stack.append((node, False))
            child = node.last_child
            while child is not None:
                stack.append((child, True))
                child = child.prev
        yield node, entering


def _is_own(node: LexborNode) -> bool:
    """Whether an element may belong to the page's own text."""
    attributes = node.attributes
    role = (attributes.get("role") or "").lower()
    if role in AROUND:
        return False
    if role == "banner":
        return node.css_first("h1") is not None
    names = f"{attributes.get('id') or ''} {attributes.get('class') or ''}".lower()
    if _is_notice(names):
        return node.css_first("article, main, h1") is not None or len(node.text()) > NOTICE_LENGTH
    return True


def _is_notice(names: str) -> bool:
    """Whether one of an element's names says "cookie" and later "banner", or the like. In steps, since one
    expression for both would look at the rest of a name from each of its cookies."""
    for name in NOTICE_NAME.findall(names):
        about = ABOUT.search(name)
        if about and NOTICE.search(name, about.end()):
            return True
    return False


class _Page:
    """Text so far, and the white space that is due before the next word: the widest wish wins."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._breaks = 0
        self._gap = ""
        self._open: list[tuple[int, int]] = []
        """Level, and length of the text before: of the headings that we are in."""
        self._headings: list[Heading] = []

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
            self._add("\n" * self._breaks or self._gap)
        self._add(text)
        self._breaks, self._gap = 0, ""

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._length += len(text)

    def border(self, breaks: int) -> None:
        self._breaks = max(self._breaks, breaks)

    def line_break(self) -> None:
        self._breaks = min(self._breaks + 1, 2)

    def tab(self) -> None:
        self._gap = "\t"

    def heading(self, level: int, entering: bool) -> None:
        """Its borders; one in another, which only broken pages have, is part of the outer."""
        if entering:
            self._open.append((level, self._length))
            return
        level, start = self._open.pop()
        if not self._open:
            self._headings.append(Heading(level, start, self._length))

    def result(self) -> tuple[str, tuple[Heading, ...]]:
        whole = "".join(self._parts)
        text = whole.strip()
        return text, tuple(self._trimmed(whole, len(whole) - len(whole.lstrip())))

    def _trimmed(self, whole: str, cut: int) -> Iterator[Heading]:
        """Headings without the white space around them, `cut` characters further to the front."""
        for heading in self._headings:
            words = whole[heading.start : heading.end]
            if words.strip():
                start = heading.end - len(words.lstrip())
                yield Heading(heading.level, start - cut, start - cut + len(words.strip()))
