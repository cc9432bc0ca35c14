"""A process of its own for a native library that a hostile file may crash or hang: it takes nothing with it.

A message is two lengths, JSON, and bytes; never a pickle, since the process that sends it may be in the hands
of the file that it reads.
"""

from __future__ import annotations

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO, Any

LENGTHS = struct.Struct("<II")
MAX_MESSAGE = 1 << 30
SECONDS = 10.0
"""For one answer. What asks for much gets it in pieces."""

Answer = tuple[dict[str, Any], bytes]


class Died(Exception):
    """The process ended over a question."""


class Hung(Exception):
    """It did not answer in time, and was ended."""


class Reborn(Exception):
    """It is not the process that was meant: what that one had open is closed."""


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

    def ask(self, question: dict[str, Any], *, born: int | None = None) -> tuple[Answer, int]:
        """The answer, and the number of the process that gave it; `born` says which one it must be.

        Raises `Died`, `Hung` and `Reborn`.
        """
        with self._turn:
            if born is not None and (born != self._born or not self._lives()):
                raise Reborn
            process = self._running()
            late = threading.Event()

            def give_up() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(SECONDS, give_up)
            timer.start()
            try:
                assert process.stdin is not None and process.stdout is not None
                send(process.stdin, question)
                return receive(process.stdout), self._born
            except (OSError, EOFError, ValueError) as error:
                self._end()
                if late.is_set():
                    raise Hung from error
                raise Died(f"it ended with {process.returncode}") from error
            except BaseException:  # Ctrl-C: what it answers now would be taken for the next answer
                self._end()
                raise
            finally:
                timer.cancel()

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
        code = f"import sys; sys.path[:] = {sys.path!r}; from {self._module} import serve; serve()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
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


def answer_all(answer: Callable[[dict[str, Any]], Answer]) -> None:
    """In the child: answer until the parent is gone. What a library prints goes nowhere, and Ctrl-C is the
    parent's to handle."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    while True:
        try:
            question, _ = receive(questions)
        except EOFError:
            return
        send(answers, *answer(question))
