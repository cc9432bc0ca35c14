"""The floor plan: what imports what, and how the docstrings read."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {"searchkit": "searchkit", "searchkit.indexers": "indexers", "searchkit.ui": "ui"}
"""Import name → folder."""


def modules() -> dict[str, Path]:
    """Every module by its import name."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in sorted((ROOT / folder).rglob("*.py")):
            parts = file.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join([package, *(part for part in parts if part != "__init__")])] = file
    return found


MODULES = modules()


def imported(module: str) -> Iterator[str]:
    """The modules that one names in an import, wherever it stands: at the top, in a function, for types."""
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one module, by Tarjan's algorithm."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for after in sorted(graph[node]):
            if after not in index:
                visit(after)
                low[node] = min(low[node], low[after])
            elif after in stack:
                low[node] = min(low[node], index[after])
        if low[node] == index[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph = {module: {name for name in imported(module) if name in MODULES} - {module} for module in MODULES}
    assert circles(graph) == []


def test_a_circle_would_be_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [["a", "b", "c"]]


def test_the_top_floor_is_packages_and_four_files() -> None:
    files = {file.stem for file in (ROOT / "searchkit").glob("*.py")} - {"__init__", "__main__"}
    assert files == {"errors", "protocols", "settings", "types"}


def docstrings() -> Iterator[tuple[str, str]]:
    """(place, docstring) of every module, class, function and documented field."""
    for module, file in MODULES.items():
        tree = ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = ast.get_docstring(node)
                if text:
                    yield f"{module}.{getattr(node, 'name', '')}", text
                for before, after in zip(node.body, node.body[1:], strict=False):
                    is_field = isinstance(before, ast.AnnAssign | ast.Assign) and isinstance(after, ast.Expr)
                    value = after.value if is_field else None
                    if isinstance(value, ast.Constant) and isinstance(value.value, str):
                        yield f"{module}:{after.lineno}", value.value


FRAGMENT = re.compile(
    r"(Of|By|With|Without|And|But|Or|Which|Whose|That|Then|Also|To|For|From|Among|Than)\b|[…a-z]"
)
"""How a docstring begins that goes on with a sentence begun elsewhere; a name in code style is exempt."""
CODE = re.compile(r"`|searchkit\b|\w*[\d_]\w*\b")


def is_fragment(text: str) -> bool:
    """Whether the first sentence cannot be read by itself."""
    first = text.strip().split("\n\n")[0]
    begins = FRAGMENT.match(first) is not None and CODE.match(first) is None
    return begins or re.search(r"(…|\.\.\.)$", first) is not None


def test_a_docstring_can_be_read_by_itself() -> None:
    fragments = [f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if is_fragment(text)]
    assert fragments == []


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("Of a passage: its headings, …", True),
        ("… of how many.", True),
        ("Seconds between two tries.", False),
        ("`pocket` and its towers.", False),
    ],
)
def test_a_fragment_is_told_from_a_sentence(text: str, fragment: bool) -> None:
    assert is_fragment(text) is fragment
