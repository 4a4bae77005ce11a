"""The conformance suite for plugins: subclass `PluginSuite`, or run it with `python -m tlzoo.testing NAME`.

from tlzoo.testing import PluginSuite

class TestConformance(PluginSuite):
    plugin = "tiny"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.testing.running import Result as Result
    from tlzoo.testing.running import run as run
    from tlzoo.testing.suite import PluginSuite as PluginSuite

__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "tlzoo.testing.running": "Result run",
        "tlzoo.testing.suite": "PluginSuite",
    },
)
