"""The machine that a speed was measured on: its processor, and the memory that it took."""

from __future__ import annotations

import platform
import sys
from pathlib import Path


def processor(device: str = "cpu") -> str:
    """The name of the processor, or of the GPU for the device "cuda"."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def peak_mb() -> float | None:
    """The peak of this process's resident memory, in 10⁶ bytes; None on Windows, which does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)
