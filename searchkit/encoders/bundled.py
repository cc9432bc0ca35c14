"""`pocket` as it comes along, described and asked a few words without torch: its import takes a second and a
half, which a search from the command line would pay each time."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors.numpy import load_file
from threadpoolctl import ThreadpoolController

from searchkit.encoders.checkpoint import Checkpoint
from searchkit.encoders.minilm_files import (
    DIM,
    SHA256,
    WINDOW,
    minilm_tokens,
    minilm_weights,
    model_folder,
)
from searchkit.encoders.records import licence
from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TwoTowers
from searchkit.types import EncoderRecord, Runtime, Space, Vectors

if TYPE_CHECKING:
    from searchkit.encoders.image import ImageTower
    from searchkit.encoders.text import TextTower
    from searchkit.models.bert_numpy import BertMean

PREPROCESSING = 1
TEXT_MEGABYTES = 90.9
FEW = 4
"""Texts, up to which one after the other is faster than torch's import."""


def bundled_folder() -> Path:
    return Path(str(resources.files("searchkit") / "weights" / "pocket"))


def bundled(name: str, runtime: Runtime) -> TwoTowers:
    """The encoder that comes along; a device or numbers that are not there are refused by `placement`."""
    found = Checkpoint(name, bundled_folder())
    described = found.json()
    tower = described["tower"]
    record, space = record_and_space(
        found, str(described["family"]), dim=tower["dim"], pixels=tower["pixels"], text=None
    )

    @cache
    def whole() -> TwoTowers:
        from searchkit.encoders.device import placement
        from searchkit.encoders.pocket import load

        return load(found, None, placement(runtime))

    if runtime.device not in ("auto", "cpu") or runtime.dtype not in ("auto", "float32"):
        return whole()
    text, images = FewWords(lambda: whole().text), Later(lambda: whole().images)
    return TwoTowers(record, space, cast("TextTower", text), cast("ImageTower", images))


def record_and_space(
    found: Checkpoint, family: str, *, dim: int, pixels: int, text: Path | None
) -> tuple[EncoderRecord, Space]:
    """What a folder that `searchkit train` wrote says of itself. `text` has its text tower's weights; None is
    MiniLM's own."""
    megabytes = found.megabytes + (TEXT_MEGABYTES if text is None else text.stat().st_size / 1e6)
    name, restricted = licence(found, "Apache-2.0")
    record = EncoderRecord(
        name=found.name,
        dim=dim,
        licence=name,
        languages="English",
        text_window=WINDOW,
        pixels=pixels,
        megabytes=round(megabytes, 1),
        family=family,
        source="bundled" if found.folder == bundled_folder() else str(found.folder),
        restricted=restricted,
    )
    text_sha256 = SHA256 if text is None else hashlib.sha256(text.read_bytes()).hexdigest()
    both = hashlib.sha256(f"{text_sha256} {found.sha256}".encode()).hexdigest()
    return record, Space(found.name, both, PREPROCESSING, dim)


class Later:
    """Something that is made when anything of it is first asked for."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    @cached_property
    def _made(self) -> Any:
        return self._make()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what copying asks for, before there is anything
            raise AttributeError(name)
        return getattr(self._made, name)


class FewWords(Later):
    """MiniLM's tower, which for a few texts of a process without torch goes through numpy."""

    dim, is_mean = DIM, True

    @cached_property
    def tokens(self) -> Tokens:
        return minilm_tokens()

    @cached_property
    def _network(self) -> BertMean:
        from searchkit.models.bert_numpy import BertMean

        stored = json.loads((model_folder() / "config.json").read_text())
        return BertMean(
            load_file(minilm_weights()),
            layers=stored["num_hidden_layers"],
            heads=stored["num_attention_heads"],
            epsilon=stored["layer_norm_eps"],
        )

    @cached_property
    def _threads(self) -> ThreadpoolController:
        return ThreadpoolController()

    def offsets(self, text: str) -> Sequence[tuple[int, int]]:
        return self.tokens.offsets(text)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """As `TextTower.encode`."""
        if len(texts) > FEW or "torch" in sys.modules:
            vectors: Vectors = self._made.encode(texts)
            return vectors
        with self._threads.limit(limits=1, user_api="blas"):  # a query is too small for two
            rows = [self._network(ids) for ids in self.tokens.ids(texts)]
        means = np.stack(rows) if rows else np.empty((0, self.dim), np.float32)
        unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit
