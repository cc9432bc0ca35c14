"""What the walk sees, what it leaves alone, and what it says it could not see."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from searchkit.errors import BadInput
from searchkit.ingest.walk import Problem, Selection, walk
from searchkit.types import FileEntry


def wanted(suffix: str) -> bool:
    return suffix in (".png", ".txt")


def make(root: Path, *names: str | bytes) -> Path:
    """Empty files of these names below a folder."""
    for name in names:
        path = Path(os.fsdecode(os.path.join(os.fsencode(root), os.fsencode(name))))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def look(
    root: Path, *, include: Sequence[str] = (), exclude: Sequence[str] = (), start: Path | None = None
) -> tuple[list[str], dict[str, str]]:
    """(files, problems with their reasons), relative to the root."""
    selection = Selection(wanted, include, exclude)
    found = list(walk(str(root), selection, start=str(start) if start else None))
    files = [os.path.relpath(one.path, root) for one in found if isinstance(one, FileEntry)]
    problems = {os.path.relpath(one.path, root): one.reason for one in found if isinstance(one, Problem)}
    return files, problems


def test_wanted_files_are_found_in_order_of_name_with_size_and_time(tmp_path: Path) -> None:
    make(tmp_path, "b.png", "a.txt", "sub/c.PNG", "d.exe", "no-suffix")
    (tmp_path / "b.png").write_bytes(b"12345")
    os.utime(tmp_path / "b.png", ns=(1, 1_700_000_000_123_456_789))
    found = list(walk(str(tmp_path), Selection(wanted)))
    assert [one.path for one in found] == [str(tmp_path / name) for name in ("a.txt", "b.png", "sub/c.PNG")]
    assert found[1] == FileEntry(str(tmp_path / "b.png"), 5, 1_700_000_000_123_456_789)


def test_hidden_files_and_folders_are_left_alone(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.png", ".git/a.png", "seen/b.png", "seen/.c/d.png")
    (tmp_path / ".link.png").symlink_to(tmp_path / "nothing")
    assert look(tmp_path) == (["seen/b.png"], {})


def test_a_hidden_root_is_walked_when_it_is_named(tmp_path: Path) -> None:
    make(tmp_path, ".album/a.png")
    assert look(tmp_path / ".album") == (["a.png"], {})


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        (["*.png"], [], ["a.png", "raw/c.png", "sub/raw/d.png"]),
        (["raw/"], [], ["raw/c.png", "sub/raw/d.png"]),
        (["/raw/"], [], ["raw/c.png"]),
        (["*.exe"], [], []),
        ([], ["*.png"], ["b.txt"]),
        ([], ["raw/"], ["a.png", "b.txt"]),
        ([], ["/raw"], ["a.png", "b.txt", "sub/raw/d.png"]),
        ([], ["sub/**/d.png"], ["a.png", "b.txt", "raw/c.png"]),
        ([], ["*.png", "!a.png"], ["a.png", "b.txt"]),
        (["*.png"], ["raw"], ["a.png"]),
        (["# a comment", ""], [], []),
    ],
)
def test_patterns_are_those_of_gitignore(
    tmp_path: Path, include: list[str], exclude: list[str], expected: list[str]
) -> None:
    make(tmp_path, "a.png", "b.txt", "raw/c.png", "sub/raw/d.png", "e.exe")
    assert look(tmp_path, include=include, exclude=exclude) == (expected, {})


def test_a_pattern_that_cannot_be_read_is_refused_by_the_name_of_its_option(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="--include"):
        look(tmp_path, include=["!"])
    with pytest.raises(BadInput, match="--exclude"):
        look(tmp_path, exclude=["!"])


def test_names_with_newlines_and_other_bytes_are_found_and_matched(tmp_path: Path) -> None:
    make(tmp_path, "new\nline.png", b"caf\xe9.png", "犬.png", " .png", "tab\t'quote\".png")
    files, problems = look(tmp_path)
    assert sorted(map(os.fsencode, files)) == sorted(
        [b"new\nline.png", b"caf\xe9.png", "犬.png".encode(), b" .png", b"tab\t'quote\".png"]
    )
    assert problems == {} and len(look(tmp_path, include=["*.png"])[0]) == 5
    assert look(tmp_path, include=["new*"])[0] == ["new\nline.png"]


# one file, a part of a source, nothing


def test_a_single_file_is_a_source(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "b.png")
    assert [one.path for one in walk(str(tmp_path / "a.png"), Selection(wanted))] == [str(tmp_path / "a.png")]


def test_a_part_is_walked_with_patterns_relative_to_the_source(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "sub/b.png", "sub/raw/c.png", "other/d.png")
    sub = tmp_path / "sub"
    assert look(tmp_path, start=sub) == (["sub/b.png", "sub/raw/c.png"], {})
    assert look(tmp_path, start=sub, exclude=["/sub/raw"]) == (["sub/b.png"], {})
    assert look(tmp_path, start=sub / "b.png") == (["sub/b.png"], {})


def test_a_folder_that_is_a_source_of_its_own_is_left_to_it(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "own/b.png", "own2/c.png")
    selection = Selection(wanted, apart=frozenset({str(tmp_path / "own")}))
    found = [one.path for one in walk(str(tmp_path), selection)]
    assert found == [str(tmp_path / "a.png"), str(tmp_path / "own2/c.png")]
    assert [one.path for one in walk(str(tmp_path / "own"), selection)] == [str(tmp_path / "own/b.png")]


def test_an_empty_folder_holds_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == ([], {})


def test_a_root_that_is_not_there_is_a_problem_of_the_root(tmp_path: Path) -> None:
    assert look(tmp_path / "gone") == ([], {".": "No such file or directory"})
    assert look(tmp_path, start=tmp_path / "part") == ([], {"part": "No such file or directory"})


# links


def test_links_to_files_and_folders_are_followed(tmp_path: Path) -> None:
    make(tmp_path, "outside/x.png", "root/a.png")
    (tmp_path / "root" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / "link.png").symlink_to(tmp_path / "outside" / "x.png")
    assert look(tmp_path / "root") == (["a.png", "link.png", "folder/x.png"], {})


def test_a_loop_of_links_ends_and_is_reported(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "one/b.png", "two/c.png")
    (tmp_path / "one" / "up").symlink_to(tmp_path)
    (tmp_path / "one" / "across").symlink_to(tmp_path / "two")
    (tmp_path / "two" / "across").symlink_to(tmp_path / "one")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    files, problems = look(tmp_path)
    assert set(files) == {"a.png", "one/b.png", "two/c.png", "one/across/c.png", "two/across/b.png"}
    loop = "symbolic link loop: it leads to a folder that contains it"
    assert problems == {
        "one/up": loop,
        "one/across/across": loop,
        "two/across/across": loop,
        "two/across/up": loop,
        "self": "broken link: Too many levels of symbolic links",
    }


def test_a_broken_link_is_a_problem_where_it_may_have_led_to_something_wanted(tmp_path: Path) -> None:
    for name in ("photo.png", "disk", "library.so", "skip"):
        (tmp_path / name).symlink_to(tmp_path / "gone" / name)
    assert look(tmp_path, exclude=["skip"]) == (
        [],
        dict.fromkeys(("photo.png", "disk"), "broken link: No such file or directory"),
    )


# what cannot be entered

UNPRIVILEGED = """
import os, sys
from searchkit.ingest.walk import Selection, walk
os.chdir(sys.argv[1])  # relative from here: another user may not reach the folders above
if os.geteuid() == 0:
    os.seteuid(65534)
for one in walk(sys.argv[2], Selection(lambda suffix: suffix == ".png")):
    print(type(one).__name__, os.path.normpath(one.path), getattr(one, "reason", ""), sep="|")
"""


def as_nobody(folder: Path, root: str = ".") -> list[str]:
    """The walk of a user for whom modes count, since for the superuser they don't: kind|path|reason."""
    folder.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", UNPRIVILEGED, str(folder), root], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_an_unreadable_folder_is_a_problem_and_the_rest_is_found(tmp_path: Path) -> None:
    locked = make(tmp_path, "a.png", "locked/b.png", "z.png") / "locked"
    locked.chmod(0)
    try:
        found = ["FileEntry|a.png|", "FileEntry|z.png|", "Problem|locked|Permission denied"]
        assert as_nobody(tmp_path) == found
        assert as_nobody(tmp_path, "locked") == ["Problem|locked|Permission denied"]
    finally:
        locked.chmod(0o755)


def test_files_that_can_be_listed_but_not_looked_at_are_problems_and_not_gone(tmp_path: Path) -> None:
    half = make(tmp_path, "half/a.png", "half/b.exe", "half/sub/c.png") / "half"
    half.chmod(0o644)  # names, but nothing behind them
    try:
        found = [f"Problem|half/{name}|Permission denied" for name in ("a.png", "sub")]
        assert as_nobody(tmp_path) == found
    finally:
        half.chmod(0o755)


def test_things_that_are_not_files_are_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "null.png").symlink_to("/dev/null")
    assert look(make(tmp_path, "a.png")) == (["a.png"], {})


# extremes


def test_folders_nested_deeper_than_calls_may_be_are_walked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(1000):
        os.mkdir("d")
        os.chdir("d")
    Path("deep.png").touch()
    files, problems = look(tmp_path)
    assert files == ["d/" * 1000 + "deep.png"] and problems == {}
    os.chdir(tmp_path)
    subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # shutil's removal recurses


def test_a_time_beyond_what_sql_can_hold_is_cut_to_it(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    os.utime(tmp_path / "a.png", (1, 15_000_000_000))  # the year 2445
    (found,) = walk(str(tmp_path), Selection(wanted))
    assert isinstance(found, FileEntry) and found.mtime_ns <= 2**63 - 1


def test_a_stop_is_heard_among_folders_that_hold_nothing(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"empty {n:02d}").mkdir()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(len(asked))
        return len(asked) > 3

    assert list(walk(str(tmp_path), Selection(wanted), stop=stop)) == []
    assert len(asked) == 4
