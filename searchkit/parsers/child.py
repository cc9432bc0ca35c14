"""A process of its own for what a hostile file may crash, hang, or have eat the memory: it takes nothing
with it. It has a budget of processor time for an answer and of memory, which the system holds it to.

A message is two lengths, JSON, and bytes; never a pickle, since the process that sends it may be in the hands
of the file that it reads.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, Any

from searchkit.parsers.limits import MEMORY

LENGTHS = struct.Struct("<II")
MAX_MESSAGE = 1 << 30
SECONDS = 10.0
"""Seconds of processor time for one answer. What asks for much gets it in pieces."""
SPARE = 64_000_000
"""Bytes that it may still have when nothing is open; with more it is ended, and begins anew when asked."""
LOOK = 0.02
"""Seconds from one look at a process that is waited for to the next."""
FULL = 0.7
"""The share of its memory from which on a process that ends, or fails, is taken to have wanted more."""

Answer = tuple[dict[str, Any], bytes]
Stop = Callable[[], bool]

PATIENCE = 4
"""So many times its processor time a process may take by the clock, on a machine that has other work."""
OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0)
"""What a process returns that the system ended because it took more processor time than it may."""

_stop: ContextVar[Stop] = ContextVar("stop", default=lambda: False)


class Died(Exception):
    """The process ended over a question."""


class Hung(Exception):
    """It did not answer in time, or took more processor time than it may, and was ended."""


class Full(Exception):
    """The process ended over a question, with about as much memory as it may have."""


class Reborn(Exception):
    """It is not the process that was meant: what that one had open is closed."""


class Stopped(BaseException):
    """Nobody wants the answer any more. It is no fault of a file, so what catches those does not catch it."""


@contextmanager
def heard(stop: Stop) -> Iterator[None]:
    """Within, what this thread asks raises `Stopped` soon after `stop()` has become true."""
    token = _stop.set(stop)
    try:
        yield
    finally:
        _stop.reset(token)


class Child:
    """Answers one question at a time, of any thread, by a function `serve` in a module of this package. It is
    started with the first question, again after it died, and ends with this process."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._turn = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._parent = 0
        self._born = 0
        atexit.register(self.close)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def ask(
        self, question: dict[str, Any], *, born: int | None = None, seconds: float | None = None
    ) -> tuple[Answer, int]:
        """The answer, and the number of the process that gave it; `born` says which one it must be. It has
        `seconds` of processor time for it, or `SECONDS`.

        The head of an answer says "full" where that took about as much memory as there may be. Raises `Died`,
        `Full`, `Hung`, `Reborn` and `Stopped`.
        """
        with self._turn:
            if born is not None and (born != self._born or not self._lives()):
                raise Reborn
            process = self._running()
            budget = SECONDS if seconds is None else seconds
            with _Watch(process, PATIENCE * budget) as watch:
                try:
                    assert process.stdin is not None and process.stdout is not None
                    send(process.stdin, {**question, "seconds": budget})
                    answer = receive(process.stdout)
                except (OSError, EOFError, ValueError) as error:
                    self._end()
                    raise watch.reason(process.returncode) from error
                except BaseException:  # Ctrl-C: what it answers now would be taken for the next answer
                    self._end()
                    raise
            answer[0]["full"] = watch.full
            if answer[0].pop("tired", False):
                self._end()
            return answer, self._born

    def close(self) -> None:
        with self._turn:
            if self._parent == os.getpid():
                self._end()

    def _lives(self) -> bool:
        # a copy of this process, made by fork, must not talk to its parent's child
        mine = self._parent == os.getpid()
        return mine and self._process is not None and self._process.poll() is None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._lives():
            return self._process
        if self._process is not None and self._parent == os.getpid():
            self._end()
        # no entry that means the current folder: what lies there must not be imported
        path = [*filter(os.path.isabs, sys.path), str(Path(__file__).parents[2])]
        code = f"import sys; sys.path[:] = {path!r}; from {self._module} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._parent, self._born = os.getpid(), self._born + 1
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                try:
                    pipe.close()
                except OSError:  # what was still to be sent to the dead
                    continue


class _Watch:
    """Ends a process that does not answer within so many seconds, or whose answer nobody wants any more."""

    def __init__(self, process: subprocess.Popen[bytes], seconds: float) -> None:
        self._process, self._until, self._stop = process, time.monotonic() + seconds, _stop.get()
        self._over, self._begun, self.full = threading.Event(), _held(process.pid), False
        self._why: BaseException | None = None
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK):
            self.full = self.full or _held(self._process.pid) > self._begun + FULL * MEMORY
            if self._stop():
                self._why = Stopped()
            elif time.monotonic() > self._until:
                self._why = Hung()
            if self._why is not None:
                self._process.kill()
                return

    def reason(self, returncode: int) -> BaseException:
        """Why it has ended, which it did with this code."""
        if self._why is not None:
            return self._why
        if self.full:
            return Full()
        return Hung() if returncode and returncode == OUT_OF_TIME else Died(f"it ended with {returncode}")


def send(to: IO[bytes], head: dict[str, Any], body: bytes = b"") -> None:
    said = json.dumps(head).encode()  # ASCII: names that are not UTF-8 survive
    to.write(LENGTHS.pack(len(said), len(body)) + said)
    to.write(body)
    to.flush()


def receive(source: IO[bytes]) -> Answer:
    """Raises EOFError at the end, ValueError for what is no message."""
    said, body = LENGTHS.unpack(_read(source, LENGTHS.size))
    if said + body > MAX_MESSAGE:
        raise ValueError(f"a message of {said + body} bytes")
    head = json.loads(_read(source, said))
    if not isinstance(head, dict):
        raise ValueError("a message without a head")
    return head, _read(source, body)


def _read(source: IO[bytes], count: int) -> bytes:
    data = source.read(count)
    if len(data) < count:
        raise EOFError
    return data


def answer_all(
    answer: Callable[[dict[str, Any]], Answer], *, idle: Callable[[], bool] = lambda: True
) -> None:
    """In the child: answer until the parent is gone, each time within the budget; `idle` says that nothing is
    open. What a library prints goes nowhere, and Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    begun = _held(os.getpid())
    if begun:
        _limit("RLIMIT_DATA", begun + MEMORY)
    _limit("RLIMIT_CORE", 0)
    while True:
        try:
            question, _ = receive(questions)
        except EOFError:
            return
        used = time.process_time()
        _limit("RLIMIT_CPU", math.ceil(used + question.pop("seconds")))
        head, body = answer(question)
        head["seconds"] = time.process_time() - used
        head["tired"] = idle() and _held(os.getpid()) > begun + SPARE
        send(answers, head, body)


def _held(process: int) -> int:
    """Bytes of memory of its own that a process has; 0 where the system does not say."""
    try:
        return int(Path(f"/proc/{process}/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0


def _limit(what: str, most: int) -> None:
    """Where the system has such limits: Windows has none."""
    try:
        import resource
    except ImportError:
        return
    kind = getattr(resource, what)
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (most if hard < 0 else min(most, hard), hard))
