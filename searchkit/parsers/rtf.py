"""RTF: the text between its control words."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from searchkit.errors import Unreadable
from searchkit.parsers.blocks import PARAGRAPH, Blocks
from searchkit.parsers.text import read_bytes
from searchkit.protocols import Parser
from searchkit.types import Document

TOKEN = re.compile(
    r"\\([a-z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|[\r\n]+|([^\\{}\r\n]+)", re.S
)
FORMATTING = """
fonttbl colortbl stylesheet info pict object themedata colorschememapping datastore latentstyles listtable
listoverridetable rsidtbl generator xmlnstbl filetbl revtbl mmathPr
"""
AROUND = "header headerl headerr headerf footer footerl footerr footerf fldinst bkmkstart bkmkend"
BLANK = " \t\n\r\v\f"
START = re.compile(r"[ \t\n\r\v\f]*\{\\rtf")
DEEPEST = 10_000
"""Groups in each other; a word processor nests some ten."""
NOT_SHOWN = frozenset(f"{FORMATTING} {AROUND}".split())
"""Groups that hold no text of the body."""
SIGNS = {
    **dict.fromkeys(("par", "sect", "page"), PARAGRAPH),
    **dict.fromkeys(("line", "row"), "\n"),
    **dict.fromkeys(("tab", "cell"), "\t"),
    **dict.fromkeys(("emspace", "enspace"), " "),
    **{"emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’"},
    **{"ldblquote": "“", "rdblquote": "”", "bullet": "•"},
}
ESCAPED = {"~": "\u00a0", "_": "-", "\\": "\\", "{": "{", "}": "}", "\n": PARAGRAPH, "\r": PARAGRAPH}


class RtfParser(Parser):
    """Paragraphs as they are written; formatting, pictures and the lists of fonts are left out."""

    name = "searchkit rtf 1"
    suffixes = frozenset({".rtf"})
    capped = True

    def parse(self, path: Path) -> Document:
        source = read_bytes(path).decode("latin-1")
        if not START.match(source):
            raise Unreadable(f"{path} is not RTF" if source.strip(BLANK) else f"{path} has no text")
        blocks = Blocks(path)
        for paragraph in _plain(source, path).split(PARAGRAPH):
            blocks.add(paragraph.strip())
        return blocks.document()


def _plain(source: str, path: Path) -> str:
    """Bytes (\\'e9) are in the code page that the file names; \\u233 is a letter, and \\uc1 says how many
    characters for older readers come after it."""
    parts: list[str] = []
    page, hidden, after, skip = "cp1252", False, 1, 0
    groups: list[tuple[bool, int]] = []
    for match in TOKEN.finditer(source):
        word, number, code, escaped, brace, text = match.groups()
        if brace == "{":
            groups.append((hidden, after))
            if len(groups) > DEEPEST:
                raise Unreadable(f"{path} nests more than {DEEPEST:,} groups")
        elif brace:
            hidden, after = groups.pop() if groups else (hidden, after)
            skip = 0
        elif word in NOT_SHOWN or escaped == "*":
            hidden = True
        elif word == "ansicpg" and number:
            page = _known(f"cp{number}")
        elif word == "uc" and number:
            after = max(int(number), 0)
        elif hidden:
            continue
        elif word == "u" and number:
            parts.append(chr(int(number) % 0x10000))
            skip = after
        elif skip and (code or text or escaped):
            kept = text[skip:] if text else ""
            skip = max(skip - len(text or "x"), 0)
            parts.append(kept)
        elif word:
            parts.append(SIGNS.get(word, ""))
        elif code:
            parts.append(bytes([int(code, 16)]).decode(page, "replace"))
        else:
            parts.append(ESCAPED.get(escaped or "", "") or text or "")
    # letters beyond the first 65,536 are written as two halves
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _known(page: str) -> str:
    try:
        return codecs.lookup(page).name
    except LookupError:
        return "cp1252"
