"""searchkit: find pictures and documents by meaning, on your own machine, in one index."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from searchkit.collection import Collection as Collection
    from searchkit.errors import SearchkitError as SearchkitError
    from searchkit.types import Hit as Hit

__version__ = "0.2.0"
__all__ = ["Collection", "Hit", "SearchkitError"]

_PLACES = {
    "Collection": "searchkit.collection",
    "SearchkitError": "searchkit.errors",
    "Hit": "searchkit.types",
}

KEPT = {"spaces": "collection.spaces"}
"""Public modules under their short names."""

MOVED = {
    "adapt": "finetuning.adapt",
    "atlas": "views.projection",
    "bench": "speed.bench",
    "doctor": "collection.doctor",
    "encoder": "finetuning.encoders",
    "encoders.blip_captions": "captioners.blip",
    "encoders.blip_matches": "rerankers.blip",
    "facets": "views.facets",
    "gather": "finetuning.gather",
    "heat": "views.relevance",
    "ingest.pipeline": "ingest.sync",
    "label": "collection.labels",
    "matcher": "rerankers.matcher",
    "pictures": "collection.previews",
    "place": "collection.manifest",
    "ratings": "finetuning.ratings",
    "speeds": "speed.records",
    "training.adapter": "finetuning.query_map",
    "training.couples": "finetuning.training_set",
    "training.curve": "finetuning.curve",
    "training.described": "finetuning.described",
    "training.everyday": "finetuning.everyday",
    "training.gate": "finetuning.gate",
    "training.generic": "finetuning.generic",
    "training.locked": "finetuning.batches",
    "training.negatives": "finetuning.negatives",
    "training.objective": "finetuning.objective",
    "training.pairs": "finetuning.pairs",
    "training.plan": "finetuning.plan",
    "training.run": "finetuning.run",
    "training.sides": "finetuning.comparison",
    "training.split": "finetuning.prepared",
    "training.towers": "finetuning.towers",
    "training.vectors": "finetuning.prepared",
    "training.ways": "finetuning.trial",
    "work": "collection.jobs",
    "workload": "speed.workload",
}
"""Module of version 0.1 → where it is in 0.2. The old names go with version 0.3."""


def __getattr__(name: str) -> object:
    """Names are imported when first used: `import searchkit` alone costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'searchkit' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


class _Alias(Loader):
    """Gives the module of one name for another."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # the import system has put the alias's there


class _OldNames(MetaPathFinder):
    """Finds what `KEPT` and `MOVED` list, after everything that is there by its own name."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        old = name.removeprefix("searchkit.")
        if old in KEPT:
            return spec_from_loader(name, _Alias(f"searchkit.{KEPT[old]}"))
        if old not in MOVED:
            return None
        new = f"searchkit.{MOVED[old]}"
        warnings.warn(f"{name} has moved to {new}", DeprecationWarning, stacklevel=2)
        return spec_from_loader(name, _Alias(new))


sys.meta_path.append(_OldNames())
