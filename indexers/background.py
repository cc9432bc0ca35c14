"""Indexing beside the page: a process that queues what is due, works until nothing is left, and ends.

python -m searchkit.indexers.background COLLECTION [--retry-failed] [PATH…]
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

from searchkit.collection import Collection
from searchkit.collection.indexing import targets
from searchkit.collection.jobs import ASKED, How, enqueue
from searchkit.collection.lock import writing
from searchkit.collection.rights import as_private_as
from searchkit.errors import SearchkitError
from searchkit.indexers.memory import spare
from searchkit.indexers.worker import Worker

LOG = "background.log"
"""File in the collection's folder with the output of the last process."""
RETRY = "--retry-failed"

_running: dict[Path, subprocess.Popen[bytes]] = {}
"""Root of a collection → the last process that was started for it."""
_lock = threading.Lock()


def begin(library: Collection, *paths: str, retry_failed: bool = False) -> bool:
    """Make the paths sources and start indexing them, or all sources without any.

    Returns False where a process that this one started is at work already: then nothing is started, and the
    paths are indexed the next time. Raises `BadInput` for a path that does not exist, `CollectionLocked`
    while another run goes on.
    """
    with writing(library.root, brief=True, stop=lambda: True):
        targets(library.current, paths)
    with _lock:
        if is_running(library.root):
            return False
        arguments = [str(library.root), *([RETRY] if retry_failed else []), *paths]
        with as_private_as(library.root), (library.root / LOG).open("wb") as log:
            command = [sys.executable, "-P", "-m", "searchkit.indexers.background", *arguments]
            _running[library.root] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    return True


def is_running(root: Path) -> bool:
    """Tell whether a process that this one started is still at work."""
    process = _running.get(root)
    return process is not None and process.poll() is None


def last_words(root: Path) -> str:
    """Return the last line that the last process printed if it ended badly; empty otherwise."""
    process = _running.get(root)
    if process is None or process.poll() in (None, 0):
        return ""
    lines = (root / LOG).read_text("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"indexing ended with {process.returncode}"


def main(arguments: list[str]) -> int:
    """Index until nothing is left or SIGTERM comes; return the exit code."""
    root, *paths = arguments
    retry = paths[:1] == [RETRY]
    spare()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        with Collection.open(Path(root), create=False) as library:
            enqueue(library, *paths[retry:], retry_failed=retry, priority=ASKED, stop=stop.is_set)
            return Worker(library, How(stop=stop.is_set)).run(once=True)
    except SearchkitError as error:
        print(f"{error} ({error.hint})" if error.hint else error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
