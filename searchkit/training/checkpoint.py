"""What a run that was killed goes on from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from searchkit.errors import BadInput
from searchkit.training.recipe import Recipe

BLOCKWISE = "blockwise.pt"
"""In a run's folder, of its first part."""
SAVE_EVERY = 100
"""Steps between checkpoints."""
SAME = ("tower", "teacher")
"""What a run cannot go on with otherwise; how long and how fast it learns, and from what, may change."""


class Checkpoint:
    """Everything that a resumed run needs, replaced atomically. Never read from anyone else's file."""

    def __init__(self, path: Path, recipe: Recipe, **parts: nn.Module | torch.optim.Optimizer) -> None:
        self.path, self.recipe, self.parts = path, asdict(recipe), parts

    def save(self, step: int) -> None:
        state: dict[str, Any] = {name: part.state_dict() for name, part in self.parts.items()}
        state |= {"step": step, "recipe": self.recipe}
        scratch = self.path.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.path)

    def load(self) -> int:
        """The step to go on from; 0 without a checkpoint. Raises `BadInput` for that of another recipe."""
        if not self.path.is_file():
            return 0
        state = torch.load(self.path, weights_only=True, map_location="cpu")
        others = [part for part in SAME if state["recipe"].get(part) != self.recipe[part]]
        if others:
            raise BadInput(
                f"{self.path} was begun with another {' and another '.join(others)}",
                hint="name another --work",
            )
        for name, part in self.parts.items():
            part.load_state_dict(state[name])
        step: int = state["step"]
        return step
