"""Import one plugin, isolate a bad one, call one hook of it."""

from __future__ import annotations

import difflib
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from typing import Any, TypeVar, cast

import pluggy

from tlzoo.errors import HookError, PluginError
from tlzoo.io.entry_points import REPORT_HINT
from tlzoo.io.stops import is_stop
from tlzoo.plugins import hookspecs
from tlzoo.plugins.attribution import CALLED_PLUGINS, error_line
from tlzoo.plugins.containment import contain, watch
from tlzoo.plugins.discovery import GROUP, InstalledPlugin, find
from tlzoo.plugins.versions import unmet_requirement
from tlzoo.version import __version__

T = TypeVar("T")
_SLOW_IMPORT_S = 10.0
DRAWING_HOOKS = ("load_backbone", "build_head", "freeze", "adapt_domain")
"""Those that may draw random numbers; after others they go on as before."""


@dataclass
class ImportedPlugin:
    """An imported plugin with its own hook caller."""

    installed: InstalledPlugin
    manager: pluggy.PluginManager = field(repr=False)

    @property
    def hooks(self) -> list[str]:
        """The names of the hooks it implements."""
        callers = self.manager.get_hookcallers(self.manager.get_plugin(self.installed.name)) or []
        return sorted(caller.name for caller in callers)


@cache
def import_plugin(name: str) -> ImportedPlugin:
    """Import the plugin of this name and register its hooks.

    Raises PluginError naming distribution, version and cause when it is built for another tlzoo, cannot be imported,
    or its hooks are misspelt.
    """
    plugin = find(name)
    _check_version(plugin)
    manager = pluggy.PluginManager("tlzoo")
    manager.add_hookspecs(hookspecs)
    try:
        with _report_slow_import(plugin), watch("The import", name):
            manager.register(metadata.EntryPoint(plugin.name, plugin.module, GROUP).load(), plugin.name)
        manager.check_pending()
    except BaseException as cause:
        if is_stop(cause):
            raise
        raise PluginError(
            f"Plugin {plugin.name!r} ({plugin}) cannot be imported: {error_line(cause)}{_advice(cause)}",
            hint=f"Fix it, or remove it: tlzoo plugins uninstall {plugin.distribution}",
        ) from cause
    return ImportedPlugin(plugin, manager)


def _advice(cause: BaseException) -> str:
    """Advice for an import of a removed module of tlzoo, and for a misspelt hook."""
    if isinstance(cause, ModuleNotFoundError) and str(cause.name).startswith("tlzoo."):
        return "; import from tlzoo.plugin instead"
    misspelt = re.search(r"unknown hook '(\w+)'", error_line(cause))
    near = difflib.get_close_matches(misspelt[1], vars(hookspecs), 1) if misspelt else []
    return f"; did you mean {near[0]!r}?" if near else ""


def _check_version(plugin: InstalledPlugin) -> None:
    try:
        requires = metadata.distribution(plugin.distribution).requires
    except metadata.PackageNotFoundError:
        return
    required = unmet_requirement(requires)
    if required is not None:
        raise PluginError(
            f"Plugin {plugin.name!r} ({plugin}) requires {required}, but this is tlzoo {__version__}.",
            hint=f"Install a compatible version: tlzoo plugins install --upgrade {plugin.distribution}",
        )


@contextmanager
def _report_slow_import(plugin: InstalledPlugin) -> Iterator[None]:
    """Name the plugin when its import is slow."""
    line = (
        f"Plugin {plugin.name!r} ({plugin}) is still being imported. Stop with Ctrl-C; "
        f"to go on without it set TLZOO_PLUGINS, or remove it: tlzoo plugins uninstall {plugin.distribution}"
    )
    timer = threading.Timer(_SLOW_IMPORT_S, lambda: print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def call(
    hook: str, plugin: str, returns: type[T] | tuple[type, ...], default: Callable[..., T] | None = None, **given: Any
) -> T:
    """Call one plugin's hook; where it has none or returns `None`, call the core's `default`.

    Raises HookError with the plugin's name and version when the hook raises anything but a TlzooError or returns
    something else than `returns`, and when there is no result.
    """
    loaded = import_plugin(plugin)
    CALLED_PLUGINS.add(plugin)
    with contain(f"Hook {hook!r}", plugin, draws=hook in DRAWING_HOOKS):
        answer = getattr(loaded.manager.hook, hook)(**given)
    if answer is None and default is not None:
        return default(**given)
    if answer is None:
        raise HookError(
            f"Plugin {plugin!r} ({loaded.installed}) returns nothing from the hook {hook!r}.", hint=REPORT_HINT
        )
    expected = returns if isinstance(returns, tuple) else (returns,)
    if not isinstance(answer, expected):
        types = " or ".join(kind.__name__ for kind in expected)
        raise HookError(
            f"Hook {hook!r} of plugin {plugin!r} ({loaded.installed}) returned {type(answer).__name__}, not {types}.",
            hint=REPORT_HINT,
        )
    return cast(T, answer)
