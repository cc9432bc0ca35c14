"""Deferred import of packages that a library imports and that nothing here needs.

lancedb imports a client of a network service, which takes one of a search's three seconds, to reach some
classes of one of its sub-modules.
"""

from __future__ import annotations

import importlib.util
import sys
from threading import RLock
from types import ModuleType
from typing import Any

_loading = RLock()


class Deferred(ModuleType):
    """A package whose `__init__` runs when something of it is first asked for; its sub-modules do without."""

    def __getattr__(self, name: str) -> Any:
        with _loading:
            if isinstance(self, Deferred):  # no other thread came first
                self.__class__ = ModuleType  # type: ignore[assignment]
                assert self.__spec__ and self.__spec__.loader
                self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def defer(package: str) -> None:
    """Make the import of a package's sub-module run that sub-module alone, not the package's `__init__`."""
    spec = None if package in sys.modules else importlib.util.find_spec(package)
    if spec is not None and spec.submodule_search_locations is not None:
        module = importlib.util.module_from_spec(spec)
        module.__class__ = Deferred
        sys.modules[package] = module
