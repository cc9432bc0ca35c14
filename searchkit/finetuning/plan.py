"""A plan is a recipe for the towers of an encoder that is there already, read from TOML.

Both parts of a step, texts with texts and texts with pictures, learn together, and their losses are summed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from searchkit.training.recipe import parse_recipe, table, unusable

SIDES = ("text", "images")


@dataclass(frozen=True, slots=True)
class PairFile:
    """One file of pairs, a `[[text]]` or `[[images]]` table: what `searchkit adapt --pairs` reads, or a
    parquet with columns `image` and `captions`."""

    file: str
    share: float = 1.0
    """The part of the steps whose batch comes from this file: a batch is always of one file."""
    split: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole fine-tuning: which towers learn, how, and from which files."""

    name: str
    parent: str
    """The encoder that training starts from: a name, or a folder."""
    steps: int
    batch: int
    """Pairs in each part of a step."""
    rate: float
    learns: tuple[str, ...] = SIDES
    """The towers that move: "text", "images" or both."""
    rank: int = 0
    """Rank of the low-rank updates (LoRA); 0 trains all weights."""
    warmup: int = 10
    weight_decay: float = 0.025
    text_temperature: float = 0.05
    """τ of texts with texts, which is fixed."""
    image_temperature: float = 0.05
    """τ of texts with pictures at the start; it is learned, and kept at 0.01 or above."""
    tokens: int = 0
    """The most tokens that are read of a text; 0 is the encoder's window."""
    hard: int = 0
    """The most hard negatives of a question."""
    bank: int = 0
    """Number of a locked tower's vectors that are drawn at each step as negatives of the other tower's."""
    matryoshka: tuple[int, ...] = ()
    """Numbers of leading dimensions that are trained to do the task alone; their losses are summed."""
    chunk: int = 0
    """Pairs of a batch that are in memory at once, with the gradient of the whole batch; 0 is all."""
    save_every: int = 50
    seed: int = 0
    text: tuple[PairFile, ...] = ()
    images: tuple[PairFile, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def is_plan(name_or_path: str) -> bool:
    """Whether a recipe is a plan, since it names a parent. Raises as `load_plan` does."""
    return "parent" in parse_recipe(name_or_path)


def load_plan(name_or_path: str, **changed: Any) -> Plan:
    """Read a plan by name, or from a TOML file, with the values in `changed` put over it. Raises
    `BadInput`."""
    raw = parse_recipe(name_or_path) | changed
    try:
        for part in SIDES:
            raw[part] = tuple(table(PairFile, raw_file, part) for raw_file in raw.get(part, ()))
        for name in ("learns", "matryoshka"):
            raw[name] = tuple(raw.get(name, {f.name: f.default for f in fields(Plan)}[name]))
        plan = table(Plan, raw)
        if not plan.learns or set(plan.learns) - set(SIDES):
            raise TypeError(f"learns is {list(plan.learns)}: some of {', '.join(SIDES)}")
        if min(plan.steps, plan.batch) < 1 or plan.rate <= 0:
            raise TypeError("steps, batch and rate must be above zero")
    except TypeError as error:
        raise unusable(name_or_path, error, model="jina-1") from error
    return plan
