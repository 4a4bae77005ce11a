"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.io.entry_points import is_enabled as is_enabled
    from tlzoo.io.entry_points import normalize_name as normalize_name
    from tlzoo.plugins.discovery import FIRST_PARTY as FIRST_PARTY
    from tlzoo.plugins.discovery import GROUP as GROUP
    from tlzoo.plugins.discovery import REGISTRY_GROUP as REGISTRY_GROUP
    from tlzoo.plugins.discovery import DamagedPlugin as DamagedPlugin
    from tlzoo.plugins.discovery import InstalledPlugin as InstalledPlugin
    from tlzoo.plugins.discovery import contributors as contributors
    from tlzoo.plugins.discovery import damaged_plugins as damaged_plugins
    from tlzoo.plugins.discovery import declared_plugins as declared_plugins
    from tlzoo.plugins.discovery import enabled_plugins as enabled_plugins
    from tlzoo.plugins.discovery import find as find
    from tlzoo.plugins.manager import ImportedPlugin as ImportedPlugin
    from tlzoo.plugins.manager import call as call
    from tlzoo.plugins.manager import import_plugin as import_plugin

# predicting asks for a plugin only where a file says so: what imports pluggy waits until then
__getattr__, __dir__, __all__ = lazy_names(
    __name__,
    {
        "tlzoo.io.entry_points": "is_enabled normalize_name",
        "tlzoo.plugins.discovery": "DamagedPlugin FIRST_PARTY GROUP InstalledPlugin REGISTRY_GROUP contributors "
        "damaged_plugins declared_plugins enabled_plugins find",
        "tlzoo.plugins.manager": "ImportedPlugin call import_plugin",
    },
)
