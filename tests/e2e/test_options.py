"""Every option of every command has an effect, or is on a list that only shrinks."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner

from searchkit.cli.main import app

TESTS = Path(__file__).resolve().parents[1]
MINUTES = re.compile(r"\d+\.\d+ s\b")
"""What differs between two runs of the same command."""

EFFECTS = (
    ("search 'retry policy'", "--plus bread"),
    ("search 'retry policy'", "--not retry"),
    ("search 'retry policy'", "--not-image files/red.png"),
    ("search 'retry policy' -k 99", "--collapse none"),
    ("search 'retry policy' -k 99", "--group document"),
    ("search 'retry policy'", "--since 2030-01-01"),
    ("search 'retry policy'", "--until 2001-01-01"),
    ("search 'retry policy'", "-c pocket"),
    ("similar files/red.png", "-k 1"),
    ("label --labels red,blue", "-q"),
    ("rm files/copy.txt", "-q"),
    ("search 'retry policy' -c pocket", "--device mps"),
    ("search 'retry policy' -c pocket --json", "--dtype bfloat16"),
    ("similar files/red.png --kind passage -c pocket --json", "--dtype bfloat16"),
    ("similar files/red.png", "-c pocket"),
    ("similar files/red.png --kind passage -c pocket", "--device mps"),
    ("similar files/red.png --kind image -c pocket", "-q"),
    ("label --labels red,blue", "-c pocket"),
    ("label --labels red,blue -c pictures", "--device mps"),
    ("label --labels red,blue -c pictures --json", "--dtype bfloat16"),
    ("ls", "-c pocket"),
    ("ls files/a", "-q"),
    ("doctor", "-q"),
    ("rm files/red.png", "-c pocket"),
    ("worker --once", "-c pocket"),
    ("worker --once", "-q"),
    ("worker --once -q", "-v"),
    ("worker --once", "--memory 1"),
    ("worker --once -c pictures", "--device mps"),
    ("index files/a", "--include *.txt"),
    ("index files/broken -q", "-v"),
    ("index files/bread.txt --language german", "--language nothing"),
    ("index files/a --ocr-languages nothing --ocr", "--no-ocr"),
)
"""A command line, and an option that changes what it prints, how it ends, or what is indexed."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures and texts, one twice and one broken; collections of all of it, of one text by pocket, and of
    a picture by pocket with a note queued."""
    folder = tmp_path_factory.mktemp("options") / "now"
    files = folder / "files"
    (files / "a").mkdir(parents=True)
    (files / "broken").mkdir()
    for name, colour in (("red", (250, 5, 5)), ("blue", (5, 5, 250))):
        Image.fromarray(np.full((24, 16, 3), colour, np.uint8)).save(files / f"{name}.png")
    (files / "retry.txt").write_text("The retry policy doubles the delay after every failed request.\n" * 99)
    (files / "copy.txt").write_text((files / "retry.txt").read_text())
    os.utime(files / "copy.txt", (1e9, 1e9))
    (files / "bread.txt").write_text("Knead the dough, let it rise, and bake the bread.\n")
    (files / "broken" / "x.jpg").write_bytes(b"not a picture")
    (files / "a" / "new.md").write_text("# News\n")
    with pytest.MonkeyPatch.context() as patch:
        live_in(folder, patch)
        run("index files/red.png --model hashing")
        run("index files --exclude a")
        run("index files --queue --exclude copy.txt")
        run("index files/bread.txt --model pocket -c pocket")
        run("index files/red.png --model pocket -c pictures")
        run("index files/a --queue -c pictures")
    shutil.copytree(folder, folder.with_name("kept"))
    return folder


def live_in(folder: Path, patch: pytest.MonkeyPatch) -> None:
    patch.chdir(folder)
    patch.setenv("SEARCHKIT_COLLECTION", str(folder / "library"))
    patch.setenv("XDG_DATA_HOME", str(folder / "data"))
    patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))


def run(line: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, without the time that it took."""
    done = CliRunner().invoke(app, shlex.split(line))
    said = done.stderr
    if isinstance(done.exception, Exception) and not isinstance(done.exception, SystemExit):
        said += f"{type(done.exception).__name__}: {done.exception}"
    return done.exit_code, done.stdout, MINUTES.sub("", said)


@pytest.mark.slow
@pytest.mark.parametrize(("line", "option"), EFFECTS, ids=lambda value: value)
def test_an_option_changes_what_a_command_does(
    line: str, option: str, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome(words: str) -> tuple[object, ...]:
        monkeypatch.chdir(made.parent)
        shutil.rmtree(made)
        shutil.copytree(made.with_name("kept"), made)
        live_in(made, monkeypatch)
        return run(words), run("ls"), run("status")

    without = outcome(line)
    assert outcome(line) == without, "the command by itself does not do the same twice"
    assert outcome(f"{line} {option}") != without


COMMANDS = frozenset(get_command(app).commands)  # type: ignore[attr-defined]
NOT_NAMED = frozenset(
    f"{command} {option}"
    for command, options in {
        "index": "--retry-failed --dtype",
        "search": "--sort",
        "similar": "--offline",
        "label": "--offline",
        "doctor": "--collection",
        "watch": "--poll --verbose",
        "worker": "--lease --dtype --offline",
        "spaces": "--quiet",
        "ui": "--host",
        "models": "--quiet",
        "evaluate": "--split --chunking --chunk-tokens --chunk-overlap --fusion --hybrid --source "
        "--first-name --held-out --device --dtype --offline --accept-licence --quiet --verbose",
        "adapt": "--replay --ratings --force --seed --dtype --offline",
        "bench": "--batch-size --threads --device --dtype --offline --accept-licence --quiet",
        "train": "--work --device --processes",
        "reinforce": "--recipe --out --threads --offline --accept-licence --quiet",
        "export": "--dtype --json",
    }.items()
    for option in options.split()
)
"""Options that no test gives yet: a debt, to be paid and never to grow."""


def test_every_option_of_every_command_is_named_by_a_test_of_that_command() -> None:
    """An option that no test gives may be one that nothing reads."""
    named = {(command, word) for words in groups() for command in words & COMMANDS for word in words}
    options = {
        (command, option[-1])
        for command, parsed in get_command(app).commands.items()  # type: ignore[attr-defined]
        for parameter in parsed.params
        for option in (parameter.opts, parameter.secondary_opts)
        if parameter.param_type_name == "option" and option
        if not any((command, spelling) in named for spelling in option)
    }
    unnamed = {f"{command} {option}" for command, option in options}
    assert unnamed - NOT_NAMED == set(), "write a test for them"
    assert NOT_NAMED - unnamed == set(), "take them off the list"


def groups() -> Iterator[set[str]]:
    """The words that stand together in a test: in one function, one row of a table, or one string."""
    for file in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            row = isinstance(node, ast.Tuple) and all(isinstance(item, ast.Constant) for item in node.elts)
            if row or isinstance(node, ast.FunctionDef | ast.Constant):
                texts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
                yield {
                    word for text in texts if isinstance(text, str) for word in re.split(r"[\s'\"=]+", text)
                }
