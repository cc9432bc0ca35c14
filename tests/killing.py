"""A training run that is killed when it has written its first checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

import pytest

from searchkit.training.checkpoint import Checkpoint


@contextmanager
def killed_at_its_first_save(loop: ModuleType, *, after: int) -> Iterator[None]:
    """What runs inside must save after so many steps of `loop`, the module with the loop, and ends there."""
    real = Checkpoint.save

    def save_and_die(self: Checkpoint, step: int) -> None:
        real(self, step)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as cut:
        cut.setattr(Checkpoint, "save", save_and_die)
        cut.setattr(loop, "SAVE_EVERY", after)
        with pytest.raises(KeyboardInterrupt):
            yield
