"""Checkpoints: the one file that a stopped training run goes on from, whatever it trains."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from searchkit.errors import BadInput

FORMAT = 2
CHECKPOINT = "checkpoint.pt"
"""Name of the file in a run's folder."""
BLOCKWISE = "blockwise.pt"
"""Name of the file that the blockwise first part of a distillation keeps."""
SAVE_EVERY = 100
"""Steps between two checkpoints of a distillation."""


class Stateful(Protocol):
    """Anything that a checkpoint can keep: modules and optimisers of torch are such things."""

    def state_dict(self) -> Any: ...

    def load_state_dict(self, state_dict: Any) -> Any: ...


class Checkpoint:
    """The file at `path`, replaced atomically: step, recipe, random state and the state of every part.

    `recipe` is kept whole; only a run whose recipe has other values at the keys `fixed` cannot go on, so that
    what is left to learn may change. The file must never be read from anyone else's run.
    """

    def __init__(
        self, path: Path, recipe: Mapping[str, Any], fixed: Collection[str], **parts: Stateful
    ) -> None:
        self.path, self.recipe, self.fixed, self.parts = path, dict(recipe), fixed, parts

    def save(self, step: int) -> None:
        state = {
            "format": FORMAT,
            "step": step,
            "recipe": self.recipe,
            "random": torch.get_rng_state(),
            "parts": {name: part.state_dict() for name, part in self.parts.items()},
        }
        scratch = self.path.with_suffix(".tmp")
        torch.save(state, scratch)
        scratch.replace(self.path)

    def load(self) -> int:
        """Give every part its state back and return the step to go on from; 0 without a checkpoint.

        Raises `BadInput` for a checkpoint of another format, recipe or training set.
        """
        if not self.path.is_file():
            return 0
        state = read_checkpoint(self.path)
        differing = [name for name in self.fixed if state["recipe"].get(name) != self.recipe.get(name)]
        if differing:
            raise BadInput(
                f"{self.path} was begun with another {' and another '.join(differing)}: it belongs to "
                "another recipe or to other data",
                hint="name another folder with --work, or delete this one to begin again",
            )
        for name, part in self.parts.items():
            part.load_state_dict(state["parts"][name])
        torch.set_rng_state(state["random"])
        step: int = state["step"]
        return step


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU. Raises `BadInput` for a file of another format."""
    state: dict[str, Any] = torch.load(path, weights_only=True, map_location="cpu")
    if state.get("format") != FORMAT:
        raise BadInput(
            f"{path} is a checkpoint of format {state.get('format', 1)}; format {FORMAT} is read here",
            hint="finish that run with the searchkit that began it, or delete the file to begin again",
        )
    return state
