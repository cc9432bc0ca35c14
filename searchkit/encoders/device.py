"""Which numbers this processor is fast at, how freed memory is kept, and how rows leave torch."""

from __future__ import annotations

import ctypes
import sys
from functools import cache

import torch

from searchkit.types import Vectors


@cache
def cpu_dtype() -> torch.dtype:
    """bfloat16 where the processor multiplies it in hardware, float32 elsewhere.

    With AMX or avx512_bf16 it is 3 to 4 times faster; without, it is emulated and 40 times slower.
    """
    for probe in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        supported = getattr(torch.cpu, probe, None)
        if supported is not None and supported():
            return torch.bfloat16
    return torch.float32


@cache
def keep_freed_memory() -> None:
    """Ask glibc to keep what it frees instead of giving it back after every layer.

    Large activations are otherwise mapped and unmapped each time, and touching fresh pages was 14 % of
    the time of an encoder on a virtual machine, 35 % of training's. Elsewhere than on glibc: nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def rows(vectors: torch.Tensor) -> Vectors:
    """(n, dim) tensor → (n, dim) float32 array with rows of unit length."""
    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    array: Vectors = unit.numpy()
    return array
