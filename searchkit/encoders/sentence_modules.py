"""The modules that a sentence-transformers checkpoint lists: pooling, and the small layers behind it.

A module is told by the last word of its type alone; nothing is imported because a file names it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from torch import nn

from searchkit.encoders.checkpoint import AGAIN, Checkpoint, joined_sha256, read_json
from searchkit.errors import BadInput
from searchkit.models.pooling import ACTIVATIONS, POOLS, Dense, Normalize, Sentence

OWN = "sentence_transformers."
OTHERS = ("CLIPModel", "Router", "Asym")
OTHER = "choose another: searchkit models"
PICTURES = (
    "for pictures and text, name the model's own checkpoint, e.g. openai/clip-vit-base-patch32 or "
    "google/siglip2-base-patch16-224"
)
BOOLEANS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The keys of older files for each `pooling_mode`, in the order in which several are joined."""
USUAL = {
    "module_input_name": "sentence_embedding",
    "module_output_name": "sentence_embedding",
    "use_residual": False,
}
"""The usual settings of a Dense module; others cannot be followed."""


@dataclass(frozen=True, slots=True)
class Projection:
    """A Dense layer: its shape, and the folder of its weights."""

    folder: str
    inner: int
    outer: int
    bias: bool
    activation: str

    def weights(self, checkpoint: Checkpoint) -> Checkpoint:
        return Checkpoint(f"{checkpoint.name}/{self.folder}", checkpoint.folder / self.folder)

    def filled(self, checkpoint: Checkpoint) -> Dense:
        """The layer with its weights. Raises `BadInput` for tensors that are not exactly its own."""
        dense = Dense(self.inner, self.outer, bias=self.bias, activation=self.activation)
        try:
            dense.load_state_dict(self.weights(checkpoint).tensors(), strict=True)
        except RuntimeError as error:
            raise BadInput(
                f"{checkpoint.name}: {self.folder}/model.safetensors does not hold the layer of its "
                "config.json",
                hint=AGAIN,
            ) from error
        return dense


@dataclass(frozen=True, slots=True)
class Modules:
    """The pools, and the layers behind them."""

    width: int
    """The width of the tokens' vectors."""
    pools: tuple[str, ...]
    behind: tuple[Projection | None, ...]
    """None is a normalisation."""
    pools_prompts: bool
    """Whether a prompt's tokens are pooled with the text's."""

    @property
    def dim(self) -> int:
        outer = [layer.outer for layer in self.behind if layer is not None]
        return outer[-1] if outer else self.width * len(self.pools)

    @property
    def is_mean(self) -> bool:
        """Whether a text's vector, normalised, is the mean of its tokens' vectors behind the projections."""
        linear = all(layer is None or layer.activation == "Identity" for layer in self.behind)
        return self.pools == ("mean",) and linear and None not in self.behind[:-1]

    def sha256(self, checkpoint: Checkpoint) -> str:
        """One sha256 of all the weights: those of the network, and those of the projections."""
        return joined_sha256(
            [checkpoint.sha256, *(layer.weights(checkpoint).sha256 for layer in self.behind if layer)]
        )

    def around(self, checkpoint: Checkpoint, tokens: nn.Module) -> Sentence:
        """The whole network around the one that gives token vectors, with the projections' weights."""
        layers = [Normalize() if layer is None else layer.filled(checkpoint) for layer in self.behind]
        return Sentence(tokens, self.pools, layers)


def read_modules(checkpoint: Checkpoint) -> Modules:
    """Reads and checks modules.json and the config.json of each module.

    Raises `BadInput` for modules that would run code of the checkpoint, that read more than text, or that
    are not known; `ModelMissing` naming a file that is not there.
    """
    listed = _listed(checkpoint)
    names = [name for name, _ in listed]
    if names[:2] != ["Transformer", "Pooling"] or any(n not in ("Dense", "Normalize") for n in names[2:]):
        raise BadInput(
            f"{checkpoint.name} is made of {', '.join(names) or 'nothing'}",
            hint="what can be read: Transformer, Pooling, then Dense and Normalize",
        )
    if listed[0][1]:
        raise BadInput(
            f"{checkpoint.name} has its network in {listed[0][1]}", hint="move its files up a folder"
        )
    width, pools, whole = _pooling(checkpoint, listed[1][1])
    behind = tuple(
        _projection(checkpoint, folder) if name == "Dense" else None for name, folder in listed[2:]
    )
    modules = Modules(width, pools, behind, whole)
    inner = width * len(pools)
    for layer in filter(None, behind):
        if layer.inner != inner:
            raise BadInput(
                f"{checkpoint.name}: {layer.folder} takes {layer.inner} numbers of {inner}", hint=AGAIN
            )
        inner = layer.outer
    return modules


def _listed(checkpoint: Checkpoint) -> list[tuple[str, str]]:
    """The kind and the folder of each module, in the order of modules.json."""
    path = checkpoint.path("modules.json")
    try:
        listed = [(str(module["type"]), str(module["path"])) for module in read_json(path)]
    except (ValueError, TypeError, KeyError) as error:
        raise BadInput(f"{path} is no list of modules: {error!r}", hint=AGAIN) from error
    for kind, folder in listed:
        if not kind.startswith(OWN):
            raise BadInput(
                f"{checkpoint.name} has a module {kind}, which is code of its own: it is not run",
                hint=OTHER,
            )
        if kind.rpartition(".")[2] in OTHERS:
            raise BadInput(f"{checkpoint.name} is no encoder of text alone ({kind})", hint=PICTURES)
        if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts:
            raise BadInput(f"{path} names a folder outside of the model: {folder}", hint=AGAIN)
    return [(kind.rpartition(".")[2], folder) for kind, folder in listed]


def _pooling(checkpoint: Checkpoint, folder: str) -> tuple[int, tuple[str, ...], bool]:
    """The width of the token vectors, the pools, and whether a prompt is pooled too."""
    config = checkpoint.json(f"{folder}/config.json")
    modes = (
        config.get("pooling_mode") or [mode for key, mode in BOOLEANS.items() if config.get(key)] or "mean"
    )
    pools = (modes,) if isinstance(modes, str) else tuple(modes)
    width = config.get("embedding_dimension", config.get("word_embedding_dimension"))
    if not isinstance(width, int) or any(pool not in POOLS for pool in pools):
        raise BadInput(
            f"{checkpoint.name}: {folder}/config.json pools {width} numbers by {', '.join(map(str, pools))}",
            hint=f"pooling can be: {', '.join(POOLS)}",
        )
    return width, pools, bool(config.get("include_prompt", True))


def _projection(checkpoint: Checkpoint, folder: str) -> Projection:
    config = checkpoint.json(f"{folder}/config.json")
    activation = _activation(checkpoint, folder, config)
    inner, outer = config.get("in_features"), config.get("out_features")
    other = [key for key, usual in USUAL.items() if config.get(key) not in (None, usual)]
    if not isinstance(inner, int) or not isinstance(outer, int) or other:
        raise BadInput(
            f"{checkpoint.name}: {folder}/config.json describes no layer that can be read "
            f"(in {inner}, out {outer}{''.join(f', {key} {config[key]!r}' for key in other)})",
            hint=AGAIN,
        )
    layer = Projection(folder, inner, outer, bool(config.get("bias", True)), activation)
    _ = layer.weights(checkpoint).weight_files  # raises for weights that are not there, or only as a pickle
    return layer


def _activation(checkpoint: Checkpoint, folder: str, config: Mapping[str, Any]) -> str:
    function = str(config.get("activation_function", "torch.nn.modules.activation.Tanh"))
    module, _, name = function.rpartition(".")
    if not module.startswith("torch.nn") or name not in ACTIVATIONS:
        raise BadInput(
            f"{checkpoint.name}: {folder}/config.json has activation_function {function}",
            hint=f"activations that can be followed: {', '.join(ACTIVATIONS)}",
        )
    return name
