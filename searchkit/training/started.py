"""A recipe that starts from a tower which has learned to see: [start] names the package that carries it.

A head learns to put what the tower sees where the text tower puts captions, and then the tower's last stages
learn with it. Its first stages stay as they are, so that they look at each view once.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from typing import Any

from searchkit.errors import BadInput
from searchkit.models.image_towers import read_config
from searchkit.models.inverted import InvertedConfig
from searchkit.training.packaged import Packaged
from searchkit.training.recipe import Dataset, Withheld, recipe_text


@dataclass(frozen=True, slots=True)
class Classes:
    """The names of what the start tells apart: labels of one source of a parquet, in the file's order."""

    file: str
    source: str
    kinds: dict[str, str]
    """Everyday words, with the numbers of the classes that they say: dog = "151-268"."""


@dataclass(frozen=True, slots=True)
class HeadFit:
    """What the head is fitted by, while the tower stays as it came."""

    hidden: int
    steps: int
    batch: int
    rate: float
    weight_decay: float
    dropout: float
    bank: int
    """Sentences that every picture also has to tell apart."""
    mixed: float
    """Part of the steps whose texts are means of all that is said of a picture, weighted by chance."""
    classes: float
    """Weight of the cross entropy to what the start's classifier says, through the names' vectors."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """What the last stages learn with, and a head that was fitted before them."""

    steps: int
    batch: int
    rate: float
    head_rate: float
    warmup: int
    weight_decay: float
    dropout: float
    bank: int
    distil: float
    """λ: the share of the KL to the similarities of the frozen tower with its head; InfoNCE has 1 − λ."""
    space: float
    """Weight of 1 − cos(embedding, that of the frozen tower with its head)."""
    classes: float
    average: float
    """Decay of the moving average of the weights, which is what is kept."""


@dataclass(frozen=True, slots=True)
class StartedRecipe:
    """All that decides a run."""

    name: str
    seed: int
    templates: tuple[str, ...]
    tower: InvertedConfig
    start: Packaged
    frozen: int
    """Stages that stay as they are: they look at every view once, and their maps are kept."""
    pixels: int
    """Side of the views: smaller ones than in use are cheaper, and what is learned of them holds."""
    classes: Classes
    head: HeadFit
    tuning: Tuning | None
    data: tuple[Dataset, ...]
    withheld: tuple[Withheld, ...]
    bank_file: str


def is_started(name_or_path: str) -> bool:
    """Whether a recipe names a tower to start from. Raises `BadInput` for what is no TOML."""
    try:
        return "start" in tomllib.loads(recipe_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"recipe {name_or_path}: {error}", hint="mend the TOML") from error


def load_started(name_or_path: str) -> StartedRecipe:
    """A recipe by name or of a file. Raises `BadInput`."""
    raw = tomllib.loads(recipe_text(name_or_path))
    try:
        tower = read_config(raw["tower"])
        if not isinstance(tower, InvertedConfig) or not 0 < raw["frozen"] <= len(tower.channels):
            raise TypeError('the tower is of kind "inverted", and `frozen` a number of its stages')
        return StartedRecipe(
            name=raw["name"],
            seed=raw["seed"],
            templates=tuple(raw["templates"]),
            tower=tower,
            start=_section(Packaged, raw["start"]),
            frozen=raw["frozen"],
            pixels=raw["pixels"],
            classes=_section(Classes, raw["classes"]),
            head=_section(HeadFit, raw["head"]),
            tuning=_section(Tuning, raw["tuning"]) if "tuning" in raw else None,
            data=tuple(_section(Dataset, one) for one in raw["data"]),
            withheld=tuple(_section(Withheld, one) for one in raw.get("withheld", ())),
            bank_file=raw["bank_file"],
        )
    except (KeyError, TypeError, ValueError) as error:
        wrong = f" has no {error}" if isinstance(error, KeyError) else f": {error}"
        raise BadInput(
            f"recipe {name_or_path}{wrong}", hint="compare with the recipe 'pocket-large'"
        ) from error


def _section(kind: type[Any], raw: dict[str, Any]) -> Any:
    unknown = set(raw) - {f.name for f in fields(kind)}
    if unknown:
        raise TypeError(f"unknown keys in [{kind.__name__.lower()}]: {', '.join(sorted(unknown))}")
    return kind(**raw)
