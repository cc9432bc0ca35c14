"""The three layouts in which published checkpoints name a JinaBERT's tensors; B is a network of its own.

A   jina-embeddings-v2-base-en: query, key and value apart, both norms inside attention and feed-forward
B   jina-embeddings-v2-base-code: as A, with norms of q and k, and a third norm: `qk_norm`
C   jina-clip-v1: Wqkv in one; what `JinaBert` itself is named after
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from torch import Tensor

from searchkit.models.jina_bert import JinaBertConfig

BUFFERS = ("position_ids", "linear_biases", "alibi", "alibi_slopes")
MATRICES = ("gated_layers", "up_gated_layer", "fc1", "wo", "down_layer", "fc2")
"""The names of the two matrices of a feed-forward part; their shapes tell which is which."""
PARTS = tuple(f"attention.self.{part}" for part in ("query", "key", "value"))
SHARED = {"embeddings.LayerNorm": "emb_ln", "attention.output.dense": "mixer.out_proj"} | dict.fromkeys(
    PARTS, "mixer.Wqkv"
)
RENAMED: dict[str, dict[str, str]] = {
    "A": SHARED | {"attention.output.LayerNorm": "norm1", "mlp.layernorm": "norm2"},
    "B": SHARED
    | {"attention.output.LayerNorm": "norm", "layer_norm_1": "norm1", "layer_norm_2": "norm2"}
    | {f"attention.self.layer_norm_{part}": f"mixer.layer_norm_{part}" for part in "qk"},
    "C": {},
}
LAYER = re.compile(r"encoder\.layers?\.(\d+)\.")


def layout(names: Iterable[str]) -> Literal["A", "B", "C"]:
    """The layout of these names: C counts "layers", A and B "layer"; norms of q and k tell B from A."""
    names = list(names)
    if any(name.startswith("encoder.layers.") for name in names):
        return "C"
    return "B" if any(".attention.self.layer_norm_" in name for name in names) else "A"


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights in any of the three layouts under this module's names, without the buffers.

    An unknown name stays as it is, for `load_state_dict` to refuse. Raises `ValueError` for two tensors that
    would get the same name.
    """
    known, matrices = RENAMED[layout(state)], _matrices(state)
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        module, _, parameter = name.rpartition(".")
        if parameter in BUFFERS:
            continue
        layer = LAYER.match(module)
        inner = module[layer.end() :] if layer else module
        new = matrices.get(module) or known.get(inner)
        if layer and new == "mixer.Wqkv":
            three = [f"{layer[0]}{part}.{parameter}" for part in PARTS]
            if all(part in state and state[part].shape == value.shape for part in three):
                if inner != PARTS[0]:
                    continue
                value = torch.cat([state[part] for part in three])
            else:
                new = None
        prefix = f"encoder.layers.{layer[1]}." if layer else ""
        new_name = f"{prefix}{new}.{parameter}" if new else name
        if new_name in renamed:
            raise ValueError(f"{name} is there twice, under two names")
        renamed[new_name] = value
    return renamed


def _matrices(state: Mapping[str, Tensor]) -> dict[str, str]:
    """The new names of the two matrices in every layer, (2 · hidden, width) and (width, hidden).

    A layer in which two modules claim the same matrix gets neither, so that one of them is left over.
    """
    words = state.get("embeddings.word_embeddings.weight")
    width = 0 if words is None else words.shape[-1]
    claims: dict[str, list[str]] = {}
    for name, value in state.items():
        module, _, parameter = name.rpartition(".")
        path, _, last = module.rpartition(".")
        if path.endswith(".mlp") and last in MATRICES and parameter == "weight" and value.ndim == 2:
            role = "wo" if value.shape[0] == width else "gated_layers"
            claims.setdefault(f"{path}.{role}", []).append(module)
    return {
        modules[0]: f"mlp.{role.rpartition('.')[2]}" for role, modules in claims.items() if len(modules) == 1
    }


def jina_bert_config(
    shapes: Mapping[str, tuple[int, ...]],
    *,
    heads: int | None = None,
    eps: float = 1e-12,
    pad: int = 0,
    pooling: Literal["mean", "first"] = "mean",
) -> JinaBertConfig:
    """The sizes that published names and shapes tell, in any layout. Heads are 64 wide by default.

    Raises `ValueError` naming the tensor that is missing or does not fit such a tower.
    """
    if len(shapes.get("embeddings.word_embeddings.weight", ())) != 2:
        raise ValueError("embeddings.word_embeddings.weight is missing or no table")
    vocabulary, width = shapes["embeddings.word_embeddings.weight"]
    blank = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    renamed = {name: tuple(value.shape) for name, value in from_published(blank).items()}
    for name in ("embeddings.token_type_embeddings.weight", "encoder.layers.0.mlp.wo.weight"):
        if len(renamed.get(name, ())) != 2:
            raise ValueError(f"{name}, or what would stand for it, is missing or no matrix")
    heads = heads or width // 64
    if not heads or width % heads:
        raise ValueError(f"embeddings.word_embeddings.weight: {width} numbers are not {heads} heads")
    return JinaBertConfig(
        vocabulary=vocabulary,
        types=renamed["embeddings.token_type_embeddings.weight"][0],
        width=width,
        depth=len({layer[1] for layer in map(LAYER.match, renamed) if layer}),
        heads=heads,
        hidden=renamed["encoder.layers.0.mlp.wo.weight"][1],
        eps=eps,
        pad=pad,
        pooling=pooling,
        qk_norm=layout(shapes) == "B",
    )
