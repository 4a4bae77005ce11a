"""Every plugin of this environment with what is known of it and how it fares, importing none."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

from tlzoo.errors import RegistryError, TlzooError
from tlzoo.io.entry_points import allowed
from tlzoo.plugins.authoring import inspection
from tlzoo.plugins.authoring.description import Description, describe
from tlzoo.plugins.discovery import FIRST_PARTY, Damaged, Installed, claims, damaged, declared
from tlzoo.plugins.named import KINDS
from tlzoo.plugins.versions import built_for_another
from tlzoo.registry.catalogue import ids_for
from tlzoo.version import __version__


def status() -> list[dict[str, Any]]:
    """One row for each plugin, by name; nothing that is installed makes this fail.

    A row has `name`, `distribution`, `version`, `module`, `hooks` (`None`: not to be seen in the source),
    `checkpoints` (the ids that it builds), `prefixes`, `adds` (the names that it declares of tasks, adaptation,
    strategies and formats), `license`, `status` and `error`, which says what to mend or
    type. Status: `ok`; `off` (by TLZOO_PLUGINS); `conflict` (several distributions claim the name); `incompatible`
    (built for another tlzoo); `broken`.
    """
    found = declared()
    rows = [_row(plugin, claims(plugin.name, found)) for plugin in _each_once(found)]
    return sorted([*rows, *map(_damaged_row, damaged())], key=lambda row: (row["name"], row["distribution"]))


def _each_once(found: list[Installed]) -> list[Installed]:
    """One for each name and distribution, though the distribution may declare it twice."""
    return list({(plugin.name, plugin.distribution): plugin for plugin in reversed(found)}.values())


def _row(plugin: Installed, rivals: list[Installed]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "hooks": None,
        "checkpoints": [],
        "prefixes": [],
        "adds": {},
        "license": None,
    }
    try:
        state, error = _look(plugin, rivals, row)
    except Exception as cause:  # noqa: BLE001 - a list of plugins must not fail by what one of them ships
        state, error = "broken", f"{type(cause).__name__}: {cause}".partition("\n")[0]
    return row | {"status": state, "error": error}


def _look(plugin: Installed, rivals: list[Installed], row: dict[str, Any]) -> tuple[str, str | None]:
    """Status and error; fills in the row."""
    described = describe(metadata.distribution(plugin.distribution))
    row["license"] = described.license
    row["prefixes"] = inspection.prefixes(described, plugin.name)
    row["adds"] = _added(described, plugin.name)
    fault = _fill(described, plugin.name, row)
    row["checkpoints"] = _served(plugin.name, row["checkpoints"])
    if not allowed(plugin.name):
        return "off", "TLZOO_PLUGINS leaves it out; add its name there, or unset it"
    others = sorted({str(rival) for rival in rivals})
    if str(plugin) not in others:
        return "conflict", f"its name is {FIRST_PARTY[plugin.name]}'s; tlzoo plugins uninstall {plugin.distribution}"
    if len(others) > 1:
        return "conflict", f"{' and '.join(others)} claim its name; tlzoo plugins uninstall {plugin.distribution}"
    wanted = built_for_another(described.requires)
    if wanted is not None:
        upgrade = f"tlzoo plugins install --upgrade {plugin.distribution}"
        return "incompatible", f"it is built for {wanted}, and this is tlzoo {__version__}; {upgrade}"
    return ("broken", fault) if fault else ("ok", None)


def _fill(described: Description, name: str, row: dict[str, Any]) -> str | None:
    """Hooks and checkpoints, where they can be read; the first fault."""
    fault = next(inspection.faults(described, name), None)
    looks: dict[str, Callable[[Description, str], list[str] | None]]
    looks = {"hooks": inspection.hooks, "checkpoints": inspection.checkpoints}
    for field, look in looks.items():
        try:
            row[field] = look(described, name)
        except (LookupError, SyntaxError, TlzooError) as cause:
            fault = fault or str(cause)
    return fault


def _added(described: Description, name: str) -> dict[str, list[str]]:
    """The names that it declares, by what they are of."""
    found = {
        kind: sorted(entry for entry, value in described.entries.get(f"tlzoo.{kind}", ()) if value == name)
        for kind in KINDS
    }
    return {kind: names for kind, names in found.items() if names}


def _served(name: str, own: list[str]) -> list[str]:
    """The ids that it builds: those of its own registry file, and of the others where they can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return sorted({*own, *ids_for(name)})
        except RegistryError:
            return own


def _damaged_row(found: Damaged) -> dict[str, Any]:
    return {
        "name": found.name,
        "distribution": found.distribution,
        "version": found.version,
        "module": None,
        "hooks": None,
        "checkpoints": [],
        "prefixes": [],
        "adds": {},
        "license": None,
        "status": "broken",
        "error": f"its metadata is damaged ({found.fault}); remove {found.path} and install it again",
    }
