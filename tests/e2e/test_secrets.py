"""What is secret is not printed, and the address of a catalog counts wherever it is given."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_cli import SCRIPT, Shell

SECRET = "XYZZYPLUGH"
NOWHERE = f"postgresql://bob:{SECRET}@127.0.0.1:1/db"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "note.txt").write_text("The hive is fed with sugar syrup.\n")
    return Shell(tmp_path)


@pytest.mark.parametrize("way", ["flag", "variable"])
@pytest.mark.parametrize(
    ("address", "said"),
    [
        (NOWHERE, "the catalog at postgresql"),
        (f"mysql://bob:{SECRET}@127.0.0.1:1/db", "'mysql' cannot be used"),
        (f"postgres ql//bob:{SECRET}@h/db", "cannot be read"),
        (f"postgresql://bob:{SECRET}@h:port/db", "cannot be read"),
        (f"host=h password={SECRET}", "cannot be read"),
    ],
)
def test_a_catalog_that_cannot_be_used_is_an_error_without_its_password_and_no_file_takes_its_place(
    shell: Shell, way: str, address: str, said: str
) -> None:
    flag = ["--catalog", address] if way == "flag" else []
    variable = {"SEARCHKIT_CATALOG": address} if way == "variable" else {}
    done = shell.run("index", "note.txt", "--model", "hashing", *flag, env=variable)
    assert done.code == 2 and said in done.err
    assert SECRET not in done.err and SECRET.encode() not in done.out
    assert not (shell.folder / "library" / "catalog.sqlite").exists()
    assert ("who lists processes" in done.err) == (way == "flag")


def test_the_catalog_of_a_new_collection_is_where_the_option_says(shell: Shell, postgres: Any) -> None:
    address = postgres.database()
    done = shell.run("index", "note.txt", "--model", "hashing", "--catalog", address)
    assert (done.code, "indexed 1" in done.err) == (0, True), done.err
    assert address in (shell.folder / "library" / "collection.toml").read_text()
    assert not (shell.folder / "library" / "catalog.sqlite").exists()
    done = shell.run("index", "--catalog", "postgresql://127.0.0.1/other")
    assert done.code == 2 and "another catalog" in done.err


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_the_settings_are_printed_without_the_password(shell: Shell, form: tuple[str, ...]) -> None:
    done = shell.run("config", *form, env={"SEARCHKIT_CATALOG": NOWHERE})
    assert done.code == 0
    assert b"postgresql://bob:***@127.0.0.1:1/db" in done.out
    assert SECRET.encode() not in done.out


@pytest.mark.parametrize("way", ["file", "standard input", "variable"])
def test_the_token_is_read_from_where_no_list_of_processes_shows_it(shell: Shell, way: str) -> None:
    """Each is told by what is said of a token that is too short."""
    pytest.importorskip("streamlit", reason="the page is an extra")
    (shell.folder / "token").write_text("short\n")
    options = {"file": ["--token-file", "token"], "standard input": ["--token-file", "-"], "variable": []}[
        way
    ]
    process = subprocess.run(
        [SCRIPT, "ui", "--headless", *options],
        cwd=shell.folder,
        env=shell.environment | ({"SEARCHKIT_UI_TOKEN": "short"} if way == "variable" else {}),
        input="short\n",
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert process.returncode == 2
    assert process.stderr.startswith("searchkit: the token is shorter than 16 characters\n")


def test_a_token_on_the_command_line_is_warned_of(shell: Shell) -> None:
    pytest.importorskip("streamlit", reason="the page is an extra")
    done = shell.run("ui", "--headless", "--token", "short")
    warning, error, _hint = done.err.splitlines()
    assert done.code == 2 and "--token-file keeps it out" in warning and "the token is shorter" in error
    assert "short" not in warning


@pytest.mark.parametrize("content", [None, b"", b"\n0123456789abcdef0\n", b"\xff\xfe\n"])
def test_a_token_file_without_a_token_is_refused(shell: Shell, content: bytes | None) -> None:
    if content is not None:
        (shell.folder / "token").write_bytes(content)
    done = shell.run("ui", "--headless", "--token-file", "token", "--port", "1")
    assert done.code == 2 and " token" in done.err.splitlines()[0]
    assert shell.run("ui", "--token", "x" * 20, "--token-file", "token").code == 2
