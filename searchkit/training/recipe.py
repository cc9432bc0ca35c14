"""A recipe: all that decides a training run, read from TOML, kept inside every checkpoint."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from searchkit.errors import BadInput

FEATURES = "features"
"""The recipe's own teacher, among teachers by name."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A parquet with an `image` column and, unless its pictures alone are learned from, `captions` (a list)
    or `label` (a name)."""

    file: str
    text: str
    """"captions", "label" or "none": the teacher's sight of the pictures is all that is learned then."""
    share: float
    """Part of each batch that comes from here."""
    views: int = 1
    """Stored augmentations of each picture, each shown to the teacher once."""
    split: str | None = None
    limit: int | None = None
    optional: bool = False
    hold_out: int = 0
    """One picture in so many is kept for measuring, by its content; 0 keeps none."""
    reinforced: str = ""
    """The folder that `searchkit reinforce` wrote of this data; its augmentations are then the views."""


@dataclass(frozen=True, slots=True)
class Withheld:
    """What is measured on: photos of these splits, their near-duplicates and their captions are left out."""

    file: str
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tower:
    """The image tower to be trained; see `searchkit.models.vit.ViTConfig`."""

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
"""By `kind` in a recipe; where none is given it is a `Tower`."""


@dataclass(frozen=True, slots=True)
class TeacherMap:
    """A tensor of the teacher that still is a picture: `side`² places of `width` numbers each."""

    tensor: int
    width: int
    side: int


@dataclass(frozen=True, slots=True)
class Teacher:
    """A TFLite network whose tensor `tensor` is a feature of `width` numbers, from `pixels`² uint8."""

    file: str
    tensor: int
    width: int
    pixels: int
    head_steps: int = 1500
    """Steps that fit a two-layer head from the teacher's features into the text space."""
    maps: tuple[TeacherMap, ...] = ()
    """What the last stages of an "inverted" tower learn to see, the last one being for the last stage."""


@dataclass(frozen=True, slots=True)
class Blockwise:
    """What a tower of kind "inverted" learns first, of the same data: see `searchkit.training.blockwise`."""

    tensors: tuple[int, ...]
    """Of the teacher: the map that each stage learns to see, of as many channels as the stage has."""
    steps: int
    forced: int
    """Steps in which each stage looks at the teacher's map before its own, and not at the student's."""
    batch: int
    pixels: int
    """Side of the pictures that both look at."""
    rate: float
    warmup: int = 50
    weight_decay: float = 0.01
    feature_weight: float = 3.0
    """Weight of 1 − cos(student's linear map, teacher's feature)."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", tuple(self.tensors))  # TOML has lists


@dataclass(frozen=True, slots=True)
class Optimisation:
    steps: int
    batch: int
    rate: float
    warmup: int
    weight_decay: float
    temperature: float
    """τ of InfoNCE at the start; learned, and kept at 0.01 or above."""
    bank: int
    """Captions from outside the batch that every picture also has to tell apart."""
    feature_weight: float
    """Weight of 1 − cos(student's linear map, teacher's feature)."""
    space_weight: float
    """Weight of 1 − cos(student's embedding, teacher's embedding in the text space)."""
    map_weight: float = 0.0
    """Weight of the mean of 1 − cos(student's map, teacher's map) over the places of each of its maps."""
    early_pixels: int = 0
    """Side of a picture until `late`; 0 is the tower's own. Smaller pictures teach more of them an hour."""
    late: float = 0.8
    """Part of the steps behind which pictures have the tower's own side."""
    dropout: float = 0.0
    """Part of the trunk's numbers that the head does not see in a step."""
    refit: int = 0
    """Steps that fit the head anew at the end; 0 leaves it as it has learned with the trunk."""
    average: float = 0.99
    """Decay of the moving average of the weights, which is what is kept."""
    distil: float = 0.0
    """λ: the share of the mean KL to the teachers' similarities; InfoNCE has 1 − λ. 0.7 for retrieval."""
    teacher_temperatures: dict[str, float] = field(default_factory=dict)
    """τ of each teacher by name, 0.05 for others; "features" is the recipe's, carried into the text space."""


@dataclass(frozen=True, slots=True)
class Recipe:
    name: str
    seed: int
    templates: tuple[str, ...]
    """Sentences with {label}: a labelled picture's caption."""
    tower: AnyTower
    teacher: Teacher
    optimisation: Optimisation
    data: tuple[Dataset, ...] = field(default_factory=tuple)
    withheld: tuple[Withheld, ...] = ()
    blockwise: Blockwise | None = None
    """What comes before the first step of `optimisation`."""
    bank_file: str = ""
    """Further sentences, one a line, gzipped: more for `bank` to draw from."""

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
        if any(one.text == "none" and one.reinforced for one in self.data):
            raise TypeError("a reinforced data set has texts")


def load_recipe(name_or_path: str) -> Recipe:
    """A recipe that comes with searchkit by name ("pocket"), or a TOML file. Raises `BadInput`."""
    text = recipe_text(name_or_path)
    try:
        raw = tomllib.loads(text)
        return Recipe(
            name=raw["name"],
            seed=raw["seed"],
            templates=tuple(raw["templates"]),
            tower=_tower(raw["tower"]),
            teacher=_teacher(raw["teacher"]),
            optimisation=_section(Optimisation, raw["optimisation"]),
            data=tuple(_section(Dataset, one) for one in raw["data"]),
            withheld=tuple(_section(Withheld, one) for one in raw.get("withheld", ())),
            blockwise=_section(Blockwise, raw["blockwise"]) if "blockwise" in raw else None,
            bank_file=raw.get("bank_file", ""),
        )
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        wrong = f" has no {error}" if isinstance(error, KeyError) else f": {error}"
        raise BadInput(f"recipe {name_or_path}{wrong}", hint="compare with the recipe 'pocket'") from error


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
        known = ", ".join(sorted(one.name[:-5] for one in folder.iterdir() if one.name.endswith(".toml")))
        raise BadInput(f"no recipe named {name_or_path!r}", hint=f"known: {known}; or give a .toml file")
    return packaged.read_text()


def _tower(raw: dict[str, Any]) -> AnyTower:
    kind = raw.get("kind")
    if kind is not None and kind not in KINDS:
        raise TypeError(f"no tower of kind {kind!r}: {', '.join(KINDS)}, or none given")
    tower: AnyTower = _section(Tower if kind is None else KINDS[kind], raw)
    return tower


def _teacher(raw: dict[str, Any]) -> Teacher:
    maps = tuple(_section(TeacherMap, one) for one in raw.get("maps", ()))
    teacher: Teacher = _section(Teacher, {**raw, "maps": maps})
    return teacher


def _section(kind: type[Any], raw: dict[str, Any]) -> Any:
    unknown = set(raw) - {f.name for f in fields(kind)}
    if unknown:
        raise TypeError(f"unknown keys in [{kind.__name__.lower()}]: {', '.join(sorted(unknown))}")
    return kind(**raw)
