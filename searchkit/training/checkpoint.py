"""What a run that was killed goes on from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from searchkit.training.recipe import Recipe

SAVE_EVERY = 100
"""Steps between checkpoints."""


class Checkpoint:
    """Everything that a resumed run needs, replaced atomically. Never read from anyone else's file."""

    def __init__(self, path: Path, **parts: nn.Module | torch.optim.Optimizer) -> None:
        self.path = path
        self.parts = parts

    def save(self, step: int, recipe: Recipe) -> None:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"step": step, "recipe": asdict(recipe)}
        scratch = self.path.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.path)

    def load(self) -> int:
        """The step to go on from; 0 without a checkpoint."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        step: int = state["step"]
        return step
