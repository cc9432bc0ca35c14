"""Training towers by a plan, in a folder that can be read: it survives being killed, and stops when it
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
from searchkit.finetuning.couples import Couples, Sampler, load_couples
from searchkit.finetuning.locked import Locked
from searchkit.finetuning.objective import backward, part_of
from searchkit.finetuning.plan import SIDES, Plan
from searchkit.finetuning.towers import Towers, save_encoder
from searchkit.registry import load_encoder
from searchkit.training.events import events
from searchkit.types import Runtime

log = logging.getLogger(__name__)

DIVERGED = 1.5
"""A running loss this many times what it was in the first steps: the run is stopped."""
FIRST = 10
"""Steps whose mean loss is the beginning's."""

OnStep = Callable[[int, int, float], object]
"""(steps done, of how many, loss)."""


def data_of(plan: Plan, folder: Path) -> tuple[list[Couples], list[Couples]]:
    """The data sets of a plan: of texts, and of texts with pictures. Raises `BadInput`."""
    return (
        [load_couples(folder, one, pictures=False) for one in plan.text],
        [load_couples(folder, one, pictures=True) for one in plan.images],
    )


def learning_rate(step: int, plan: Plan) -> float:
    """Linear to `rate` over `warmup` steps, then half a cosine to zero."""
    if step < plan.warmup:
        return plan.rate * (step + 1) / plan.warmup
    done = (step - plan.warmup) / max(1, plan.steps - plan.warmup)
    return plan.rate * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def train_towers(
    towers: Towers,
    text: Sequence[Couples],
    images: Sequence[Couples],
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
            rate = learning_rate(step, plan)
            losses = run.step(step, rate)
            loss = sum(losses.values())
            numbers = {"loss": loss, "rate": rate, **run.speed(step + 1 - first, time.monotonic() - began)}
            run.note(step + 1, numbers, losses)
            write(step + 1, {**numbers, **{f"loss/{name}": one for name, one in losses.items()}})
            if (step + 1) % plan.save_every == 0 or step + 1 == plan.steps:
                run.save(step + 1)
            on_step(step + 1, plan.steps, loss)


class Run:
    """The state of a run, and its folder: `plan.json`, `log.jsonl` and `checkpoint.pt`."""

    def __init__(
        self, towers: Towers, text: Sequence[Couples], images: Sequence[Couples], folder: Path
    ) -> None:
        self.towers, self.folder = towers, folder
        plan = towers.plan
        self.locked = Locked(towers, [*text, *images])
        self.samplers = (Sampler(text, plan.batch, plan.seed), Sampler(images, plan.batch, plan.seed + 1))
        learned = towers.learned()
        matrices = [value for name, value in learned.items() if value.ndim >= 2 and "position" not in name]
        others = [
            value for name, value in learned.items() if not (value.ndim >= 2 and "position" not in name)
        ]
        self.optimiser = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": plan.weight_decay},
                {"params": others, "weight_decay": 0.0},
            ],
            lr=plan.rate,
            betas=(0.9, 0.98),
            eps=1e-6,
        )
        self.start, self.running, self.seen = 0.0, 0.0, 0
        self.done, self.pairs = 0, 0
        """Steps before this process began, and pairs since."""
        data = hashlib.sha256("".join(one.fingerprint for one in (*text, *images)).encode()).hexdigest()
        # what may be another in a run that goes on: how many steps there are, and how fast they are
        fixed = {
            n: v for n, v in plan.to_json().items() if n not in ("steps", "rate", "warmup", "save_every")
        }
        self.identity = json.dumps({**fixed, "data": data}, sort_keys=True, default=list)

    def step(self, step: int, rate: float) -> dict[str, float]:
        """One step; the loss of each data set that had a part in it, which add up. Raises `BadInput` where
        it went wrong, before anything has moved."""
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        drawn = [sampler.draw(step) for sampler in self.samplers]
        self.optimiser.zero_grad()
        losses: dict[str, float] = {}
        for side, one in zip(SIDES, drawn, strict=True):
            if one is not None:
                couples, rows = one
                part = part_of(couples, rows, self.towers, self.locked, step=step)
                losses[f"{side}/{couples.name}"] = float(backward(self.towers, **{side: part}))
                self.pairs += len(rows)
        loss = sum(losses.values())
        norm = nn.utils.clip_grad_norm_(list(self.towers.learned().values()), 1.0)
        if not math.isfinite(loss) or not math.isfinite(float(norm)):
            raise self._stopped(step, f"the loss is {loss}, its gradient's length {float(norm)}")
        self.optimiser.step()
        self.seen += 1
        self.running = loss if self.seen == 1 else 0.9 * self.running + 0.1 * loss
        self.start += loss / FIRST if self.seen <= FIRST else 0.0
        if self.seen > 2 * FIRST and self.running > DIVERGED * self.start:
            raise self._stopped(step, f"the loss has grown from {self.start:.3f} to {self.running:.3f}")
        return losses

    def _stopped(self, step: int, why: str) -> BadInput:
        there = (self.folder / "checkpoint.pt").is_file()
        kept = f"the last good checkpoint is in {self.folder}" if there else "there is no checkpoint yet"
        return BadInput(
            f"training {self.towers.plan.name} stopped at step {step + 1}: {why}; {kept}",
            hint="go on from there with a lower rate, or begin again in another folder",
        )

    def speed(self, steps: int, seconds: float) -> dict[str, float]:
        """After so many steps of this process in so many seconds."""
        left = self.towers.plan.steps - self.done - steps
        return {"pairs_per_second": self.pairs / seconds, "seconds_left": left * seconds / steps}

    def note(self, step: int, numbers: Mapping[str, float], losses: Mapping[str, float]) -> None:
        """A line of `log.jsonl`."""
        line: dict[str, Any] = {"step": step, **{name: round(one, 6) for name, one in numbers.items()}}
        line["rate"] = numbers["rate"]
        line["losses"] = {name: round(one, 6) for name, one in losses.items()}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def save(self, step: int) -> None:
        """Everything that a resumed run needs, replaced in one step."""
        state: dict[str, Any] = {
            "identity": self.identity,
            "step": step,
            "learned": {name: value.detach() for name, value in self.towers.learned().items()},
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "positions": [sampler.positions for sampler in self.samplers],
            "losses": [self.start, self.running, self.seen],
            "locked": self.locked.state(),
        }
        scratch = self.folder / "checkpoint.tmp"
        torch.save(state, scratch)
        scratch.replace(self.folder / "checkpoint.pt")

    def load(self) -> int:
        """The step to go on from; 0 without a checkpoint."""
        path = self.folder / "checkpoint.pt"
        (self.folder / "plan.json").write_text(json.dumps(self.towers.plan.to_json(), indent=2) + "\n")
        if not path.is_file():
            (self.folder / "log.jsonl").unlink(missing_ok=True)
            torch.manual_seed(self.towers.plan.seed)
            return 0
        state = torch.load(path, weights_only=True)
        if state["identity"] != self.identity:
            raise BadInput(
                f"{self.folder} holds a run by another recipe, or from other data",
                hint="give another folder with --work, or delete this one",
            )
        with torch.no_grad():
            for name, value in self.towers.learned().items():
                value.copy_(state["learned"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        for sampler, positions in zip(self.samplers, state["positions"], strict=True):
            sampler.positions = list(positions)
        self.start, self.running, self.seen = state["losses"]
        self.locked.load(state["locked"])
        step = self.done = int(state["step"])
        log_file = self.folder / "log.jsonl"
        lines = log_file.read_text().splitlines() if log_file.is_file() else []
        log_file.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] <= step))
        return step


def run_plan(
    plan: Plan,
    data: Path,
    work: Path,
    out: Path,
    runtime: Runtime,
    *,
    on_step: OnStep = lambda done, total, loss: None,
) -> Path:
    """Train by a plan's own data and write the encoder into `out`. Raises as `train_towers` does."""
    text, images = data_of(plan, data)
    towers = Towers(load_encoder(plan.parent, runtime), plan)
    train_towers(towers, text, images, work, on_step=on_step)
    towers.merge()
    made = {"data": {one.name: one.fingerprint for one in (*text, *images)}, "steps": plan.steps}
    return save_encoder(towers, out, made)
