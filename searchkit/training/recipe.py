"""A recipe holds all that decides a distillation; it is read from TOML and kept inside every checkpoint.

Recipes for the towers of an encoder that is there already are in `finetuning.plan`; both are read by the
functions at the end of this module.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from searchkit.errors import BadInput

T = TypeVar("T")

FEATURES = "features"
"""Name of the recipe's own teacher among the teachers of a store."""
FIXED = ("tower", "teacher")
"""Tables of a recipe that a run in progress cannot change; how long it learns, and from what, may change."""


@dataclass(frozen=True, slots=True)
class PictureFile:
    """One parquet of training pictures, a `[[data]]` table: a column `image`, and `captions` (lists of texts)
    or `label` (names) unless its pictures alone are learned from."""

    file: str
    text: str
    """"captions", "label" or "none"; with "none", only what the teacher sees in the pictures is learned."""
    share: float
    """The part of each batch that comes from this file."""
    views: int = 1
    """Number of stored augmentations of each picture, each shown to the teacher once."""
    split: str | None = None
    limit: int | None = None
    optional: bool = False
    without: tuple[str, ...] = ()
    """Sources, named in the file's `source` column, whose pictures are left out."""
    hold_out: int = 0
    """One picture in `hold_out` is kept for measuring, chosen by its content; 0 keeps none."""
    reinforced: str = ""
    """Folder that `searchkit reinforce` wrote of this file; its augmentations are then the views."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "without", tuple(self.without))  # TOML has lists


@dataclass(frozen=True, slots=True)
class Withheld:
    """Photos that are measured on, a `[[withheld]]` table: these splits of a file, their near-duplicates and
    their captions are left out of training."""

    file: str
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tower:
    """A transformer as image tower; see `searchkit.models.vit.ViTConfig`."""

    pixels: int
    patch: int
    width: int
    depth: int
    heads: int
    mlp_ratio: float


@dataclass(frozen=True, slots=True)
class MixerTower:
    """An image tower of convolutions; see `searchkit.models.repmixer.RepMixerConfig`."""

    kind: str
    """"repmixer"."""
    pixels: int
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    mlp_ratio: float = 3.0
    head_width: int = 32


@dataclass(frozen=True, slots=True)
class InvertedTower:
    """An image tower of inverted residuals; see `searchkit.models.inverted.InvertedConfig`."""

    kind: str
    """"inverted"."""
    pixels: int
    stem: int
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    strides: tuple[int, ...]
    expansion: int = 4
    end: int = 1280


AnyTower = Tower | MixerTower | InvertedTower
KINDS: dict[str, type[AnyTower]] = {"repmixer": MixerTower, "inverted": InvertedTower}
"""The class of each `kind` of tower; a tower without a kind is a `Tower`."""


@dataclass(frozen=True, slots=True)
class TeacherMap:
    """A feature map of the teacher: tensor number `tensor`, `side`² places of `width` numbers each."""

    tensor: int
    width: int
    side: int


@dataclass(frozen=True, slots=True)
class Teacher:
    """A TFLite network that reads `pixels`² uint8 and whose tensor `tensor` is a feature of `width`
    numbers."""

    file: str
    tensor: int
    width: int
    pixels: int
    head_steps: int = 1500
    """Number of steps that fit a two-layer head from the teacher's features into the text space."""
    maps: tuple[TeacherMap, ...] = ()
    """Maps that the last stages of an "inverted" tower learn, the last map being for the last stage."""


@dataclass(frozen=True, slots=True)
class Blockwise:
    """The first part of a run for a tower of kind "inverted", on the same data; see `training.blockwise`."""

    tensors: tuple[int, ...]
    """Tensor of the teacher's map that each stage learns, with as many channels as the stage has."""
    steps: int
    forced: int
    """Number of steps in which each stage reads the teacher's map before its own, not the student's."""
    batch: int
    pixels: int
    """Side of the pictures that teacher and student read."""
    rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    feature_weight: float = 3.0
    """Weight of 1 − cos(student's linear map, teacher's feature)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", tuple(self.tensors))  # TOML has lists


@dataclass(frozen=True, slots=True)
class Optimisation:
    """The main part of a run: how long, how fast and by which losses the student learns."""

    steps: int
    batch: int
    rate: float
    warmup: int
    weight_decay: float
    temperature: float
    """τ of InfoNCE at the start; it is learned, and kept at 0.01 or above."""
    bank: int
    """Number of captions from outside the batch that are negatives of every picture."""
    feature_weight: float
    """Weight of 1 − cos(student's linear map, teacher's feature)."""
    space_weight: float
    """Weight of 1 − cos(student's embedding, teacher's embedding in the text space)."""
    map_weight: float = 0.0
    """Weight of the mean of 1 − cos(student's map, teacher's map) over the places of each of its maps."""
    early_pixels: int = 0
    """Side of the pictures until `late`; 0 is the tower's own. More of the smaller ones fit into an hour."""
    late: float = 0.8
    """Part of the steps after which pictures have the tower's own side."""
    dropout: float = 0.0
    """Part of the trunk's numbers that the head does not see in a step."""
    refit: int = 0
    """Number of steps that fit the head anew at the end; 0 leaves it as it has learned with the trunk."""
    average: float = 0.99
    """Decay of the moving average of the weights, which is what is kept."""
    distil: float = 0.0
    """λ: the share of the mean KL to the teachers' similarities; InfoNCE has 1 − λ. 0.7 for retrieval."""
    teacher_temperatures: dict[str, float] = field(default_factory=dict)
    """τ of each teacher by name, 0.05 where it is not named; "features" is the recipe's own teacher."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A whole distillation: the tower, its teacher, the data and both parts of the run."""

    name: str
    seed: int
    templates: tuple[str, ...]
    """Sentences with {label}, which become the captions of labelled pictures."""
    tower: AnyTower
    teacher: Teacher
    optimisation: Optimisation
    data: tuple[PictureFile, ...] = ()
    withheld: tuple[Withheld, ...] = ()
    blockwise: Blockwise | None = None
    """The part that comes before the first step of `optimisation`."""
    bank_file: str = ""
    """A gzipped file of further sentences, one a line, that `bank` draws from too."""

    def __post_init__(self) -> None:
        if self.optimisation.early_pixels and isinstance(self.tower, Tower):
            raise TypeError(
                "early_pixels is for towers of convolutions: a transformer's positions are of one size"
            )
        if self.blockwise:
            stages = len(self.tower.channels) if isinstance(self.tower, InvertedTower) else 0
            if stages != len(self.blockwise.tensors):
                raise TypeError(
                    f"[blockwise] names {len(self.blockwise.tensors)} maps of the teacher for the {stages} "
                    'stages of the tower: it is for one of kind "inverted", a map a stage'
                )
        if any(file.text == "none" and file.reinforced for file in self.data):
            raise TypeError("a reinforced data set has texts")


def load_recipe(name_or_path: str) -> Recipe:
    """Read a recipe that comes with searchkit by name ("pocket"), or from a TOML file. Raises `BadInput`."""
    raw = parse_recipe(name_or_path)
    try:
        return Recipe(
            name=raw["name"],
            seed=raw["seed"],
            templates=tuple(raw["templates"]),
            tower=_tower(raw["tower"]),
            teacher=_teacher(raw["teacher"]),
            optimisation=table(Optimisation, raw["optimisation"], "optimisation"),
            data=tuple(table(PictureFile, raw_table, "data") for raw_table in raw["data"]),
            withheld=tuple(table(Withheld, raw_table, "withheld") for raw_table in raw.get("withheld", ())),
            blockwise=table(Blockwise, raw["blockwise"], "blockwise") if "blockwise" in raw else None,
            bank_file=raw.get("bank_file", ""),
        )
    except (KeyError, TypeError) as error:
        raise unusable(name_or_path, error, model="pocket") from error


def _tower(raw: dict[str, Any]) -> AnyTower:
    kind = raw.get("kind")
    if kind is not None and kind not in KINDS:
        raise TypeError(f"no tower of kind {kind!r}: {', '.join(KINDS)}, or none given")
    chosen: type[AnyTower] = Tower if kind is None else KINDS[kind]
    return table(chosen, raw, "tower")


def _teacher(raw: dict[str, Any]) -> Teacher:
    maps = tuple(table(TeacherMap, raw_map, "teacher.maps") for raw_map in raw.get("maps", ()))
    return table(Teacher, {**raw, "maps": maps}, "teacher")


def recipe_text(name_or_path: str) -> str:
    """The TOML of a recipe by name, or of a file. Raises `BadInput`."""
    path = Path(name_or_path)
    folder = resources.files("searchkit.training") / "recipes"
    packaged = folder / f"{name_or_path}.toml"
    if path.suffix == ".toml":
        if not path.is_file():
            raise BadInput(f"no recipe at {path}", hint="give the path of a TOML file")
        return path.read_text()
    if not packaged.is_file():
        known = ", ".join(sorted(file.name[:-5] for file in folder.iterdir() if file.name.endswith(".toml")))
        raise BadInput(f"no recipe named {name_or_path!r}", hint=f"known: {known}; or give a .toml file")
    return packaged.read_text()


def parse_recipe(name_or_path: str) -> dict[str, Any]:
    """The tables of a recipe by name, or of a TOML file. Raises `BadInput`."""
    try:
        return tomllib.loads(recipe_text(name_or_path))
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"recipe {name_or_path}: {error}", hint="mend the TOML") from error


def table(kind: type[T], raw: Mapping[str, Any], name: str = "") -> T:
    """One table of a recipe as its dataclass. Raises `TypeError` for unknown keys and for missing ones."""
    unknown = set(raw) - {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown:
        place = f" in [{name}]" if name else ""
        raise TypeError(f"unknown keys{place}: {', '.join(sorted(unknown))}")
    return kind(**raw)


def unusable(name_or_path: str, error: KeyError | TypeError, *, model: str) -> BadInput:
    """The error to raise for a recipe that lacks a table or has a wrong one; `model` is a recipe to look
    at."""
    reason = f" has no {error}" if isinstance(error, KeyError) else f": {error}"
    return BadInput(f"recipe {name_or_path}{reason}", hint=f"compare with the recipe {model!r}")
