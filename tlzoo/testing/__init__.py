"""The conformance suite for plugins: subclass `PluginSuite`, or run it with `python -m tlzoo.testing NAME`.

from tlzoo.testing import PluginSuite

class TestConformance(PluginSuite):
    plugin = "tiny"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.testing.running import Result, run, suite_of
    from tlzoo.testing.suite import PluginSuite

__all__ = ["PluginSuite", "Result", "run", "suite_of"]

__getattr__ = lazy_names(
    __name__,
    {
        "PluginSuite": "tlzoo.testing.suite",
        "Result": "tlzoo.testing.running",
        "run": "tlzoo.testing.running",
        "suite_of": "tlzoo.testing.running",
    },
)


def __dir__() -> list[str]:
    return __all__
