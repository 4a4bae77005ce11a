"""The conformance suite for plugins: subclass `PluginSuite`, or run it with `python -m tlzoo.testing NAME`.

from tlzoo.testing import PluginSuite

class TestConformance(PluginSuite):
    plugin = "tiny"
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tlzoo.testing.running import Result, run, suite_of
    from tlzoo.testing.suite import PluginSuite

__all__ = ["PluginSuite", "Result", "run", "suite_of"]

_HOME = {"PluginSuite": "suite", "Result": "running", "run": "running", "suite_of": "running"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'tlzoo.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"tlzoo.testing.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
