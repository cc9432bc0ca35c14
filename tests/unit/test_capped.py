"""A document that takes too long, or too much memory, is refused with the budget that it broke, and nothing
else is taken with it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from searchkit.errors import NoText, Unreadable
from searchkit.parsers import capped
from searchkit.parsers.capped import READER
from searchkit.parsers.child import Stopped, heard
from searchkit.protocols import Parser
from searchkit.registry import PARSERS, parser_for, parser_of
from searchkit.types import Document, Embedded
from tests.documents import SAMPLES


class Odd(Parser):
    """Does what the file says."""

    name = "odd 1"
    suffixes = frozenset({".odd"})
    capped = True

    def parse(self, path: Path) -> Document:
        match path.read_text():
            case "loop":
                while True:
                    pass
            case "sleep":
                time.sleep(1000)
            case "eat":
                held = []
                while True:
                    held.append(bytes(1 << 20))
            case "die":
                os.kill(os.getpid(), signal.SIGSEGV)
            case "eat and die":
                held = [b"x" * (1 << 20) for _ in range(330)]
                time.sleep(0.5)
                os.kill(os.getpid(), signal.SIGABRT)
            case "blank":
                raise NoText(f"{path} has no text", hint="look elsewhere", pages=3)
        return Document(path.read_text())

    def pictures(self, path: Path) -> Iterator[Embedded]:
        for number in range(5):
            yield Embedded(bytes([number]) * (6 << 20), number)
        if path.read_text() == "broken":
            raise RuntimeError("the rest is lost")


def odd(folder: Path, says: str) -> Path:
    path = folder / "file.odd"
    path.write_text(says)
    return path


@pytest.mark.parametrize("name", [name for _, name, _ in PARSERS])
def test_what_is_read_in_the_other_process_is_what_the_parser_reads(name: str, tmp_path: Path) -> None:
    suffix = next(suffixes[0] for _, other, suffixes in PARSERS if other == name)
    path = tmp_path / f"file{suffix}"
    path.write_bytes(SAMPLES[name])
    parser = parser_for(suffix)
    assert parser is not None
    assert capped.parse(parser, path) == parser.parse(path)
    assert list(capped.pictures(parser, path)) == list(parser.pictures(path))


def test_a_text_with_halves_of_letters_comes_across(tmp_path: Path) -> None:
    path = tmp_path / "file.rtf"
    path.write_bytes(rb"{\rtf1 a \u-10179?\u-8704? \u-10179? b}")
    parser = parser_of(path)
    assert parser is not None and capped.parse(parser, path) == parser.parse(path)


@pytest.mark.parametrize("says", ["loop", "sleep"])
def test_a_file_that_takes_too_long_is_refused_by_name(
    says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capped, "TEXT_SECONDS", 1.0)
    with pytest.raises(Unreadable, match=r"file\.odd takes more than 1 s of processor time"):
        capped.parse(Odd(), odd(tmp_path, says))
    monkeypatch.undo()
    assert capped.parse(Odd(), odd(tmp_path, "good")).text == "good"


@pytest.mark.parametrize("says", ["eat", "eat and die"])
def test_a_file_that_takes_too_much_memory_is_refused_by_name(says: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"file\.odd takes more than 400 MB of memory"):
        capped.parse(Odd(), odd(tmp_path, says))
    assert capped.parse(Odd(), odd(tmp_path, "good")).text == "good"


def test_a_file_that_ends_the_process_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"file\.odd ends the process that reads it \(it ended with -11\)"):
        capped.parse(Odd(), odd(tmp_path, "die"))
    assert capped.parse(Odd(), odd(tmp_path, "good")).text == "good"


def test_what_a_parser_says_of_a_file_comes_across(tmp_path: Path) -> None:
    with pytest.raises(NoText, match="has no text") as caught:
        capped.parse(Odd(), odd(tmp_path, "blank"))
    assert (caught.value.hint, caught.value.pages) == ("look elsewhere", 3)
    with pytest.raises(Unreadable, match="cannot read") as refused:
        capped.parse(Odd(), tmp_path / "nowhere.odd")
    assert isinstance(refused.value.__cause__, OSError) and refused.value.__cause__.errno == 2


def test_pictures_come_in_order_and_those_before_a_fault_are_kept(tmp_path: Path) -> None:
    expected = [(bytes([number]) * (6 << 20), number) for number in range(5)]
    assert [(p.data, p.page) for p in capped.pictures(Odd(), odd(tmp_path, "good"))] == expected
    found = []
    with pytest.raises(Unreadable, match="the rest is lost"):
        for picture in capped.pictures(Odd(), odd(tmp_path, "broken")):
            found.append((picture.data, picture.page))
    assert found == expected[: len(found)] and found


def test_pictures_that_nobody_waits_for_hold_nothing_up(tmp_path: Path) -> None:
    waiting = capped.pictures(Odd(), odd(tmp_path, "good"))
    next(waiting)
    assert capped.parse(Odd(), odd(tmp_path, "better")).text == "better"
    assert len(list(waiting)) == 4


def test_a_stop_is_heard_while_a_file_is_read(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with heard(stop.is_set), pytest.raises(Stopped):
        capped.parse(Odd(), odd(tmp_path, "loop"))
    assert capped.parse(Odd(), odd(tmp_path, "good")).text == "good"


def test_a_process_that_keeps_much_memory_is_not_kept(tmp_path: Path) -> None:
    capped.parse(Odd(), odd(tmp_path, "good"))
    kept = READER.pid
    capped.parse(Odd(), odd(tmp_path, "good"))
    assert kept is not None and READER.pid == kept
    large = tmp_path / "large.csv"
    large.write_text("a,b\n" + "keeper,lighthouse\n" * 2_000_000)
    parser = parser_of(large)
    assert parser is not None and len(capped.parse(parser, large).text) > 40_000_000
    assert READER.pid != kept
