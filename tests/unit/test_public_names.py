"""Names that programs import: the public ones, and those of version 0.1."""

from __future__ import annotations

import importlib
import subprocess
import sys
import warnings

import pytest

import searchkit


def test_the_public_names_are_there() -> None:
    assert {name: getattr(searchkit, name).__name__ for name in searchkit.__all__} == {
        "Collection": "Collection",
        "Hit": "Hit",
        "SearchkitError": "SearchkitError",
    }


@pytest.mark.parametrize("module", ["collection", "types", "errors", "protocols", "registry", "spaces"])
def test_a_public_module_is_imported_without_a_warning(module: str) -> None:
    code = f"import searchkit.{module}; from searchkit import {module}"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.parametrize(("old", "new"), sorted(searchkit.MOVED.items()))
def test_a_module_of_version_0_1_is_found_under_its_old_name_with_a_warning(old: str, new: str) -> None:
    sys.modules.pop(f"searchkit.{old}", None)
    with pytest.warns(DeprecationWarning, match=f"searchkit.{old} has moved to searchkit.{new}"):
        found = importlib.import_module(f"searchkit.{old}")
    there = importlib.import_module(f"searchkit.{new}")
    assert found is there
    assert there.__spec__ is not None and there.__spec__.name == f"searchkit.{new}"


def test_an_old_name_may_stand_behind_from() -> None:
    code = (
        "from searchkit import heat; from searchkit.place import resolve; from searchkit.work import enqueue"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_never_was_is_an_import_error() -> None:
    with pytest.raises(ImportError), warnings.catch_warnings():
        importlib.import_module("searchkit.nonsense")
    with pytest.raises(AttributeError, match="nonsense"):
        _ = searchkit.nonsense  # type: ignore[attr-defined]


def test_an_import_of_searchkit_alone_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'torch', 'lancedb', 'faiss', 'sqlalchemy', 'PIL', 'pyarrow', 'typer'}"
    code = f"import sys, searchkit; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True)
