"""Which plugins there are, as their distributions' metadata declares them; nothing of any is imported."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import metadata
from pathlib import Path

from tlzoo.errors import PluginError
from tlzoo.io.entry_points import UNREADABLE, is_enabled, normalize_name
from tlzoo.io.entry_points import declared_entries as entries

GROUP = "tlzoo"
SIMILAR = 0.75
"""How much, of 1, the name of an installed plugin must be like one that was not found to be suggested."""
REGISTRY_GROUP = "tlzoo.registry"
PREFIX_GROUP = "tlzoo.prefixes"
"""Entry points whose name is the first part of ids and whose value is the plugin that looks those up."""
CONFORMANCE_GROUP = "tlzoo.conformance"
FIRST_PARTY = {"vision": "tlzoo-vision", "nlp": "tlzoo-nlp", "speech": "tlzoo-speech"}


@dataclass(frozen=True, order=True)
class InstalledPlugin:
    """A plugin as its distribution's metadata declares it; nothing of it is imported."""

    name: str
    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass(frozen=True)
class DamagedPlugin:
    """A distribution that was to bring a plugin, and why its metadata, in the folder `path`, cannot be read.

    `name`, `distribution` and `version` are what can still be read.
    """

    name: str
    distribution: str
    version: str
    path: str
    fault: str


def declared_plugins() -> list[InstalledPlugin]:
    """Every plugin of this environment, switched off or not, sorted by name, without importing any."""
    return sorted({InstalledPlugin(one.name, one.distribution, one.version, one.value) for one in entries(GROUP)})


def contributors() -> list[str]:
    """The distributions that bring plugins or registry files, sorted."""
    return sorted({one.distribution for group in (GROUP, REGISTRY_GROUP) for one in entries(group)})


def enabled_plugins() -> list[InstalledPlugin]:
    """Every plugin that may load, sorted by name, without importing any.

    `TLZOO_PLUGINS=a,b` limits them to those named; empty means none.
    """
    return [plugin for plugin in declared_plugins() if is_enabled(plugin.name)]


def damaged_plugins() -> list[DamagedPlugin]:
    """The distributions whose metadata cannot be read, where they are recognisable as plugins of tlzoo."""
    found = []
    for folder in dict.fromkeys(sys.path):
        for info in sorted(Path(folder or ".").glob("*.dist-info")):
            fault = metadata_fault(metadata.Distribution.at(info))
            text = _raw_entries(info) if fault else ""
            if fault and re.search(r"(?m)^\s*\[tlzoo(\.\w+)?\]", text):
                distribution, _, version = info.name.removesuffix(".dist-info").partition("-")
                named = re.search(r"(?m)^\s*\[tlzoo\]\s*^\s*([\w.-]+)\s*=", text)
                name = named[1] if named else distribution.removeprefix("tlzoo_")
                found.append(DamagedPlugin(name, distribution.replace("_", "-"), version, str(info), fault))
    return found


def metadata_fault(distribution: metadata.Distribution) -> str:
    """Why the distribution's metadata cannot be used; empty where it can."""
    try:
        list(distribution.entry_points)
        return "" if distribution.metadata["Name"] and distribution.version else "METADATA has no Name and Version"
    except UNREADABLE as cause:
        return f"{type(cause).__name__}: {cause}".partition("\n")[0]


def _raw_entries(info: Path) -> str:
    try:
        return (info / "entry_points.txt").read_text("utf-8", errors="replace")
    except OSError:
        return ""


def claimants(name: str, plugins: Iterable[InstalledPlugin]) -> list[InstalledPlugin]:
    """Those of the plugins that may have this name: a first-party one has its distribution alone."""
    owner = FIRST_PARTY.get(name)
    return [
        plugin for plugin in plugins if plugin.name == name and owner in (None, normalize_name(plugin.distribution))
    ]


def find(name: str) -> InstalledPlugin:
    """The plugin of this name.

    Raises PluginError when none is installed, when two distributions claim the name, and when the only one to do so
    takes that of a first-party plugin.
    """
    found = enabled_plugins()
    matches = claimants(name, found)
    if not matches and (other := next((plugin for plugin in found if plugin.name == name), None)):
        raise PluginError(
            f"Plugin name {name!r} belongs to {FIRST_PARTY[name]}, but {other} claims it.",
            hint=f"Uninstall it: tlzoo plugins uninstall {other.distribution}",
        )
    if len(matches) > 1:
        owners = " and ".join(str(plugin) for plugin in matches)
        raise PluginError(
            f"Plugin name {name!r} is claimed by {owners}.",
            hint=f"Uninstall one: tlzoo plugins uninstall {matches[1].distribution}",
        )
    if not matches:
        if not is_enabled(name):
            raise PluginError(
                f"Plugin {name!r} is switched off by TLZOO_PLUGINS.", hint="Add its name there, or unset it."
            )
        package = FIRST_PARTY.get(name, f"tlzoo-{name}")
        near = get_close_matches(name.lower(), [plugin.name for plugin in found], 1, SIMILAR)
        meant = f"Did you mean {near[0]!r}? Otherwise install it" if near else "Install it"
        raise PluginError(f"No plugin {name!r} is installed.", hint=f"{meant}: tlzoo plugins install {package}")
    return matches[0]
