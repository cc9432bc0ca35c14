"""Low-rank adapters (LoRA) of one of several tasks, merged into the weights that they adapt.

    a layer     W (out, in)        W + α/r · B A       A (r, in),     B (out, r)
    a table     W (rows, width)    W + α/r · A B       A (rows, r),   B (r, width)

Checkpoints keep `X.weight` as `X.parametrizations.weight.original`, and next to it `….weight.0.lora_A` and
`….lora_B` of all tasks, stacked: (tasks, …).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ORIGINAL = ".parametrizations.weight.original"
PAIR = (".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B")


@dataclass(frozen=True, slots=True)
class Lora:
    """How adapters were trained, and which of them is merged."""

    alpha: float
    rank: int
    tasks: int
    """The number of tasks that were trained."""
    task: int
    """The index of the task that is merged, from 0."""


def is_adapted(names: Iterable[str]) -> bool:
    """Whether tensors of these names include adapters."""
    return any(name.endswith(PAIR) for name in names)


def merged(state: Mapping[str, Tensor], lora: Lora, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """The weights with one task's adapters in them, under the names of layers without: `X.weight`.

    The sum is computed in float32, then cast to `dtype`. All other tensors stay as they are, incomplete
    adapters too, for `load_state_dict` to refuse. Raises `ValueError` naming the tensor whose adapter does
    not fit it, or would fit it as a layer's and as a table's.
    """
    out: dict[str, Tensor] = {}
    used: set[str] = set()
    for name, weight in state.items():
        module = name.removesuffix(ORIGINAL)
        a, b = (module + end for end in PAIR)
        if module != name and a in state and b in state and f"{module}.weight" not in state:
            left, right = _factors(name, weight, state[a], state[b], lora)
            whole = torch.addmm(weight.float(), left.float(), right.float(), alpha=lora.alpha / lora.rank)
            out[f"{module}.weight"] = whole.to(dtype)
            used |= {name, a, b}
    return out | {name: value for name, value in state.items() if name not in used}


def _factors(name: str, weight: Tensor, a: Tensor, b: Tensor, lora: Lora) -> tuple[Tensor, Tensor]:
    """The left and the right factor: B A of a layer, A B of a table. The shapes tell which it is."""
    if a.ndim == b.ndim == 3 and weight.ndim == 2 and len(a) == len(b) == lora.tasks:
        (outer, inner), r = weight.shape, lora.rank
        layer = a.shape[1:] == (r, inner) and b.shape[1:] == (outer, r)
        table = a.shape[1:] == (outer, r) and b.shape[1:] == (r, inner)
        if layer and table:
            raise ValueError(f"{name}: its adapter {tuple(a.shape)} could be that of a layer and of a table")
        if layer or table:
            a, b = a[lora.task], b[lora.task]
            return (b, a) if layer else (a, b)
    raise ValueError(
        f"{name} {tuple(weight.shape)}: adapters {tuple(a.shape)} and {tuple(b.shape)} do not fit it, "
        f"with {lora.tasks} tasks of rank {lora.rank}"
    )
