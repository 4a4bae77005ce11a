"""Which registry files are used, in order of precedence: of entries with the same id, the first is used."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from tlzoo.errors import RegistryError
from tlzoo.io.entry_points import declared_entries, is_enabled, package_folders
from tlzoo.registry.subscriptions import config

GROUP = "tlzoo.registry"


@dataclass(frozen=True)
class RegistryOrigin:
    """A registry file on this machine, and how far it is trusted.

    `name` is what reports call it. A plugin's may hold only ids that start with `prefix`; a user's own alone may name
    local files and stops the program where it is wrong, as the built-in one does; others are left out with a warning.
    """

    name: str
    kind: Literal["user", "built-in", "plugin", "remote"]
    path: Path
    prefix: str = ""


def origins() -> list[RegistryOrigin]:
    """The user's files (TLZOO_REGISTRY, the last named first), those added with `--first`, the built-in registry, the
    plugins' by name, then the others that the user has added, in the order of adding.

    Raises RegistryError where registries.json is damaged.
    """
    named = [Path(path).expanduser() for path in os.environ.get("TLZOO_REGISTRY", "").split(os.pathsep) if path]
    users = [RegistryOrigin(str(path), "user", path) for path in reversed(named)]
    added = [(registry.first, origin_of(registry)) for registry in config.read()]
    before = [origin for first, origin in added if first and origin]
    after = [origin for first, origin in added if not first and origin]
    return [*users, *before, RegistryOrigin("built-in", "built-in", built_in()), *_plugins(), *after]


def origin_of(registry: config.Subscription) -> RegistryOrigin | None:
    """The file of a registry that the user has added; `None`, and a warning, where a remote one's copy is gone or not
    what was fetched."""
    if registry.path is not None:
        return RegistryOrigin(registry.name, "user", Path(registry.path))
    path = config.copy_path(registry)
    if path is None or not path.is_file():
        warn_once(
            f"The registry {registry.name!r} is ignored: its copy is missing. "
            f"Fetch it again: tlzoo registry update {registry.name}"
        )
        return None
    if not config.copy_is_intact(registry):
        warn_once(
            f"The registry {registry.name!r} is ignored: its copy {path} is damaged. "
            f"Fetch it again: tlzoo registry update {registry.name}"
        )
        return None
    return RegistryOrigin(registry.name, "remote", path)


def built_in() -> Path:
    """The first-party registry file: inside the package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        if (folder / "registry.json").is_file():
            return folder / "registry.json"
    raise RegistryError(
        f"registry.json is missing from {package}.", hint="Install again: pip install --force-reinstall tlzoo"
    )


def warn_once(message: str) -> None:
    """A warning, the first time that it is due."""
    if message not in _warned:
        _warned.add(message)
        warnings.warn(message, RuntimeWarning, stacklevel=2)


_warned: set[str] = set()


def _plugins() -> list[RegistryOrigin]:
    found = []
    for plugin, value in sorted({(one.name, one.value) for one in declared_entries(GROUP) if is_enabled(one.name)}):
        name = f"plugin {plugin!r}"
        try:
            found.append(RegistryOrigin(name, "plugin", contributed_file(value), f"{plugin}/"))
        except RegistryError as error:
            warn_once(f"The registry of {name} is ignored: {error.message}")
    return found


def contributed_file(value: str) -> Path:
    """Where `package:file` lies; the package is located, not imported. Raises RegistryError."""
    package, _, file = value.partition(":")
    inside = PurePosixPath(file.strip())
    if not file or inside.is_absolute() or ".." in inside.parts:
        raise RegistryError(f"entry point {value!r} is not 'package:registry.json'.")
    for folder in package_folders(package):
        path = folder / inside
        if path.is_file():
            return path
    raise RegistryError(f"no file {file.strip()!r} in package {package!r}.")
