"""The device and the dtype that a network runs on, the memory that it frees, and its rows as arrays."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from functools import cache

import torch

from searchkit.errors import BadInput
from searchkit.types import Runtime, Vectors

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True, slots=True)
class Placement:
    """The device and the dtype of a network's weights."""

    device: torch.device
    dtype: torch.dtype


@cache
def placement(runtime: Runtime) -> Placement:
    """The device and dtype that `runtime` names, "auto" being what this machine has.

    Raises `BadInput` for a device that is not there and for an unknown dtype.
    """
    device = _device(runtime.device)
    if runtime.dtype != "auto" and runtime.dtype not in DTYPES:
        raise BadInput(f"dtype is {runtime.dtype!r}", hint=f"one of: auto, {', '.join(DTYPES)}")
    if runtime.dtype != "auto":
        return Placement(device, DTYPES[runtime.dtype])
    if device.type == "cpu":
        return Placement(device, cpu_dtype())
    return Placement(device, torch.bfloat16 if device.type == "cuda" else torch.float16)


def _device(wanted: str) -> torch.device:
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if available[name]))
    if wanted not in available:
        raise BadInput(f"device is {wanted!r}", hint=f"one of: {', '.join(DEVICES)}")
    if not available[wanted]:
        names = ", ".join(name for name in available if available[name])
        raise BadInput(f"this machine, or this build of torch, has no {wanted}", hint=f"there is: {names}")
    return torch.device(wanted)


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
    """Asks glibc to keep the memory that it frees instead of returning it after every layer.

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
    """The rows of a tensor as an array of unit rows: (n, dim) → (n, dim) float32."""
    unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
    array: Vectors = unit.cpu().numpy()
    return array
