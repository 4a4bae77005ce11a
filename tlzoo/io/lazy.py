"""Public names that are imported when they are first used, so that `import tlzoo` stays quick."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy_names(
    module: str, homes: Mapping[str, str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """A module's `__getattr__`, `__dir__` (PEP 562) and `__all__`: `homes` maps modules to the names they define.

    Names of `module` itself are its submodules. A name is imported once and kept in the module. `__getattr__` raises
    PluginError for a name that needs an extra which is not installed.
    """
    home_of = {name: home for home, names in homes.items() for name in names.split()}
    public = sorted(home_of)

    def find(name: str) -> Any:
        if name not in home_of:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home = home_of[name]
        value = importlib.import_module(f"{module}.{name}") if home == module else _defined(home, name)
        setattr(sys.modules[module], name, value)
        return value

    return find, lambda: public, public


def _defined(home: str, name: str) -> Any:
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as cause:
        from tlzoo.io.extras import missing_extra

        if (said := missing_extra(cause)) is not None:
            raise said from cause
        raise
