"""The wheel, installed into an environment of its own, away from the source tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def pip(command: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, "--quiet", "--no-deps", *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that holds the wheel; the packages it needs are lent to it from this one, by a
    path entry that brings no editable install along."""
    scratch = tmp_path_factory.mktemp("wheel")
    # built from a copy: a build writes into its tree, where that of another worker may be under way, and
    # where what an earlier one left would go into the wheel
    source = scratch / "source"
    for part in ("searchkit", "indexers", "ui"):
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / part, source)
    pip("wheel", "--no-build-isolation", "--wheel-dir", scratch, source)
    (wheel,) = scratch.glob("searchkit-*.whl")
    environment = scratch / "environment"
    venv.create(environment, with_pip=False)
    (packages,) = environment.glob("lib/python*/site-packages")
    pip("install", "--target", packages, wheel)
    (packages / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment


def run(clean: Path, code: str, folder: Path) -> str:
    done = subprocess.run(
        [clean / "bin" / "python", "-c", code],
        cwd=folder,
        env={**os.environ, "SEARCHKIT_COLLECTION": str(folder / "library")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_brings_one_import_name(clean: Path) -> None:
    (packages,) = clean.glob("lib/python*/site-packages")
    names = {p.name for p in packages.iterdir() if p.name not in ("lent.pth", "bin", "__pycache__")}
    assert {name for name in names if not name.endswith(".dist-info")} == {"searchkit"}


def test_the_wheel_brings_its_licence(clean: Path) -> None:
    (metadata,) = clean.glob("lib/python*/site-packages/searchkit-*.dist-info/METADATA")
    assert "License-Expression: Apache-2.0" in metadata.read_text()
    for name in ("LICENSE", "NOTICE"):
        assert "SPDX-License-Identifier: Apache-2.0" in (metadata.parent / "licenses" / name).read_text()


def test_everything_imports_from_the_wheel_and_not_from_the_tree(clean: Path, tmp_path: Path) -> None:
    code = (
        "import searchkit, searchkit.indexers.watch, searchkit.ui.launch, searchkit.cli.main;"
        "print(searchkit.__file__, searchkit.indexers.watch.__file__, searchkit.ui.launch.__file__)"
    )
    for place in run(clean, code, tmp_path).split():
        assert Path(place).is_relative_to(clean)


def test_the_installed_command_indexes_and_finds(clean: Path, tmp_path: Path) -> None:
    """With the bundled encoder, whose weights and neutral queries must have come along in the wheel."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "bees.txt").write_text("In autumn the hive is fed with sugar syrup.")
    code = (
        "from searchkit.cli.main import main; import sys;"
        "sys.argv = ['searchkit', {arguments}]; sys.exit(main())"
    )
    run(clean, code.format(arguments="'index', 'notes'"), tmp_path)
    out = run(clean, code.format(arguments="'search', 'what do bees eat', '-k', '1'"), tmp_path)
    assert out.strip().endswith("bees.txt")


@pytest.mark.parametrize("command", ["watch", "ui", "train", "doctor"])
def test_the_other_commands_answer_from_the_wheel(clean: Path, tmp_path: Path, command: str) -> None:
    code = f"import sys; sys.argv[1:] = ['{command}', '--help']; from searchkit.cli.main import main; main()"
    assert "Usage" in run(clean, code, tmp_path)
