"""Training towers by a plan, in a folder that can be read: a run survives being killed, and stops when it
goes wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from searchkit.encoders.device import keep_freed_memory
from searchkit.errors import BadInput
from searchkit.finetuning.batches import LockedVectors, Sampler, pair_batch
from searchkit.finetuning.objective import backward
from searchkit.finetuning.plan import SIDES, Plan
from searchkit.finetuning.towers import Towers, save_encoder
from searchkit.finetuning.training_set import TrainingSet, load_training_set
from searchkit.registry import load_encoder
from searchkit.training.checkpoint import CHECKPOINT, Checkpoint
from searchkit.training.events import events
from searchkit.training.schedule import decay_groups, learning_rate
from searchkit.types import Runtime

log = logging.getLogger(__name__)

LOG = "log.jsonl"
DIVERGED = 1.5
"""A run is stopped when its running loss is this many times the loss of its first steps."""
FIRST = 10
"""Number of steps whose mean loss counts as that of the beginning."""
CHANGEABLE = {"steps", "rate", "warmup", "save_every"}
"""Values of a plan that may be others when a run goes on: how many steps there are, and how fast they are."""

OnStep = Callable[[int, int, float], object]
"""Called with the number of steps done, of how many, and the loss."""


def run_plan(
    plan: Plan,
    data: Path,
    work: Path,
    out: Path,
    runtime: Runtime,
    *,
    on_step: OnStep = lambda done, total, loss: None,
) -> Path:
    """Train by a plan's own files in the folder `data` and write the encoder into `out`.

    Raises as `load_training_set` and `train_towers` do.
    """
    text = [load_training_set(data, file, pictures=False) for file in plan.text]
    images = [load_training_set(data, file, pictures=True) for file in plan.images]
    towers = Towers(load_encoder(plan.parent, runtime), plan)
    train_towers(towers, text, images, work, on_step=on_step)
    towers.merge()
    made = {"data": {own.name: own.fingerprint for own in (*text, *images)}, "steps": plan.steps}
    return save_encoder(towers, out, made)


def train_towers(
    towers: Towers,
    text: Sequence[TrainingSet],
    images: Sequence[TrainingSet],
    folder: Path,
    *,
    on_step: OnStep = lambda done, total, loss: None,
) -> None:
    """Run a plan to its end, or go on from the checkpoint in `folder`; the towers then hold what was learned.

    A run that was killed and goes on gives the weights of one that was not, bit by bit on one processor and
    thread count. Raises `BadInput` for a folder of another run, and where the loss is no number or has
    grown far above its beginning: the folder then holds the last good checkpoint.
    """
    keep_freed_memory()
    plan = towers.plan
    if not text and not images:
        raise BadInput(f"the recipe {plan.name} has no data", hint="give it [[text]] or [[images]]")
    folder.mkdir(parents=True, exist_ok=True)
    run = Run(towers, text, images, folder)
    first = run.load()
    log.info("training %s from step %d to %d", plan.name, first, plan.steps)
    began = time.monotonic()
    with events(folder, first) as write:
        for step in range(first, plan.steps):
            rate = learning_rate(step, plan.steps, plan)
            losses = run.step(step, rate)
            loss = sum(losses.values())
            numbers = {"loss": loss, "rate": rate, **run.speed(step + 1 - first, time.monotonic() - began)}
            run.note(step + 1, numbers, losses)
            write(step + 1, {**numbers, **{f"loss/{name}": one for name, one in losses.items()}})
            if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
                run.checkpoint.save(step + 1)
            on_step(step + 1, plan.steps, loss)


class Run:
    """The state of a run, and its folder: `plan.json`, `log.jsonl` and `checkpoint.pt`."""

    def __init__(
        self, towers: Towers, text: Sequence[TrainingSet], images: Sequence[TrainingSet], folder: Path
    ) -> None:
        self.towers, self.folder = towers, folder
        plan = towers.plan
        self.locked = LockedVectors(towers, [*text, *images])
        self.samplers = (Sampler(text, plan.batch, plan.seed), Sampler(images, plan.batch, plan.seed + 1))
        self.optimiser = torch.optim.AdamW(
            decay_groups(towers.learned().items(), plan.weight_decay),
            lr=plan.rate,
            betas=(0.9, 0.98),
            eps=1e-6,
        )
        self.start, self.running, self.seen = 0.0, 0.0, 0
        """The mean loss of the first steps, the running loss, and the number of steps."""
        self.done, self.pairs = 0, 0
        """Number of steps before this process began, and of pairs since."""
        data = hashlib.sha256("".join(own.fingerprint for own in (*text, *images)).encode()).hexdigest()
        recipe = {**plan.to_json(), "training set": data}
        fixed = [name for name in recipe if name not in CHANGEABLE]
        self.checkpoint = Checkpoint(folder / CHECKPOINT, recipe, fixed, run=self)

    def load(self) -> int:
        """Take up the checkpoint of the folder and return the step to go on from; 0 without one."""
        (self.folder / "plan.json").write_text(json.dumps(self.towers.plan.to_json(), indent=2) + "\n")
        log_file = self.folder / LOG
        step = self.done = self.checkpoint.load()
        if not step:
            log_file.unlink(missing_ok=True)
            torch.manual_seed(self.towers.plan.seed)
            return 0
        lines = log_file.read_text().splitlines() if log_file.is_file() else []
        log_file.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))
        return step

    def step(self, step: int, rate: float) -> dict[str, float]:
        """Take one step; return the loss of each training set that had a part in it, which add up.

        Raises `BadInput` where it went wrong, before anything has moved.
        """
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        drawn = [sampler.draw(step) for sampler in self.samplers]
        self.optimiser.zero_grad()
        losses: dict[str, float] = {}
        for side, chosen in zip(SIDES, drawn, strict=True):
            if chosen is not None:
                data, rows = chosen
                batch = pair_batch(data, rows, self.towers, self.locked, step=step)
                losses[f"{side}/{data.name}"] = float(backward(self.towers, **{side: batch}))
                self.pairs += len(rows)
        loss = sum(losses.values())
        norm = float(nn.utils.clip_grad_norm_(list(self.towers.learned().values()), 1.0))
        if not math.isfinite(loss) or not math.isfinite(norm):
            raise self._stopped(step, f"the loss is {loss}, its gradient's length {norm}")
        self.optimiser.step()
        self._watch(step, loss)
        return losses

    def _watch(self, step: int, loss: float) -> None:
        """Follow the loss. Raises `BadInput` where it has grown far above its beginning."""
        self.seen += 1
        self.running = loss if self.seen == 1 else 0.9 * self.running + 0.1 * loss
        self.start += loss / FIRST if self.seen <= FIRST else 0.0
        if self.seen > 2 * FIRST and self.running > DIVERGED * self.start:
            raise self._stopped(step, f"the loss has grown from {self.start:.3f} to {self.running:.3f}")

    def _stopped(self, step: int, why: str) -> BadInput:
        there = self.checkpoint.path.is_file()
        kept = f"the last good checkpoint is in {self.folder}" if there else "there is no checkpoint yet"
        return BadInput(
            f"training {self.towers.plan.name} stopped at step {step + 1}: {why}; {kept}",
            hint="go on from there with a lower rate, or begin again in another folder",
        )

    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        """Pairs a second and seconds left, after `steps` steps of this process in `seconds`."""
        left = self.towers.plan.steps - self.done - steps
        return {"pairs_per_second": self.pairs / seconds, "seconds_left": left * seconds / steps}

    def note(self, step: int, numbers: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """Write a line of `log.jsonl`."""
        line: dict[str, Any] = {"step": step, **{name: round(one, 6) for name, one in numbers.items()}}
        line["rate"] = numbers["rate"]
        line["losses"] = {name: round(one, 6) for name, one in losses.items()}
        with (self.folder / LOG).open("a") as file:
            file.write(json.dumps(line) + "\n")

    def state_dict(self) -> dict[str, Any]:
        """Everything that a resumed run needs, for the checkpoint."""
        return {
            "learned": {name: value.detach() for name, value in self.towers.learned().items()},
            "optimiser": self.optimiser.state_dict(),
            "positions": [sampler.positions for sampler in self.samplers],
            "losses": [self.start, self.running, self.seen],
            "locked": self.locked.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for name, value in self.towers.learned().items():
                value.copy_(state["learned"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        for sampler, positions in zip(self.samplers, state["positions"], strict=True):
            sampler.positions = list(positions)
        self.start, self.running, self.seen = state["losses"]
        self.locked.load_state_dict(state["locked"])
