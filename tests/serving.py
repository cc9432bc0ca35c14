"""Waiting for a server that a test has started."""

from __future__ import annotations

import subprocess
import time
import urllib.request


def wait_for(url: str, process: subprocess.Popen[bytes], *, patience: float) -> None:
    """Return when the address answers; fails when the process ends, or after so many seconds."""
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not answer"
            time.sleep(0.2)
