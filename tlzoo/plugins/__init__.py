"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

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
