"""Write what a distillation has learned as a folder that is an encoder: `--model FOLDER`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import nn

from searchkit.errors import BadInput
from searchkit.models.image_towers import ImageNetwork, image_network, read_config, to_run, write_config
from searchkit.training.checkpoint import BLOCKWISE, CHECKPOINT, read_checkpoint

Dtype = Literal["float32", "float16"]


def write_encoder(tower: nn.Module, name: str, out: Path, *, dtype: Dtype = "float16") -> Path:
    """Write a tower as `config.json` and `model.safetensors`, its branches fused into single convolutions."""
    assert isinstance(tower, ImageNetwork)
    tower = to_run(tower.cpu())
    out.mkdir(parents=True, exist_ok=True)
    weights = {
        key: (value.to(getattr(torch, dtype)) if value.is_floating_point() else value).contiguous()
        for key, value in tower.state_dict().items()
    }
    save_file(weights, out / "model.safetensors")
    (out / "model.safetensors").chmod(0o644)  # written for its owner alone; a model is for everyone here
    described = {"family": "pocket", "name": name, "tower": write_config(tower.config)}
    (out / "config.json").write_text(json.dumps(described, indent=2) + "\n")
    return out


def read_run(work: Path) -> tuple[ImageNetwork, str, int]:
    """The averaged tower, with its branches, of the last checkpoint in a run's folder; the recipe's name; the
    step.

    Raises `BadInput` for a folder without a checkpoint of this format.
    """
    path = work / CHECKPOINT
    if not path.is_file():
        if (work / BLOCKWISE).is_file():
            raise BadInput(
                f"the run in {work} still learns blockwise: its head knows nothing yet",
                hint="export it when the steps after [blockwise] have begun",
            )
        raise BadInput(f"no checkpoint in {work}", hint="name the --work folder of 'searchkit train'")
    state = read_checkpoint(path)
    prefix = "module."
    weights = {
        n.removeprefix(prefix): v for n, v in state["parts"]["average"].items() if n.startswith(prefix)
    }
    dim = len(weights["head.2.bias"])
    tower = image_network(read_config({**state["recipe"]["tower"], "dim": dim}))
    tower.load_state_dict(weights)
    return tower.eval(), state["recipe"]["name"], state["step"]


def export_run(work: Path, out: Path, *, dtype: Dtype = "float16") -> Path:
    """Write what the run in `work` has learned so far as an encoder in `out`."""
    tower, name, _ = read_run(work)
    return write_encoder(tower, name, out, dtype=dtype)
