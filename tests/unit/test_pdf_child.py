"""A PDF that ends or holds up PDFium takes nothing with it: not this process, and no other file."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from searchkit.collection import Collection
from searchkit.encoders.hashing import Hashing
from searchkit.errors import Unreadable
from searchkit.parsers import child
from searchkit.parsers.pdf import PDFIUM, PdfParser
from tests.unit.test_pdf_parser import make_pdf

PAGES = [f"Page {number}\n" + "The lighthouse keeper feeds his bees.\n" * 30 for number in range(300)]


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("book") / "book.pdf"
    path.write_bytes(make_pdf(*PAGES))
    return path


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.pdf"
    path.write_bytes(make_pdf("Row home before the storm."))
    return path


@contextmanager
def sending(which: signal.Signals, *, often: bool) -> Iterator[Callable[[], int]]:
    """Sends a signal to each process of PDFium as soon as it is there: to the first, or `often`. Gives a
    function that says to how many."""
    over, hit = threading.Event(), set[int]()

    def send() -> None:
        while not over.wait(0.001):
            pid = PDFIUM.pid
            if pid is not None and pid not in hit and (often or not hit):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, which)
                    hit.add(pid)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield lambda: len(hit)
    finally:
        over.set()
        thread.join()


def test_a_process_that_was_killed_once_in_the_middle_costs_nothing(book: Path) -> None:
    parser = PdfParser()
    whole = parser.parse(book)
    pictures = parser.pictures(book)
    with sending(signal.SIGKILL, often=False) as hits:
        while not hits():
            assert parser.parse(book) == whole
        assert parser.parse(book) == whole
    assert len(whole.pages) == 300 and list(pictures) == []


def test_a_file_that_ends_it_each_time_is_refused_by_name_and_the_next_is_read(
    book: Path, small: Path
) -> None:
    with sending(signal.SIGKILL, often=True) as hits:
        with pytest.raises(Unreadable, match=r"book\.pdf ends PDFium on page \d+"):
            for _ in range(50):
                PdfParser().parse(book)
        assert hits() >= 2
    assert PdfParser().parse(small).text == "Row home before the storm."


def test_a_file_that_holds_it_up_is_refused_after_a_while(
    book: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PdfParser().parse(small)  # it runs
    monkeypatch.setattr(child, "SECONDS", 0.5)
    with sending(signal.SIGSTOP, often=False), pytest.raises(Unreadable, match="takes PDFium more than"):
        for _ in range(50):
            PdfParser().parse(book)
    monkeypatch.undo()
    assert PdfParser().parse(small).text == "Row home before the storm."


def test_readers_in_other_threads_go_on_when_it_is_started_anew(book: Path, small: Path) -> None:
    whole = PdfParser().parse(book)
    with ThreadPoolExecutor(4) as pool, sending(signal.SIGKILL, often=False):
        found = list(pool.map(lambda _: PdfParser().parse(book), range(12)))
    assert found == [whole] * 12


@pytest.mark.slow
def test_a_run_goes_on_over_a_file_that_ends_pdfium(book: Path, small: Path, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.pdf").write_bytes(book.read_bytes())
    with Collection.open(tmp_path / "library", encoder=Hashing()) as library:
        with sending(signal.SIGKILL, often=True):
            report = library.add(files)
        assert report.failed == 1 and "ends PDFium on page" in library.failures()[0].reason
        (files / "b.pdf").write_bytes(small.read_bytes())
        report = library.add(files)
        assert (report.indexed, report.failed) == (1, 1)  # what ended it is not tried again


def test_it_ends_with_the_process_that_started_it(small: Path) -> None:
    PdfParser().parse(small)
    pid = PDFIUM.pid
    assert pid is not None
    PDFIUM.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert PdfParser().parse(small).text == "Row home before the storm."


def test_an_answer_that_was_not_waited_for_is_not_taken_for_the_next(
    book: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PdfParser().parse(small)
    receive = child.receive

    def interrupted(source: object) -> child.Answer:
        monkeypatch.setattr(child, "receive", receive)
        raise KeyboardInterrupt

    monkeypatch.setattr(child, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        PdfParser().parse(book)
    assert PdfParser().parse(small).text == "Row home before the storm."


def test_a_message_that_promises_too_much_is_none(tmp_path: Path) -> None:
    path = tmp_path / "message"
    path.write_bytes(child.LENGTHS.pack(5, 1 << 31) + b"{}")
    with path.open("rb") as source, pytest.raises(ValueError, match="a message of"):
        child.receive(source)
