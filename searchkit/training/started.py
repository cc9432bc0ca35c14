"""A recipe that starts from a tower which has learned to see: [start] names the package that carries it.

A head learns to put what the tower sees where the text tower puts captions, and then the tower's last stages
learn with it. Its first stages stay as they are, so that they look at each view once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from searchkit.models.image_towers import read_config
from searchkit.models.inverted import InvertedConfig
from searchkit.training.packaged import Packaged
from searchkit.training.recipe import PictureFile, Withheld, parse_recipe, table, unusable


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
    data: tuple[PictureFile, ...]
    withheld: tuple[Withheld, ...]
    bank_file: str


def is_started(name_or_path: str) -> bool:
    """Whether a recipe names a tower to start from. Raises `BadInput` for what is no TOML."""
    return "start" in parse_recipe(name_or_path)


def load_started(name_or_path: str) -> StartedRecipe:
    """Read a recipe by name, or from a TOML file. Raises `BadInput`."""
    raw = parse_recipe(name_or_path)
    try:
        return StartedRecipe(
            name=raw["name"],
            seed=raw["seed"],
            templates=tuple(raw["templates"]),
            tower=_tower(raw["tower"], raw["frozen"]),
            start=table(Packaged, raw["start"], "start"),
            frozen=raw["frozen"],
            pixels=raw["pixels"],
            classes=table(Classes, raw["classes"], "classes"),
            head=table(HeadFit, raw["head"], "head"),
            tuning=table(Tuning, raw["tuning"], "tuning") if "tuning" in raw else None,
            data=tuple(table(PictureFile, raw_table, "data") for raw_table in raw["data"]),
            withheld=tuple(table(Withheld, raw_table, "withheld") for raw_table in raw.get("withheld", ())),
            bank_file=raw["bank_file"],
        )
    except (KeyError, TypeError) as error:
        raise unusable(name_or_path, error, model="pocket-large") from error


def _tower(raw: dict[str, Any], frozen: int) -> InvertedConfig:
    """Raises `TypeError` for a tower of another kind, or without that many stages."""
    try:
        tower = read_config(raw)
    except ValueError as error:
        raise TypeError(str(error)) from error
    if not isinstance(tower, InvertedConfig) or not 0 < frozen <= len(tower.channels):
        raise TypeError('the tower is of kind "inverted", and `frozen` a number of its stages')
    return tower
