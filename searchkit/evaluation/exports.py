"""ONNX files that the makers of a model publish beside its weights: where they are, and running one."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from searchkit.encoders.checkpoint import is_repository
from searchkit.errors import BadInput, ModelMissing

APART, TOGETHER = ("onnx/text_model.onnx", "onnx/vision_model.onnx"), ("onnx/model.onnx",) * 2
"""The fp32 files of texts and of pictures, as two files or as one that has both networks."""
QUANTISED_NAME = re.compile(r"int8|q8|int4|q4|bnb4|nf4|quant|fp16|bf16", re.IGNORECASE)
QUANTISED_NODES = (b"QuantizeLinear", b"DequantizeLinear", b"MatMulInteger", b"ConvInteger", b"MatMulNBits")
NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}
Side = Literal["text", "image"]
NAMES: dict[Side, tuple[str, ...]] = {"text": ("text", "sentence"), "image": ("image", "vision", "visual")}
"""What an output is called that belongs to one side, where one file has both."""


def exports(name: str, *, offline: bool = False) -> tuple[Path, Path]:
    """The files of texts and of pictures in a model's folder, or in a repository of the hub ("owner/model" or
    "owner/model@commit"), where they are fetched. Raises `ModelMissing` where there are none."""
    for files in (APART, TOGETHER):
        folder = _fetched(name, files, offline=offline) if is_repository(name) else Path(name)
        text, vision = (folder / file for file in files)
        if text.is_file() and vision.is_file():
            return text, vision
    raise ModelMissing(
        f"there is no fp32 export of {name} here: neither {' and '.join(APART)} nor {TOGETHER[0]}",
        hint=_by_hand(name)
        if is_repository(name)
        else "see what is published beside its weights, under onnx",
    )


def _by_hand(name: str) -> str:
    return f"once, with a network: hf download {name.partition('@')[0]} {' '.join(APART)}"


def _fetched(name: str, files: Sequence[str], *, offline: bool) -> Path:
    """The folder of a repository, with those of the files that it has."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

    repository, _, revision = name.partition("@")
    patterns = [f"{file}*" for file in files]  # weights of more than 2 GB lie in a second file: .onnx_data
    try:
        folder = snapshot_download(
            repository, revision=revision or None, allow_patterns=patterns, local_files_only=offline
        )
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError) as error:
        raise ModelMissing(
            f"the export of {name} is not on this machine and cannot be fetched",
            hint=_by_hand(name),
        ) from error
    return Path(folder)


class Reference:
    """One network in an ONNX file: inputs by name to the vector of one side, not normalised."""

    def __init__(self, path: Path, side: Side, dim: int) -> None:
        self.path, self.side, self.dim = path, side, dim
        _check_file(path)
        self.session = _session(path)

    def __call__(self, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """(dim,) float32. Raises `BadInput` as `verify` does."""
        names = [output.name for output in self.session.get_outputs()]
        outputs = dict(zip(names, self.session.run(None, self._inputs(known)), strict=True))
        flat, tokens = (self._of_dim(outputs, axes) for axes in (2, 3))
        if flat is not None:
            first: np.ndarray = flat[0]
            return first
        if tokens is not None and self.side == "text":
            mask = known["attention_mask"][0][:, None]
            pooled: np.ndarray = (tokens[0] * mask).sum(0) / mask.sum()
            return pooled
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in outputs.items())
        raise BadInput(f"{self.path} gives no {self.side} vector of {self.dim} components: {shapes}")

    def _inputs(self, known: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        asked = self.session.get_inputs()
        strange = [
            f"{one.name} ({one.type})" for one in asked if one.name not in known or one.type not in NUMBERS
        ]
        if strange:
            raise BadInput(f"{self.path} asks for what is not known: {', '.join(strange)}")
        inputs = {one.name: known[one.name].astype(NUMBERS[one.type]) for one in asked}
        scalars = [one.name for one in asked if one.shape == []]
        return inputs | {name: inputs[name].reshape(()) for name in scalars}

    def _of_dim(self, outputs: Mapping[str, Any], axes: int) -> np.ndarray | None:
        """The first of the outputs with so many axes; of two sides' outputs, the first that names its own."""
        fits = [
            name for name, value in outputs.items() if np.ndim(value) == axes and value.shape[-1] == self.dim
        ]
        named = [name for name in fits if any(word in name.lower() for word in NAMES[self.side])]
        chosen = next(iter(named or fits), None)
        found: np.ndarray | None = outputs[chosen] if chosen is not None else None
        return found


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise ModelMissing(
            f"{path} is not on this machine",
            hint="it is published beside the weights: hf download OWNER/MODEL onnx/text_model.onnx",
        )
    nodes = _quantised_nodes(path)
    if nodes or QUANTISED_NAME.search(path.stem):
        raise BadInput(
            f"{path} is no reference: its numbers are shortened ({', '.join(nodes) or 'as its name says'})",
            hint="take the fp32 export: onnx/text_model.onnx, onnx/vision_model.onnx",
        )


def _quantised_nodes(path: Path) -> Sequence[str]:
    """The kinds of nodes that compute in short numbers, found by their names in the file."""
    if path.stat().st_size == 0:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return [node.decode() for node in QUANTISED_NODES if whole.find(node) >= 0]


def onnxruntime() -> Any:
    """The package that runs ONNX files. Raises `ModelMissing` where it is not installed."""
    try:
        return import_module("onnxruntime")
    except ImportError as error:
        raise ModelMissing(
            "onnxruntime, which runs the reference, is not installed", hint="pip install onnxruntime"
        ) from error


def _session(path: Path) -> Any:
    runtime = onnxruntime()
    try:
        return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no other root
        raise BadInput(
            f"{path} cannot be run: {error}", hint="fetch it again, with its .onnx_data"
        ) from error
