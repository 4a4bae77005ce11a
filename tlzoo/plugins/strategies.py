"""The strategies by name, as far as that can be told without torch: what a command refuses at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tlzoo.errors import UsageError
from tlzoo.options import CORE_STRATEGIES, combine
from tlzoo.plugins.extensions import declared_extensions, extension_names

OPTIONS = {cls.strategy: cls for cls in CORE_STRATEGIES}
"""The options of the core's strategies."""


def check_strategy(name: str, options: Mapping[str, Any]) -> None:
    """Raise UsageError for a strategy that nobody declares, and for options by flat names that one of the core's does
    not take or that cannot be. What a plugin's strategy takes only that plugin knows."""
    if name in OPTIONS:
        combine(OPTIONS[name], name, options)
    elif "/" not in name and all(one.name != name for one in declared_extensions("strategies")):
        raise unknown_strategy(name)


def unknown_strategy(name: str) -> UsageError:
    """The error for a strategy that nobody declares."""
    return UsageError(
        f"Unknown strategy {name!r}.",
        hint=f"Strategies: {extension_names('strategies', OPTIONS)}",
        parameter="strategy",
    )
