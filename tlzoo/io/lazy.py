"""Public names that are imported when they are first used, so that `import tlzoo` stays quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(module: str, homes: Mapping[str, str | None]) -> Callable[[str], Any]:
    """A module's `__getattr__` (PEP 562): `homes` maps each name to the module that defines it.

    `None` stands for the submodule of this name. A name is imported once and kept in the module. What it returns raises
    PluginError for a name that needs an extra which is not installed.
    """

    def find(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home = homes[name]
        value = importlib.import_module(f"{module}.{name}") if home is None else _defined(home, name)
        setattr(sys.modules[module], name, value)
        return value

    return find


def _defined(home: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as cause:
        from tlzoo.io.extras import missing_extra

        if (said := missing_extra(cause)) is not None:
            raise said from cause
        raise
