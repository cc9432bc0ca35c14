"""The commands and the Python examples of the docs, run as they stand there in a home of their own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from searchkit.cli.main import app

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
GUIDES = [ROOT / "docs" / f"{name}.md" for name in ("photos", "documents", "pipelines", "operations")]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LASTING = re.compile(r"searchkit (ui|watch|status --watch|worker --jobs)\b|postgresql://")
"""Commands that run until somebody stops them, or want a server."""
NOTHING_FOUND = 1


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in FENCED.findall(page.read_text()) if kind == language]


def commands(page: Path) -> list[str]:
    """Return the lines of a page's fenced blocks that call searchkit, without their comments."""
    lines = [line for block in blocks(page, "") for line in block.splitlines()]
    return [re.sub(r"\s+# .*", "", line).strip() for line in lines if line.startswith("searchkit ")]


def here(page: Path) -> list[str]:
    return [line for line in commands(page) if not LASTING.search(line)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a home with a few pictures and papers in the folders that the docs name."""
    home = tmp_path_factory.mktemp("home")
    for names in (("Pictures", "Papers"), ("photos", "papers")):
        pictures, papers = (home / name for name in names)
        pictures.mkdir()
        for picture in sorted((ROOT / "data" / "album").glob("scene-00*")):
            shutil.copy(picture, pictures)
        shutil.copytree(ROOT / "data" / "papers", papers)
    shutil.copy(ROOT / "data" / "album" / "scene-022.gif", home / "Pictures" / "cat.gif")
    shutil.copy(ROOT / "data" / "album" / "scene-058.jpg", home / "Pictures" / "cat.jpg")
    (home / "Pictures" / "old").mkdir()
    shutil.copy(ROOT / "data" / "album" / "scene-060.png", home / "Pictures" / "old")
    return home


def run(home: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "PATH": path}
    environment |= {"HF_HUB_OFFLINE": "1", "XDG_CONFIG_HOME": str(home / "config")}
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_of_the_docs_has_the_options_that_it_is_given(page: Path) -> None:
    known = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for line in commands(page):
        words = shlex.split(line.split(" | ")[0].split(" && ")[0].split(" || ")[0])
        parameters = known[words[1]].params
        names = {name for parameter in parameters for name in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in words[2:] if re.match(r"--?[a-z0]", word)}
        assert given <= names, line


def test_the_commands_of_the_readme_run(home: Path) -> None:
    assert len(here(README)) == 4
    for line in here(README):
        done = run(home, "bash", "-c", line)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_the_python_example_of_the_readme_runs(home: Path) -> None:
    (example,) = blocks(README, "python")
    done = run(home, sys.executable, "-W", "error::DeprecationWarning", "-c", example)
    assert done.returncode == 0, done.stderr
    assert "scene-00" in done.stdout and "papers/" in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_commands_of_a_guide_run(home: Path, page: Path, tmp_path: Path) -> None:
    place = tmp_path / "home"
    shutil.copytree(home, place)
    for line in ["searchkit index ~/Pictures ~/Papers", *here(page)]:
        done = run(place, "bash", "-c", line)
        searches = re.match(r"searchkit (search|similar)", line)
        assert done.returncode in ((0, NOTHING_FOUND) if searches else (0,)), f"{line}\n{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_python_examples_of_a_guide_run(home: Path, page: Path) -> None:
    for example in blocks(page, "python"):
        done = run(home, sys.executable, "-W", "error::DeprecationWarning", "-c", example)
        assert done.returncode == 0, done.stderr
