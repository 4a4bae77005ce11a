"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tlzoo.io.lazy import lazy_names

if TYPE_CHECKING:
    from tlzoo.io.entry_points import allowed, normal
    from tlzoo.plugins.discovery import (
        FIRST_PARTY,
        GROUP,
        REGISTRY_GROUP,
        Damaged,
        Installed,
        contributors,
        damaged,
        declared,
        find,
        installed,
    )
    from tlzoo.plugins.manager import Loaded, call, load, load_all

__all__ = [
    "FIRST_PARTY",
    "GROUP",
    "REGISTRY_GROUP",
    "Damaged",
    "Installed",
    "Loaded",
    "allowed",
    "call",
    "contributors",
    "damaged",
    "declared",
    "find",
    "installed",
    "load",
    "load_all",
    "normal",
]

_MANAGER = ("Loaded", "call", "load", "load_all")
_ENTRY_POINTS = ("allowed", "normal")

# predicting asks for a plugin only where a file says so: what imports pluggy waits until then
__getattr__ = lazy_names(
    __name__,
    {
        **dict.fromkeys(__all__, "tlzoo.plugins.discovery"),
        **dict.fromkeys(_MANAGER, "tlzoo.plugins.manager"),
        **dict.fromkeys(_ENTRY_POINTS, "tlzoo.io.entry_points"),
    },
)
