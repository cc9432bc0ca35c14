"""Every kind of document through the real command: indexed, and found by what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from typer.testing import CliRunner

from searchkit.cli.main import app
from searchkit.collection import Collection
from searchkit.registry import PARSERS, parser_for
from tests.documents import PDF, make_epub, make_odf, saved

SCRIPT = Path(sys.executable).with_name("searchkit")


def make_docx(words: str) -> bytes:
    document = docx.Document()
    document.add_paragraph(words)
    return saved(document.save)


def make_pptx(words: str) -> bytes:
    deck = pptx.Presentation()
    for title in ("opening slide", words):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = title
    return saved(deck.save)


def make_xlsx(words: str) -> bytes:
    book = openpyxl.Workbook()
    for row in (["bird", "habit"], ["gannet", words]):
        book.active.append(row)
    return saved(book.save)


SAYS = {
    "letter.docx": "walnut furniture restored by hand",
    "talk.pptx": "volcanoes beneath the icelandic glacier",
    "list.xlsx": "plunges headlong after herring",
    "book.epub": "a submarine crossing under polar ice",
    "minutes.odt": "the harbour council rejects the toll",
    "mail.eml": "invoice for the broken piano strings",
    "note.rtf": "saffron risotto with toasted almonds",
    "rows.csv": "migrating cranes counted at dawn",
    "plan.ipynb": "regression of rainfall on altitude",
    "tool.py": "def tune_violin(): return cello",
    "report.pdf": "quarterly turbine maintenance",
    "page.html": "knitting patterns for fishermen",
    "read.md": "beehive inspection every fortnight",
    "plain.txt": "the bicycle race over cobblestones",
    "older.doc": "velvet curtains in the theatre",
}


def content(name: str, words: str) -> bytes:
    """A file of the kind that its name says; the last one is a page that a program named .doc."""
    match name.rpartition(".")[2]:
        case "docx":
            return make_docx(words)
        case "pptx":
            return make_pptx(words)
        case "xlsx":
            return make_xlsx(words)
        case "epub":
            return make_epub({"one.xhtml": f"<p>{words}</p>"})
        case "odt":
            return make_odf(f"<text:p>{words}</text:p>")
        case "eml":
            return f"Subject: music\nFrom: a@example.org\n\n{words}\n".encode()
        case "rtf":
            return rb"{\rtf1 " + words.encode() + rb"\par}"
        case "csv":
            return f"place,what\nmarsh,{words}\n".encode()
        case "ipynb":
            return json.dumps({"cells": [{"cell_type": "markdown", "source": [words]}]}).encode()
        case "pdf":
            return PDF.replace(b"and its keeper", words.encode())
        case "html" | "doc":
            return f"<html><body><p>{words}</p></body></html>".encode()
    return words.encode()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one file of each kind and some that nobody can read, indexed."""
    folder = tmp_path_factory.mktemp("formats")
    (folder / "files").mkdir()
    for name, words in SAYS.items():
        (folder / "files" / name).write_bytes(content(name, words))
    (folder / "files" / "renamed.zip").write_bytes(make_docx("a document that calls itself an archive"))
    (folder / "files" / "scan.pdf").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (folder / "files" / "ancient.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))
    done = run(folder, "index", str(folder / "files"), "--model", "hashing", "--json")
    assert done.returncode == 3, done.stderr  # some failed
    assert json.loads(done.stdout.splitlines()[-1])["indexed"] == len(SAYS)
    return folder


def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SEARCHKIT_")}
    environment |= dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder / "home"))
    environment["SEARCHKIT_COLLECTION"] = str(folder / "library")
    return subprocess.run(
        [SCRIPT, *args], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )


def test_there_is_a_file_for_every_parser() -> None:
    read = {type(parser_for(Path(name).suffix)) for name in SAYS}
    assert {kind.__name__ for kind in read} == {name for _, name, _ in PARSERS}


@pytest.mark.parametrize("name", SAYS)
def test_a_search_finds_it_by_what_it_says(name: str, library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEARCHKIT_COLLECTION", str(library / "library"))
    found = CliRunner().invoke(app, ["search", SAYS[name], "--json", "-k", "1"])
    hit = json.loads(found.stdout)
    assert Path(hit["path"]).name == name
    assert SAYS[name].split()[-1] in hit["text"]


def test_what_cannot_be_read_says_why_and_what_is_no_document_is_left_alone(library: Path) -> None:
    failures = {line["path"].rpartition("/")[2]: line["reason"] for line in failed(library)}
    assert failures.keys() == {"scan.pdf", "ancient.xls"}
    assert "named .pdf but holds a PNG picture" in failures["scan.pdf"]
    assert "save it as .xlsx" in failures["ancient.xls"]
    listed = run(library, "ls")
    assert "letter.docx" in listed.stdout and "renamed.zip" not in listed.stdout


def failed(folder: Path) -> list[dict[str, str]]:
    with Collection.open(folder / "library") as collection:
        return [{"path": failure.path, "reason": failure.reason} for failure in collection.failures()]
