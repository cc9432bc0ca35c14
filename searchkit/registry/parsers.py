"""Parsers by suffix and by content: the one table of the formats that documents come in."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from searchkit.parsers.suffixes import CODE

if TYPE_CHECKING:
    from searchkit.protocols import Parser

OFFICE_WORD = (".docx", ".docm", ".dotx", ".dotm", ".doc")
OFFICE_SLIDES = (".pptx", ".pptm", ".ppsx", ".potx", ".ppt")
OFFICE_SHEETS = (".xlsx", ".xlsm", ".xltx", ".xltm", ".xls")
OPEN_DOCUMENT = (".odt", ".ott", ".odp", ".otp", ".ods", ".ots")
PARSERS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("searchkit.parsers.text", "TextParser", (".txt", ".text", ".log", ".rst")),
    ("searchkit.parsers.markdown", "MarkdownParser", (".md", ".markdown")),
    ("searchkit.parsers.html", "HtmlParser", (".html", ".htm", ".xhtml")),
    ("searchkit.parsers.pdf", "PdfParser", (".pdf",)),
    ("searchkit.parsers.docx", "DocxParser", OFFICE_WORD),
    ("searchkit.parsers.pptx", "PptxParser", OFFICE_SLIDES),
    ("searchkit.parsers.xlsx", "XlsxParser", OFFICE_SHEETS),
    ("searchkit.parsers.odf", "OdfParser", OPEN_DOCUMENT),
    ("searchkit.parsers.epub", "EpubParser", (".epub",)),
    ("searchkit.parsers.rtf", "RtfParser", (".rtf",)),
    ("searchkit.parsers.mail", "MailParser", (".eml",)),
    ("searchkit.parsers.table", "TableParser", (".csv", ".tsv", ".tab")),
    ("searchkit.parsers.notebook", "NotebookParser", (".ipynb",)),
    ("searchkit.parsers.code", "CodeParser", CODE),
)
"""A suffix says that a file is looked at; its content says which parser reads it, `parser_of`."""

BINARY = frozenset((*OFFICE_WORD, *OFFICE_SLIDES, *OFFICE_SHEETS, *OPEN_DOCUMENT, ".pdf", ".epub"))


@cache
def parser_for(suffix: str) -> Parser | None:
    """The parser of a lower-case suffix with its dot; None where no parser takes it."""
    for module, name, suffixes in PARSERS:
        if suffix in suffixes:
            parser: Parser = getattr(import_module(module), name)()
            return parser
    return None


def parser_of(path: Path) -> Parser | None:
    """The parser of what a file holds, where its suffix is one that parsers take; else None.

    Raises `Unreadable` for content that no parser reads, naming both.
    """
    from searchkit.parsers.sniff import held

    suffix = path.suffix.lower()
    parser = parser_for(suffix)
    return parser and (parser_for(held(path, binary=suffix in BINARY) or suffix) or parser)


DOCUMENT_SUFFIXES = frozenset(suffix for _, _, suffixes in PARSERS for suffix in suffixes)
