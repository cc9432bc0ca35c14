"""The text tower of `pocket`: all-MiniLM-L6-v2, mean pooling, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from searchkit.encoders.checkpoint import read_into
from searchkit.encoders.device import Placement, placement
from searchkit.encoders.minilm_files import DIM, minilm_config, minilm_tokens, minilm_weights
from searchkit.encoders.text import TextTower
from searchkit.errors import BadInput
from searchkit.models.bert import BertConfig, BertPooled, from_hugging_face
from searchkit.models.sizes import check_sizes
from searchkit.types import Runtime


def minilm(where: Placement | None = None) -> TextTower:
    """Text to (n, 384) unit vectors; the weights are read at the first call and checked by hash."""
    return TextTower(minilm_tokens, _network, where or placement(Runtime()), dim=DIM, is_mean=True)


def learned_minilm(weights: Path, architecture: Mapping[str, Any], where: Placement) -> TextTower:
    """A trained text tower of MiniLM's architecture, with MiniLM's tokenizer.

    Raises `BadInput` for an architecture that describes no BERT.
    """
    try:
        config = BertConfig(**architecture)
        check_sizes(config)
    except (TypeError, ValueError) as error:
        raise BadInput(f"{weights.parent / 'config.json'} describes no text tower: {error}") from error

    def network() -> BertPooled:
        return read_into(BertPooled(config), weights)

    return TextTower(minilm_tokens, network, where, dim=config.hidden_size, is_mean=True)


def _network() -> BertPooled:
    stored = minilm_config()
    network = BertPooled(BertConfig(**{f.name: stored[f.name] for f in fields(BertConfig)}))
    network.load_state_dict(from_hugging_face(load_file(minilm_weights())))
    return network
