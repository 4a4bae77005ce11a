"""What installed distributions declare for tlzoo by entry points, read from their metadata; nothing is imported."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

REPORT_HINT = "Report it to the plugin's author."
UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, OSError, metadata.PackageNotFoundError)
"""What importlib.metadata raises for a distribution whose metadata is damaged."""


class DeclaredEntry(NamedTuple):
    """One entry point, with the name and version of the distribution that has it."""

    distribution: str
    version: str
    name: str
    value: str


def declared_entries(group: str) -> list[DeclaredEntry]:
    """Every entry point of a group, switched off or not, sorted; of a distribution installed twice, the first found.

    A distribution whose metadata cannot be parsed is passed over, so that it does not take the others with it.
    """
    return list(_cached_entries(group, tuple((folder, _changed(folder)) for folder in sys.path)))


@lru_cache(32)
def _cached_entries(group: str, path: tuple[tuple[str, int], ...]) -> tuple[DeclaredEntry, ...]:
    return tuple(sorted(set(_read_entries(group))))


def _changed(folder: str) -> int:
    """When something was last installed in a folder or removed from it; 0 where there is none."""
    try:
        return os.stat(folder or ".").st_mtime_ns
    except OSError:
        return 0


def _read_entries(group: str) -> Iterator[DeclaredEntry]:
    seen: set[str] = set()
    for distribution in metadata.distributions():
        try:
            entries = distribution.entry_points.select(group=group)
            owner = (distribution.metadata["Name"], distribution.version) if entries else ("", "")
        except UNREADABLE:
            continue
        if not entries or not all(owner):
            continue
        key = normalize_name(owner[0])
        if key not in seen:
            seen.add(key)
            yield from (DeclaredEntry(*owner, entry.name, entry.value.strip()) for entry in entries)


def normalize_name(distribution: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def package_folders(package: str) -> list[Path]:
    """Where an installed package may lie; neither it nor its parents are imported."""
    top, *below = package.strip().split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        spec = None
    return [Path(place, *below) for place in (spec and spec.submodule_search_locations) or ()]


def is_enabled(name: str) -> bool:
    """Whether `TLZOO_PLUGINS` lets the plugin of this name count: `a,b` names those that do; empty means none."""
    chosen = os.environ.get("TLZOO_PLUGINS")
    return chosen is None or name in {part.strip() for part in chosen.split(",")}


def describe_plugin(plugin: str) -> str:
    """A plugin with its distribution and version, as messages name it."""
    found = next((one for one in declared_entries("tlzoo") if one.name == plugin), None)
    return f"plugin {plugin!r}" + (f" ({found.distribution} {found.version})" if found else "")
