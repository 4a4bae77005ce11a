"""Every plugin of this environment with what is known of it and how it fares, importing none."""

from __future__ import annotations

import warnings
from importlib import metadata
from typing import Any

from tlzoo.errors import RegistryError
from tlzoo.io.entry_points import is_enabled
from tlzoo.plugins.authoring.inspection import checkpoints, first_fault, license_of, names_for
from tlzoo.plugins.discovery import (
    FIRST_PARTY,
    PREFIX_GROUP,
    DamagedPlugin,
    InstalledPlugin,
    claimants,
    damaged_plugins,
    declared_plugins,
)
from tlzoo.plugins.extensions import EXTENSION_KINDS
from tlzoo.plugins.versions import unmet_requirement
from tlzoo.registry.catalogue import ids_for
from tlzoo.version import __version__


def status() -> list[dict[str, Any]]:
    """One row for each plugin, by name; nothing that is installed makes this fail.

    A row has `name`, `distribution`, `version`, `module`, `checkpoints` (the ids that it builds), `prefixes`, `adds`
    (the names that it declares of tasks, adaptation, strategies and formats), `license`, `status` and `error`, which
    says what to fix or type. Status: `ok`; `off` (by TLZOO_PLUGINS); `conflict` (several distributions claim the
    name); `incompatible` (built for another tlzoo); `broken` by what can be seen without importing it.
    """
    found = declared_plugins()
    rows = [_row(plugin, claimants(plugin.name, found)) for plugin in _unique(found)]
    return sorted([*rows, *map(_damaged_row, damaged_plugins())], key=lambda row: (row["name"], row["distribution"]))


def _unique(found: list[InstalledPlugin]) -> list[InstalledPlugin]:
    """One for each name and distribution, though the distribution may declare it twice."""
    return list({(plugin.name, plugin.distribution): plugin for plugin in reversed(found)}.values())


def _row(plugin: InstalledPlugin, rivals: list[InstalledPlugin]) -> dict[str, Any]:
    row = _empty(plugin.name, plugin.distribution, plugin.version, plugin.module)
    try:
        state, error = _status_of(plugin, rivals, row)
    except Exception as cause:  # noqa: BLE001 - a list of plugins must not fail by what one of them ships
        state, error = "broken", f"{type(cause).__name__}: {cause}".partition("\n")[0]
    return row | {"status": state, "error": error}


def _status_of(plugin: InstalledPlugin, rivals: list[InstalledPlugin], row: dict[str, Any]) -> tuple[str, str | None]:
    """Status and error; fills in the row."""
    distribution = metadata.distribution(plugin.distribution)
    row["license"] = license_of(distribution)
    row["prefixes"] = names_for(distribution, PREFIX_GROUP, plugin.name)
    added = {kind: names_for(distribution, f"tlzoo.{kind}", plugin.name) for kind in EXTENSION_KINDS}
    row["adds"] = {kind: names for kind, names in added.items() if names}
    fault = first_fault(distribution, plugin.name)
    row["checkpoints"] = _built_ids(plugin.name, [] if fault else checkpoints(distribution, plugin.name))
    if not is_enabled(plugin.name):
        return "off", "TLZOO_PLUGINS excludes it; add its name there, or unset it"
    others = sorted({str(rival) for rival in rivals})
    if str(plugin) not in others:
        return (
            "conflict",
            f"its name belongs to {FIRST_PARTY[plugin.name]}; tlzoo plugins uninstall {plugin.distribution}",
        )
    if len(others) > 1:
        return "conflict", f"{' and '.join(others)} claim its name; tlzoo plugins uninstall {plugin.distribution}"
    requirement = unmet_requirement(distribution.requires)
    if requirement is not None:
        upgrade = f"tlzoo plugins install --upgrade {plugin.distribution}"
        return "incompatible", f"it requires {requirement}, but this is tlzoo {__version__}; {upgrade}"
    return ("broken", fault) if fault else ("ok", None)


def _built_ids(name: str, own: list[str]) -> list[str]:
    """The ids that it builds: those of its own registry file, and of the others where they can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return sorted({*own, *ids_for(name)})
        except RegistryError:
            return own


def _damaged_row(found: DamagedPlugin) -> dict[str, Any]:
    error = f"its metadata is damaged ({found.fault}); remove {found.path} and install it again"
    return _empty(found.name, found.distribution, found.version, None) | {"status": "broken", "error": error}


def _empty(name: str, distribution: str, version: str, module: str | None) -> dict[str, Any]:
    """A row of what is known without looking at the distribution."""
    row = {"name": name, "distribution": distribution, "version": version, "module": module}
    return row | {"checkpoints": [], "prefixes": [], "adds": {}, "license": None}
