"""An adapter: small maps, learned from pairs, that move the vector of a question to where this collection
keeps its answers. Stored vectors stay as they are, so that using an adapter and leaving it off cost nothing.

Each way of searching (what asks, and the kind that is looked for) may have a map:

    f(q) = (q + α·(W·q + B·relu(A·q + a) + b)) / ‖…‖

A way of searching that has none leaves the vector as it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from searchkit.errors import CollectionError, SpaceMismatch
from searchkit.types import Kind, Vectors

WEIGHTS, CARD = "adapter.safetensors", "adapter.json"
FORMAT = 1
PARTS = ("linear", "down", "down_bias", "up", "up_bias", "strength")


@dataclass(frozen=True, slots=True)
class QueryMap:
    """The map f by its parts, float32; `strength` is the number α. The inner layer may have a width of 0."""

    linear: np.ndarray  # W (dim, dim)
    down: np.ndarray  # A (width, dim)
    down_bias: np.ndarray  # a (width,)
    up: np.ndarray  # B (dim, width)
    up_bias: np.ndarray  # b (dim,)
    strength: np.ndarray  # α ()

    def __call__(self, vectors: Vectors) -> Vectors:
        """(n, dim) unit rows → (n, dim) unit rows."""
        inner = np.maximum(vectors @ self.down.T + self.down_bias, 0)  # (n, dim) @ (dim, w) -> (n, w)
        moved = vectors + self.strength * (vectors @ self.linear.T + inner @ self.up.T + self.up_bias)
        unit: Vectors = (moved / np.linalg.norm(moved, axis=1, keepdims=True)).astype(np.float32)
        return unit


@dataclass(frozen=True, slots=True)
class Adapter:
    """The maps of one space by what asks ("text" or "image") and the kind that is looked for."""

    name: str
    space: str
    """The key of the space whose vectors it moves."""
    digest: str
    """The beginning of the sha256 of its data and weights, hexadecimal."""
    maps: Mapping[tuple[str, Kind], QueryMap]

    @property
    def key(self) -> str:
        """The name under which the catalog keeps references that were measured with it."""
        return f"{self.space}+{self.digest}"

    def __call__(self, vectors: Vectors, asked_with: str, kind: Kind) -> Vectors:
        """(n, dim) unit rows → (n, dim) unit rows, the same where there is no map."""
        query_map = self.maps.get((asked_with, kind))
        return vectors if query_map is None else query_map(vectors)


def save_adapter(adapter: Adapter, folder: Path, card: Mapping[str, Any]) -> None:
    """Write the maps, and `card` beside them: the data that they were learned from, and their scores."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        f"{asked_with}-{kind.value}.{part}": np.ascontiguousarray(getattr(query_map, part), np.float32)
        for (asked_with, kind), query_map in adapter.maps.items()
        for part in PARTS
    }
    save_file(tensors, folder / WEIGHTS)
    named = {"name": adapter.name, "space": adapter.space, "digest": adapter.digest}
    record = {"format": FORMAT, **named, **card}
    (folder / CARD).write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def read_card(folder: Path) -> dict[str, Any]:
    """The card that `save_adapter` wrote beside the maps. Raises `CollectionError`."""
    try:
        card = json.loads((folder / CARD).read_text("utf-8"))
        if not isinstance(card, dict) or card["format"] != FORMAT:
            raise ValueError("it is of another format")
        _ = str(card["name"]), str(card["space"]), str(card["digest"])
    except (OSError, KeyError, ValueError) as error:
        raise _unusable(folder, error) from error
    return card


def load_adapter(folder: Path, space: str) -> Adapter:
    """The adapter in a folder. Raises `CollectionError` where it is missing or damaged, `SpaceMismatch` where
    it moves vectors of another space."""
    card = read_card(folder)
    if card["space"] != space:
        raise SpaceMismatch(
            f"the adapter {card['name']} moves vectors of {card['space']}, not of {space}",
            hint="train one for this encoder: searchkit adapt --pairs FILE",
        )
    try:
        tensors = load_file(folder / WEIGHTS)
        maps = {}
        for direction in {name.partition(".")[0] for name in tensors}:
            asked_with, _, kind = direction.partition("-")
            maps[asked_with, Kind(kind)] = QueryMap(*(tensors[f"{direction}.{part}"] for part in PARTS))
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise _unusable(folder, error) from error
    return Adapter(card["name"], space, card["digest"], maps)


def _unusable(folder: Path, error: Exception) -> CollectionError:
    return CollectionError(
        f"the adapter in {folder} cannot be used: {error}",
        hint="search without it: searchkit adapt --off",
    )
