"""The ONNX export that a model's publisher made of one of its networks, run by onnxruntime."""

from __future__ import annotations

import mmap
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from searchkit.errors import BadInput, ModelMissing

QUANTISED_NAME = re.compile(r"int8|q8|int4|q4|bnb4|nf4|quant|fp16|bf16", re.IGNORECASE)
QUANTISED_NODES = (b"QuantizeLinear", b"DequantizeLinear", b"MatMulInteger", b"ConvInteger", b"MatMulNBits")
NUMBERS = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(float)": np.float32}
Side = Literal["text", "image"]
NAMES: dict[Side, tuple[str, ...]] = {"text": ("text", "sentence"), "image": ("image", "vision", "visual")}
"""The words in the names of each side's outputs, for files with both networks."""


class Reference:
    """One network in an ONNX file, which maps named inputs to the vector of one side, not normalised."""

    def __init__(self, path: Path, side: Side, dim: int) -> None:
        self.path, self.side, self.dim = path, side, dim
        _check_file(path)
        self.session = _session(path)

    def __call__(self, known: Mapping[str, np.ndarray]) -> np.ndarray:
        """The (dim,) float32 vector of these inputs. Raises `BadInput` as `verify` does."""
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
        wanted = self.session.get_inputs()
        unknown = [
            f"{node.name} ({node.type})"
            for node in wanted
            if node.name not in known or node.type not in NUMBERS
        ]
        if unknown:
            raise BadInput(f"{self.path} asks for what is not known: {', '.join(unknown)}")
        inputs = {node.name: known[node.name].astype(NUMBERS[node.type]) for node in wanted}
        scalars = [node.name for node in wanted if node.shape == []]
        return inputs | {name: inputs[name].reshape(()) for name in scalars}

    def _of_dim(self, outputs: Mapping[str, Any], axes: int) -> np.ndarray | None:
        """The first output with so many axes and `dim` columns, preferring those that name the side."""
        fits = [
            name for name, value in outputs.items() if np.ndim(value) == axes and value.shape[-1] == self.dim
        ]
        named = [name for name in fits if any(word in name.lower() for word in NAMES[self.side])]
        chosen = next(iter(named or fits), None)
        output: np.ndarray | None = outputs[chosen] if chosen is not None else None
        return output


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
    """The types of quantised nodes in a file, found by their names in its bytes."""
    if path.stat().st_size == 0:
        return []
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        return [node.decode() for node in QUANTISED_NODES if whole.find(node) >= 0]


def _session(path: Path) -> Any:
    try:
        runtime = import_module("onnxruntime")
    except ImportError as error:
        raise ModelMissing(
            "onnxruntime, which runs the reference, is not installed", hint="pip install onnxruntime"
        ) from error
    try:
        return runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no other root
        raise BadInput(
            f"{path} cannot be run: {error}", hint="fetch it again, with its .onnx_data"
        ) from error
