"""The memory of a long-running process: how much it holds, and how it is kept from growing.

Lance works in a dozen threads, which come and go. glibc gives each a heap of its own, and keeps there what
is freed: after 2,000 changes in 100,000 files a watcher used 81 MB and held 332 MB of free memory. With
one heap, and large blocks outside of it, what is freed goes back to the system.

Compaction reads ahead of what it writes, up to 2 GB if nothing limits it.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path

SETTINGS = {
    "LANCE_DEFAULT_IO_BUFFER_SIZE": str(16 << 20),
    "LANCE_DEFAULT_BATCH_SIZE": "1024",
    "LANCE_IO_THREADS": "2",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}
"""Environment variables and the values that they get where they are not set: the bytes that compaction reads
ahead, the rows it takes at once, the threads that read files (each keeps some memory), and the system's
malloc for Arrow instead of a pool of its own."""
LARGE = 1 << 20
"""Bytes from which a block is given back to the system as soon as it is freed."""
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Parameters of `mallopt`, as glibc's malloc.h numbers them."""


def spare() -> None:
    """Make this process hold no more memory than it uses.

    Call it before the process starts threads, and only in a process that is searchkit's own: it changes how
    all memory of the process is handed out.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if sys.platform != "linux":
        return
    change = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if change is not None:
        change(M_ARENA_MAX, 1)
        change(M_MMAP_THRESHOLD, LARGE)


def resident() -> int:
    """Return the megabytes that this process holds; the most it ever held where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() >> 20
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
