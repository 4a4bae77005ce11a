"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, TypeVar, cast

import pluggy

from tlzoo import hookspecs
from tlzoo.errors import HookError, PluginError, TlzooError

GROUP = "tlzoo"
REGISTRY_GROUP = "tlzoo.registry"
T = TypeVar("T")
FIRST_PARTY = {"vision": "tlzoo-vision", "nlp": "tlzoo-nlp", "speech": "tlzoo-speech"}
_TERMINATED = 143
"""The exit code with which the command line unwinds on SIGTERM: that stop is the user's, not the plugin's."""


@dataclass(frozen=True, order=True)
class Installed:
    """A plugin as its distribution's metadata declares it; nothing of it is imported."""

    name: str
    distribution: str
    version: str
    module: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


@dataclass
class Loaded:
    """An imported plugin with a hook caller of its own."""

    installed: Installed
    manager: pluggy.PluginManager = field(repr=False)

    @property
    def hooks(self) -> list[str]:
        """The names of the hooks it implements."""
        callers = self.manager.get_hookcallers(self.manager.get_plugin(self.installed.name)) or []
        return sorted(caller.name for caller in callers)


def declared() -> list[Installed]:
    """Every plugin of this environment, switched off or not, sorted by name, without importing any."""
    return sorted({Installed(entry.name, *owner, entry.value) for entry, owner in _entries(GROUP)})


def contributors() -> list[str]:
    """The distributions that bring plugins or registry files, sorted."""
    return sorted({owner[0] for group in (GROUP, REGISTRY_GROUP) for _, owner in _entries(group)})


def installed() -> list[Installed]:
    """Every plugin that may load, sorted by name, without importing any.

    `TLZOO_PLUGINS=a,b` limits them to those named; empty means none.
    """
    return [plugin for plugin in declared() if allowed(plugin.name)]


def allowed(name: str) -> bool:
    """Whether `TLZOO_PLUGINS` lets the plugin of this name load."""
    chosen = os.environ.get("TLZOO_PLUGINS")
    return chosen is None or name in {part.strip() for part in chosen.split(",")}


def _entries(group: str) -> Iterator[tuple[metadata.EntryPoint, tuple[str, str]]]:
    """Entry points of a group with their distribution's name and version; of one installed twice, the first found.

    A distribution whose metadata cannot be parsed is passed over, so that it does not take the others with it.
    """
    seen: set[str] = set()
    for distribution in metadata.distributions():
        try:
            entries = distribution.entry_points.select(group=group)
            owner = (str(distribution.metadata["Name"]), str(distribution.version)) if entries else ("", "")
        except (ValueError, TypeError, KeyError, OSError, metadata.PackageNotFoundError):
            continue
        key = re.sub(r"[-_.]+", "-", owner[0]).lower()
        if entries and key not in seen:
            seen.add(key)
            yield from ((entry, owner) for entry in entries)


def find(name: str) -> Installed:
    """The plugin of this name.

    Raises PluginError when none is installed, or when two distributions claim the name.
    """
    matches = [plugin for plugin in installed() if plugin.name == name]
    if len(matches) > 1:
        claims = " and ".join(str(plugin) for plugin in matches)
        raise PluginError(
            f"Plugin name {name!r} is claimed by {claims}.",
            hint=f"Uninstall one: tlzoo plugins uninstall {matches[1].distribution}",
        )
    if not matches:
        if not allowed(name):
            raise PluginError(
                f"Plugin {name!r} is switched off by TLZOO_PLUGINS.", hint="Add its name there, or unset it."
            )
        package = FIRST_PARTY.get(name, f"tlzoo-{name}")
        raise PluginError(f"No plugin {name!r} is installed.", hint=f"Install it: tlzoo plugins install {package}")
    return matches[0]


@cache
def load(name: str) -> Loaded:
    """Import the plugin of this name and register its hooks.

    Raises PluginError naming distribution, version and cause when it cannot be imported or its hooks are misspelt.
    """
    plugin = find(name)
    manager = pluggy.PluginManager("tlzoo")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(metadata.EntryPoint(plugin.name, plugin.module, GROUP).load(), plugin.name)
        manager.check_pending()
    except (Exception, SystemExit) as cause:
        if _is_termination(cause):
            raise
        raise PluginError(
            f"Plugin {plugin.name!r} ({plugin}) cannot be loaded: {type(cause).__name__}: {cause}",
            hint=f"Mend or remove it: tlzoo plugins uninstall {plugin.distribution}",
        ) from cause
    return Loaded(plugin, manager)


def load_all() -> list[Loaded]:
    """Load every plugin that loads; report each bad one once as a warning.

    Raises PluginError for the first bad one when `TLZOO_STRICT_PLUGINS=1`.
    """
    loaded = []
    for name in sorted({plugin.name for plugin in installed()}):
        try:
            loaded.append(load(name))
        except PluginError as error:
            if os.environ.get("TLZOO_STRICT_PLUGINS") == "1":
                raise
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
    return loaded


def call(
    hook: str, plugin: str, returns: type[T] | tuple[type, ...], default: Callable[..., T] | None = None, **given: Any
) -> T:
    """Ask one plugin's hook; where it has none or answers `None`, ask the core's `default`.

    Raises HookError with the plugin's name and version when the hook raises anything but a TlzooError or returns
    something else than `returns`, and when nobody answers.
    """
    loaded = load(plugin)
    try:
        answer = getattr(loaded.manager.hook, hook)(**given)
    except TlzooError:
        raise
    except (Exception, SystemExit) as cause:
        if _is_termination(cause):
            raise
        raise HookError(
            f"Hook {hook!r} of plugin {plugin!r} ({loaded.installed}) failed: {type(cause).__name__}: {cause}",
            hint="See the whole trace with --debug.",
        ) from cause
    if answer is None and default is not None:
        return default(**given)
    if answer is None:
        raise HookError(
            f"Plugin {plugin!r} ({loaded.installed}) does not answer the hook {hook!r}.",
            hint="Ask its author, or choose another checkpoint.",
        )
    expected = returns if isinstance(returns, tuple) else (returns,)
    if not isinstance(answer, expected):
        wanted = " or ".join(kind.__name__ for kind in expected)
        raise HookError(
            f"Hook {hook!r} of plugin {plugin!r} ({loaded.installed}) returned {type(answer).__name__}, not {wanted}.",
            hint="Ask its author, or choose another checkpoint.",
        )
    return cast(T, answer)


def _is_termination(cause: BaseException) -> bool:
    return isinstance(cause, SystemExit) and cause.code == _TERMINATED
