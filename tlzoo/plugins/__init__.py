"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.io.entry_points import is_enabled, normalize_name
    from tlzoo.plugins.discovery import (
        FIRST_PARTY,
        GROUP,
        REGISTRY_GROUP,
        DamagedPlugin,
        InstalledPlugin,
        contributors,
        damaged_plugins,
        declared_plugins,
        enabled_plugins,
        find,
    )
    from tlzoo.plugins.manager import ImportedPlugin, call, import_all, import_plugin

__all__ = [
    "FIRST_PARTY",
    "GROUP",
    "REGISTRY_GROUP",
    "DamagedPlugin",
    "ImportedPlugin",
    "InstalledPlugin",
    "call",
    "contributors",
    "damaged_plugins",
    "declared_plugins",
    "enabled_plugins",
    "find",
    "import_all",
    "import_plugin",
    "is_enabled",
    "normalize_name",
]

_MANAGER = ("ImportedPlugin", "call", "import_plugin", "import_all")
_ENTRY_POINTS = ("is_enabled", "normalize_name")

# predicting asks for a plugin only where a file says so: what imports pluggy waits until then
__getattr__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(__all__, "tlzoo.plugins.discovery"),
        **dict.fromkeys(_MANAGER, "tlzoo.plugins.manager"),
        **dict.fromkeys(_ENTRY_POINTS, "tlzoo.io.entry_points"),
    },
)
