"""The memory of a process that lasts: how much it holds, and how it is kept from growing.

Lance works in a dozen threads, which come and go. glibc gives each a heap of its own, and keeps there what
is freed: after 2,000 changes in 100,000 files a watcher used 81 MB and held 332 MB of free memory. With
one heap, and large blocks outside of it, what is freed goes back to the system.

Compaction reads ahead of what it writes, by itself up to 2 GB.
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
"""What compaction reads ahead, in bytes, and takes at once, in rows; how many threads read files, of which
each keeps some memory; and that Arrow has no store of memory of its own. Unless these variables are set."""
LARGE = 1 << 20
"""Bytes from which a block is given back to the system as soon as it is freed."""
M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
"""Of glibc's malloc.h."""


def spare() -> None:
    """Have this process hold no more than it uses. To be called before it starts threads: for processes that
    are searchkit's own, since it changes how all of their memory is handed out."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if sys.platform != "linux":
        return
    change = getattr(ctypes.CDLL(None), "mallopt", None)  # musl has none
    if change is not None:
        change(M_ARENA_MAX, 1)
        change(M_MMAP_THRESHOLD, LARGE)


def resident() -> int:
    """Megabytes of memory that this process holds; where the system does not tell, the most it ever held."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize() >> 20
    except (OSError, ValueError, IndexError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
