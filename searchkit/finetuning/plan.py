"""A plan: a recipe for the towers of an encoder that is there already, read from TOML.

Both parts of a step, text with text and text with pictures, learn together, and their losses are summed.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from typing import Any

from searchkit.errors import BadInput
from searchkit.training.recipe import recipe_text

SIDES = ("text", "images")


@dataclass(frozen=True, slots=True)
class DataSet:
    """One file of a plan, as `searchkit adapt --pairs` reads it; or a parquet with `image` and `captions`."""

    file: str
    share: float = 1.0
    """Part of the steps whose batch is from here: a batch is always of one data set."""
    split: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What learns, how, and from what."""

    name: str
    parent: str
    """The encoder that it starts from: a name, or a folder."""
    steps: int
    batch: int
    """Pairs of each part of a step."""
    rate: float
    learns: tuple[str, ...] = SIDES
    """Of "text" and "images" the towers that move."""
    rank: int = 0
    """Of the low-rank updates (LoRA); 0 is all weights."""
    warmup: int = 10
    weight_decay: float = 0.025
    text_temperature: float = 0.05
    """τ of text with text: fixed."""
    image_temperature: float = 0.05
    """τ of text with pictures at the start: learned, and kept at 0.01 or above."""
    tokens: int = 0
    """Of a text at most; 0 is the encoder's window."""
    hard: int = 0
    """Hard negatives of a question at most."""
    bank: int = 0
    """Known vectors of a locked tower, drawn at each step, that every pair of the other sees as negatives."""
    matryoshka: tuple[int, ...] = ()
    """Also the first so many dimensions each have to do the task; the losses are summed."""
    chunk: int = 0
    """Of a batch so much is in memory at once, with the gradient of the whole; 0 is all."""
    save_every: int = 50
    seed: int = 0
    text: tuple[DataSet, ...] = ()
    images: tuple[DataSet, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def is_plan(name_or_path: str) -> bool:
    """Whether a recipe is a plan: it says what it starts from. Raises as `load_plan` does."""
    return "parent" in _parsed(name_or_path)


def load_plan(name_or_path: str, **changed: Any) -> Plan:
    """A plan that comes with searchkit by name, or a TOML file, and what is `changed`. Raises `BadInput`."""
    raw = _parsed(name_or_path) | changed
    try:
        for part in SIDES:
            raw[part] = tuple(_made(DataSet, one) for one in raw.get(part, ()))
        for name in ("learns", "matryoshka"):
            raw[name] = tuple(raw.get(name, {f.name: f.default for f in fields(Plan)}[name]))
        plan: Plan = _made(Plan, raw)
        if not plan.learns or set(plan.learns) - set(SIDES):
            raise TypeError(f"learns is {list(plan.learns)}: some of {', '.join(SIDES)}")
        if min(plan.steps, plan.batch) < 1 or plan.rate <= 0:
            raise TypeError("steps, batch and rate must be above zero")
    except TypeError as error:
        raise BadInput(f"recipe {name_or_path}: {error}", hint="compare with the recipe 'jina-1'") from error
    return plan


def _parsed(name_or_path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(recipe_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"recipe {name_or_path}: {error}", hint="mend the TOML") from error


def _made(kind: type[Any], raw: dict[str, Any]) -> Any:
    unknown = set(raw) - {f.name for f in fields(kind)}
    if unknown:
        raise TypeError(f"unknown keys: {', '.join(sorted(unknown))}")
    return kind(**raw)
