"""Plugins: discover them by entry point, load one, isolate a bad one, call one hook of it."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, TypeVar

import pluggy

from tlzoo import hookspecs
from tlzoo.errors import HookError, PluginError, TlzooError

GROUP = "tlzoo"
T = TypeVar("T")
FIRST_PARTY = {"vision": "tlzoo-vision", "nlp": "tlzoo-nlp", "speech": "tlzoo-speech"}


@dataclass(frozen=True)
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


def installed() -> list[Installed]:
    """Every plugin that may load, sorted by name, without importing any.

    `TLZOO_PLUGINS=a,b` limits them to those named; empty means none.
    """
    chosen = os.environ.get("TLZOO_PLUGINS")
    names = None if chosen is None else {name.strip() for name in chosen.split(",")}
    found = set()
    for entry in metadata.entry_points(group=GROUP):
        if (names is None or entry.name in names) and entry.dist is not None:
            found.add((entry.name, entry.dist.name, entry.dist.version, entry.value))
    return [Installed(*row) for row in sorted(found)]


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
        if "TLZOO_PLUGINS" in os.environ and not _allowed(name):
            raise PluginError(f"Plugin {name!r} is switched off by TLZOO_PLUGINS.", hint="Add its name there, or unset it.")
        package = FIRST_PARTY.get(name, f"tlzoo-{name}")
        raise PluginError(f"No plugin {name!r} is installed.", hint=f"Install it: tlzoo plugins install {package}")
    return matches[0]


def _allowed(name: str) -> bool:
    return name in {part.strip() for part in os.environ["TLZOO_PLUGINS"].split(",")}


@cache
def load(name: str) -> Loaded:
    """Import the plugin of this name and register its hooks.

    Raises PluginError naming distribution, version and cause when it cannot be imported or its hooks are misspelt.
    """
    plugin = find(name)
    manager = pluggy.PluginManager("tlzoo")
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(importlib.import_module(plugin.module), plugin.name)
        manager.check_pending()
    except (Exception, SystemExit) as cause:
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


def call(hook: str, plugin: str, returns: type[T] | tuple[type, ...], default: Callable[..., T] | None = None, **given: Any) -> T:
    """Ask one plugin's hook; where it has none or answers `None`, ask the core's `default`.

    Raises HookError with the plugin's name and version when the hook raises anything but a TlzooError or returns
    something else than `returns`, and when nobody answers.
    """
    loaded = load(plugin)
    try:
        answer = getattr(loaded.manager.hook, hook)(**given)
    except TlzooError:
        raise
    except Exception as cause:
        raise HookError(
            f"Hook {hook!r} of plugin {plugin!r} ({loaded.installed}) failed: {type(cause).__name__}: {cause}",
            hint="See the whole trace with --debug.",
        ) from cause
    if answer is None and default is not None:
        return default(**given)
    if answer is None:
        raise HookError(f"Plugin {plugin!r} ({loaded.installed}) does not answer the hook {hook!r}.", hint="Ask its author, or choose another checkpoint.")
    expected = returns if isinstance(returns, tuple) else (returns,)
    if not isinstance(answer, expected):
        wanted = " or ".join(kind.__name__ for kind in expected)
        raise HookError(f"Hook {hook!r} of plugin {plugin!r} ({loaded.installed}) returned {type(answer).__name__}, not {wanted}.", hint="Ask its author, or choose another checkpoint.")
    return answer
