"""What lies in the current folder is data: no process of searchkit runs it or obeys it."""

from __future__ import annotations

import ast
import contextlib
import os
import pty
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from searchkit.parsers.pdf import PDFIUM, PdfParser
from tests.e2e.test_cli import SCRIPT, Shell
from tests.serving import wait_for
from tests.unit.test_pdf_parser import make_pdf

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    *("searchkit", "json", "random", "typer", "torch", "numpy", "lancedb", "sqlalchemy", "tokenizers", "PIL"),
    *(
        "pypdfium2",
        "selectolax",
        "streamlit",
        "starlette",
        "sitecustomize",
        "usercustomize",
        "app",
        "encodings",
    ),
)
"""Modules that some process of searchkit imports, or that Python imports when it starts."""
PATIENCE = 60.0


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A folder with a file for each of `NAMES` that leaves one named RAN beside it when it is run."""
    folder = tmp_path / "trap"
    folder.mkdir()
    for name in NAMES:
        code = f"open({str(folder / 'RAN')!r}, 'a').write({name!r})\nraise ImportError({name!r})\n"
        (folder / f"{name}.py").write_text(code)
    return folder


@pytest.fixture
def shell(tmp_path: Path, trap: Path) -> Shell:
    """A shell whose current folder is the trap, and a PDF and a note beside it."""
    files = tmp_path / "files"
    files.mkdir()
    (files / "storm.pdf").write_bytes(make_pdf("Row home before the storm."))
    (files / "note.html").write_text("<p>The hive is fed with sugar syrup.</p>")
    shell = Shell(tmp_path)
    shell.folder = trap
    return shell


def test_neither_a_run_nor_its_parsers_run_code_of_the_current_folder(shell: Shell, trap: Path) -> None:
    done = shell.run("index", trap.parent / "files", "--model", "hashing")
    assert (done.code, "indexed 2" in done.err) == (0, True), done.err
    assert not (trap / "RAN").exists()


def test_workers_do_not_run_code_of_the_current_folder(shell: Shell, trap: Path) -> None:
    shell.run("index", trap.parent / "files", "--model", "hashing", "--queue")
    done = shell.run("worker", "--jobs", "2", "--once")
    assert (done.code, "done 2" in done.err) == (0, True), done.err
    assert not (trap / "RAN").exists()


def test_a_parser_does_not_look_there_where_the_program_that_uses_the_library_does(
    trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`python -c` and the prompt put the current folder first on their own path."""
    pdf = trap.parent / "storm.pdf"
    pdf.write_bytes(make_pdf("Row home before the storm."))
    parser = PdfParser()
    PDFIUM.close()
    monkeypatch.chdir(trap)
    monkeypatch.setattr(sys, "path", ["", ".", *sys.path])
    try:
        assert "before the storm" in parser.parse(pdf).text
    finally:
        PDFIUM.close()
    assert not (trap / "RAN").exists()


def python_starts() -> Iterator[tuple[str, list[ast.expr]]]:
    """The place and the elements of each list that begins with the interpreter, in all of the program."""
    for part in ("searchkit", "indexers", "ui"):
        for file in sorted((ROOT / part).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable":
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node.elts


def test_every_interpreter_is_started_without_the_current_folder_on_its_path() -> None:
    starts = dict(python_starts())
    assert len(starts) >= 4
    unsafe = [place for place, words in starts.items() if ast.unparse(words[1]) != "'-P'"]
    assert unsafe == []


def test_the_interpreter_is_named_nowhere_else() -> None:
    """So that the test above sees each of them."""
    uses = sum(
        file.read_text("utf-8").count("sys.executable")
        for part in ("searchkit", "indexers", "ui")
        for file in (ROOT / part).rglob("*.py")
    )
    assert uses == len(list(python_starts()))


def test_the_page_does_not_obey_streamlits_settings_of_the_current_folder(shell: Shell, trap: Path) -> None:
    """They could name an address to fetch a theme from, and switch off what keeps other sites out."""
    pytest.importorskip("streamlit", reason="the page is an extra")
    shell.run("index", trap.parent / "files", "--model", "hashing")
    (trap / ".streamlit").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as elsewhere, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        theme = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/theme.toml"
        (trap / ".streamlit" / "config.toml").write_text(f'[theme]\nbase = "{theme}"\n')
        probe.close()
        with shell.start("ui", "--headless", "--port", str(port)) as server:
            try:
                wait_for(f"http://127.0.0.1:{port}/_stcore/health", server, patience=PATIENCE)
            finally:
                server.terminate()
        elsewhere.settimeout(0)
        with pytest.raises(BlockingIOError):
            elsewhere.accept()
    assert not (trap / "RAN").exists()


def test_the_page_shows_a_collection_named_relative_to_the_current_folder(shell: Shell, trap: Path) -> None:
    """Though its server runs elsewhere."""
    launch = pytest.importorskip("searchkit.ui.launch")
    shell.run("index", trap.parent / "files", "--model", "hashing", "-c", "./here")
    assert (trap / "here" / "collection.toml").is_file()
    code = (
        "import os, sys; from searchkit.ui import launch\n"
        "launch._command = lambda *_: [sys.executable, '-c', "
        "'import os; print(os.environ[\"SEARCHKIT_COLLECTION\"], os.getcwd())']\n"
        "sys.exit(launch.run(collection=sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, "./here"], cwd=trap, capture_output=True, text=True, timeout=100
    )
    assert done.stdout.split() == [str(trap / "here"), str(launch.PAGE.parent)], done.stderr


def drop(trap: Path) -> Path:
    """Another collection, which the settings file of the current folder names."""
    (trap / "searchkit.toml").write_text(f"k = 3\ncollection = '{trap / 'drop'}'\nmodel = 'hashing'\n")
    return trap / "drop"


def test_settings_of_the_current_folder_send_nothing_elsewhere_unsaid(shell: Shell, trap: Path) -> None:
    elsewhere = drop(trap)
    del shell.environment["SEARCHKIT_COLLECTION"]
    done = shell.run("index", trap.parent / "files", "--model", "hashing")
    assert (done.code, elsewhere.exists()) == (0, False), done.err
    said, counts = done.err.splitlines()
    assert said.startswith(f"settings are those of {trap / 'searchkit.toml'}, but for collection = ")
    assert "--settings" in said and "model" not in said and "indexed 2" in counts
    (found,) = shell.run("config", "--json").records
    values = {key: setting["value"] for key, setting in found["settings"].items()}
    assert (values["k"], values["collection"], values["model"]) == (3, None, None)


@pytest.mark.parametrize("way", ["flag", "variable"])
def test_settings_of_a_file_that_is_named_are_all_taken_by_what_it_starts_too(
    shell: Shell, trap: Path, way: str
) -> None:
    elsewhere = drop(trap)
    del shell.environment["SEARCHKIT_COLLECTION"]
    named = ["--settings", "searchkit.toml"] if way == "flag" else []
    if way == "variable":
        shell.environment["SEARCHKIT_SETTINGS"] = "searchkit.toml"
    done = shell.run(*named, "index", trap.parent / "files", "--queue")
    assert (done.code, (elsewhere / "collection.toml").exists()) == (0, True), done.err
    done = shell.run(*named, "worker", "--jobs", "2", "--once")
    assert (done.code, "done 2" in done.err, "settings are" in done.err) == (0, True, False), done.err


@pytest.mark.parametrize(("answer", "taken"), [("y\n", True), ("\n", False)])
def test_who_is_at_a_terminal_is_asked(shell: Shell, trap: Path, answer: str, taken: bool) -> None:
    elsewhere = drop(trap)
    del shell.environment["SEARCHKIT_COLLECTION"]
    parent, end = pty.openpty()
    with subprocess.Popen(
        [SCRIPT, "index", trap.parent / "files"],
        cwd=trap,
        env=shell.environment | {"SEARCHKIT_MODEL": "hashing"},
        stdin=end,
        stderr=end,
    ) as process:
        os.close(end)
        os.write(parent, answer.encode())
        said = b""
        with contextlib.suppress(OSError):  # the terminal ends with the process
            while part := os.read(parent, 4096):
                said += part
    os.close(parent)
    assert process.returncode == 0, said
    assert b"is that what you want? [y/N]" in said and b"indexed 2" in said
    assert elsewhere.exists() == taken
