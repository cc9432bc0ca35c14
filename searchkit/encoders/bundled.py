"""The encoders that come with searchkit, described and asked a few words without torch: its import takes a
second and a half, which a search from the command line would pay each time."""

from __future__ import annotations

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
from searchkit.encoders.minilm_files import DIM, minilm_config, minilm_tokens, minilm_weights
from searchkit.encoders.tokens import Tokens
from searchkit.encoders.towers import TEMPERATURE, TwoTowers
from searchkit.encoders.trained import record_and_space
from searchkit.types import Runtime, Vectors

if TYPE_CHECKING:
    from searchkit.encoders.image import ImageTower
    from searchkit.encoders.text import TextTower
    from searchkit.models.bert_numpy import BertMean

FEW = 4
"""The number of texts up to which one after the other is faster than torch's import."""


def bundled_folder(name: str = "pocket") -> Path:
    """The folder with the description and the weights of a bundled encoder."""
    return Path(str(resources.files("searchkit") / "weights" / name))


def bundled(name: str, runtime: Runtime) -> TwoTowers:
    """The encoder of that name, whose image tower is loaded when it is first needed.

    Raises `BadInput` for a device or a dtype that is not there, as `placement` does.
    """
    checkpoint = Checkpoint(name, bundled_folder(name))
    described = checkpoint.json()
    tower = described["tower"]
    record, space = record_and_space(
        checkpoint,
        str(described["family"]),
        dim=tower["dim"],
        pixels=tower["pixels"],
        text=None,
        source="bundled",
    )
    temperature = float(described.get("temperature", TEMPERATURE))

    @cache
    def whole() -> TwoTowers:
        from searchkit.encoders.device import placement
        from searchkit.encoders.pocket import load

        return load(checkpoint, None, placement(runtime))

    if runtime.device not in ("auto", "cpu") or runtime.dtype not in ("auto", "float32"):
        return TwoTowers(record, space, whole().text, whole().images, lambda: temperature)
    text, images = FewWords(lambda: whole().text), Later(lambda: whole().images)
    return TwoTowers(record, space, cast("TextTower", text), cast("ImageTower", images), lambda: temperature)


class Later:
    """Stands for an object that is made when an attribute of it is first read."""

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
    """MiniLM's text tower, which encodes a few texts with numpy as long as torch is not imported."""

    dim, is_mean = DIM, True

    @cached_property
    def tokens(self) -> Tokens:
        return minilm_tokens()

    @cached_property
    def _network(self) -> BertMean:
        from searchkit.models.bert_numpy import BertMean

        stored = minilm_config()
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
        """The vectors of n texts, as `TextTower.encode` gives them: (n, dim) float32, unit rows."""
        if len(texts) > FEW or "torch" in sys.modules:
            vectors: Vectors = self._made.encode(texts)
            return vectors
        with self._threads.limit(limits=1, user_api="blas"):  # a query is too small for two
            rows = [self._network(ids) for ids in self.tokens.ids(texts)]
        means = np.stack(rows) if rows else np.empty((0, self.dim), np.float32)
        unit: Vectors = means / np.linalg.norm(means, axis=1, keepdims=True)
        return unit
