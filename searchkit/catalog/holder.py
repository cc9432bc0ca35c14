"""The names of processes that hold claims, and whether such a process still lives.

That can be told of a process on this machine, and not of another machine's.
"""

from __future__ import annotations

import hashlib
import os
import random
import socket
from functools import cache
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
NUMBERS = Path("/proc/self/ns/pid")
"""The name space of this container's process numbers: elsewhere the same number is another process."""


def this_process() -> str:
    """A name that no other process has: `host:pid:started:place:random`, at most 128 characters."""
    host = socket.gethostname().replace(":", "-")[:48]
    pid = os.getpid()
    return f"{host}:{pid}:{_started(pid) or 0}:{_place()}:{random.getrandbits(32):08x}"


def is_gone(holder: str) -> bool:
    """Whether the process of this name certainly lives no more.

    False for a process of another machine, container or boot, and where the system does not tell.
    """
    parts = holder.split(":")
    if len(parts) != 5 or not (place := _place()) or parts[3] != place:
        return False
    pid, started = int(parts[1]), int(parts[2])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False  # another user's, which may be hidden from us
    now = _started(pid)
    return now is None or (started > 0 and now != started)


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks since the boot, which tells it from a later one of the same
    number; None for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


@cache
def _place() -> str:
    """A hash of this boot of this machine and its process numbers; "" where the system does not tell."""
    try:
        boot, numbers = BOOT.read_text().strip(), NUMBERS.readlink()
    except OSError:
        return ""
    return hashlib.sha256(f"{socket.gethostname()} {boot} {numbers}".encode()).hexdigest()[:16]
