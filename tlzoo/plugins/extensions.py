"""Tasks, adaptation methods, strategies and formats that plugins add, by name.

A plugin's distribution declares each name as an entry point, such as `forecasting = "timeseries"` in the group
`tlzoo.tasks`, so that it is found without importing anything; the hook `register_tasks` of that plugin then answers
with the object of this name. `timeseries/forecasting` names the plugin, and needs no declaration.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from tlzoo.errors import HookError, PluginError, UsageError
from tlzoo.io.entry_points import REPORT_HINT, DeclaredEntry, declared_entries, describe_plugin, is_enabled
from tlzoo.options.arguments import unknown_word
from tlzoo.plugins.containment import contain
from tlzoo.plugins.discovery import GROUP

ExtensionKind = Literal["tasks", "adaptation", "strategies", "formats"]
EXTENSION_KINDS: tuple[ExtensionKind, ...] = ("tasks", "adaptation", "strategies", "formats")
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_PLUGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
SINGULAR = {"tasks": "task", "adaptation": "adaptation method", "strategies": "strategy", "formats": "format"}
_PARAMETERS = {"adaptation method": "method", "freeze policy": "freeze"}
"""The arguments that are not called what they are."""


class PluginExtension(NamedTuple):
    """The object that a plugin registers under a name of this kind."""

    kind: ExtensionKind
    plugin: str
    value: Any

    @property
    def title(self) -> str:
        """Its kind and name, as messages begin with."""
        return f"The {SINGULAR[self.kind]} {self.value.name!r}"

    @property
    def description(self) -> str:
        """Its kind and name, and the plugin with its distribution."""
        return f"{self.title} of {describe_plugin(self.plugin)}"

    def run(self, function: str, *given: Any, **named: Any) -> Any:
        """Call its function of this name; raises HookError naming the plugin where that fails."""
        with contain(self.title, self.plugin, draws=self.kind != "formats"):
            return getattr(self.value, function)(*given, **named)

    def wrong(self, what: str) -> HookError:
        """An error about a wrong return value."""
        return HookError(f"{self.description} {what}.", hint=REPORT_HINT)


def split_plugin_name(what: str, given: str) -> tuple[str, str]:
    """The plugin and the name in `plugin/name`, which may hold slashes; `what` this is, for people.

    Raises UsageError where one of them is missing, or the first cannot be a plugin's name.
    """
    plugin, _, name = given.partition("/")
    if not _PLUGIN.fullmatch(plugin) or not name.strip():
        raise UsageError(
            f"The {what} {given!r} does not have the form PLUGIN/NAME.",
            hint="Give the plugin's name, a slash and a name of that plugin; the plugins: tlzoo plugins list",
            parameter=_PARAMETERS.get(what, what),
        )
    return plugin, name


def declared_extensions(kind: ExtensionKind) -> list[DeclaredEntry]:
    """The names that installed plugins declare, sorted; a declaration's `value` is the plugin. Nothing is imported.

    A name that a distribution declares for a plugin of another one does not count.
    """
    own = {(one.distribution, one.name) for one in declared_entries(GROUP)}
    return [one for one in _declared(kind) if (one.distribution, one.value) in own]


def declared_names(kind: ExtensionKind) -> set[str]:
    """The names that distributions declare, those that `find_extension` refuses included."""
    return {one.name for one in _declared(kind)}


def _declared(kind: ExtensionKind) -> list[DeclaredEntry]:
    return [one for one in declared_entries(f"tlzoo.{kind}") if is_enabled(one.value)]


def _check_declared(kind: ExtensionKind, name: str) -> None:
    """Raise PluginError for a name that no plugin declares, but a distribution for a plugin that it does not have."""
    if one := next((one for one in _declared(kind) if one.name == name), None):
        raise PluginError(
            f"{one.distribution} {one.version} declares the {SINGULAR[kind]} {name!r} of plugin {one.value!r}, "
            "which it does not have.",
            hint=REPORT_HINT,
        )


def find_extension(kind: ExtensionKind, name: str) -> PluginExtension | None:
    """The extension `plugin/name`, or that of a declared name; `None` for a name that no plugin declares.

    Raises PluginError for a name that two distributions declare, that one declares for a plugin of another, or whose
    plugin is missing or broken, and UsageError where the plugin that is named has none of this name.
    """
    short = name
    if "/" in name:
        plugin, short = split_plugin_name(SINGULAR[kind], name)
    else:
        owners = [one for one in declared_extensions(kind) if one.name == name]
        if not owners:
            _check_declared(kind, name)
            return None
        if len(owners) > 1:
            first, second = (f"{one.distribution} {one.version}" for one in owners[:2])
            raise PluginError(
                f"The {SINGULAR[kind]} {name!r} is declared by {first} and by {second}.",
                hint=f"Choose one: {owners[0].value}/{name} or {owners[1].value}/{name}",
            )
        plugin = owners[0].value
    known = registered_extensions(kind, plugin)
    if short not in known:
        if (error := only_declared(kind, plugin, short)) is not None:
            raise error
        available = ", ".join(f"{plugin}/{each}" for each in known)
        raise UsageError(
            f"There is no {SINGULAR[kind]} {short!r} in {describe_plugin(plugin)}.",
            hint=f"It has: {available}." if known else f"It registers no {SINGULAR[kind]}, see: tlzoo plugins list",
            parameter=_PARAMETERS.get(SINGULAR[kind], SINGULAR[kind]),
        )
    return PluginExtension(kind, plugin, known[short])


def only_declared(kind: ExtensionKind, plugin: str, name: str) -> PluginError | None:
    """The error for a name that this plugin's distribution declares and its hook does not register."""
    if not any((one.name, one.value) == (name, plugin) for one in declared_extensions(kind)):
        return None
    return PluginError(
        f"The {SINGULAR[kind]} {name!r} is declared by {describe_plugin(plugin)}, but its hook "
        f"register_{kind} does not register it.",
        hint=REPORT_HINT,
    )


def registered_extensions(kind: ExtensionKind, plugin: str) -> dict[str, Any]:
    """What a plugin's hook `register_<kind>` answers, by name; raises HookError where it is not what it should be."""
    from tlzoo.plugins.manager import call, import_plugin

    hook = f"register_{kind}"
    if hook not in import_plugin(plugin).hooks:
        return {}
    answer: Any = call(hook, plugin, object, default=tuple)
    expected = _expected_types()[kind]
    whose = f"Hook {hook!r} of plugin {plugin!r} ({import_plugin(plugin).installed})"
    if not isinstance(answer, Iterable):
        raise HookError(f"{whose} returned {type(answer).__name__}, not a list.", hint=REPORT_HINT)
    found: dict[str, Any] = {}
    for one in answer:
        if not isinstance(one, expected):
            raise HookError(f"{whose} returned {type(one).__name__}, not {expected.__name__}.", hint=REPORT_HINT)
        if not isinstance(one.name, str) or not _NAME.fullmatch(one.name):
            raise HookError(
                f"{whose} returned the name {one.name!r}.",
                hint=f"A name is lower-case letters, digits and dashes, after a letter. {REPORT_HINT}",
            )
        if one.name in found:
            raise HookError(f"{whose} returned the duplicate name {one.name!r}.", hint=REPORT_HINT)
        found[one.name] = one
    return found


def warn_name_conflict(kind: ExtensionKind, name: str) -> None:
    """Warn where a plugin declares a name that is built in; the built-in one is used."""
    for one in declared_extensions(kind):
        if one.name == name:
            warnings.warn(
                f"{one.distribution} {one.version} declares the {SINGULAR[kind]} {name!r}, which is built in. "
                f"The built-in one is used; the plugin's is {one.value}/{name}.",
                RuntimeWarning,
                stacklevel=2,
            )


def extension_names(kind: ExtensionKind, own: Iterable[str]) -> str:
    """The core's `own` names and those that plugins declare, for a hint."""
    return ", ".join([*own, *(f"{one.value}/{one.name}" for one in declared_extensions(kind))])


def unknown_extension(kind: ExtensionKind, name: str, own: Iterable[str]) -> UsageError:
    """The error for a name that neither the core, which has `own`, nor a plugin declares; with one that is like it."""
    names = [*own, *(f"{one.value}/{one.name}" for one in declared_extensions(kind))]
    return unknown_word(_PARAMETERS.get(SINGULAR[kind], SINGULAR[kind]), name, names)


def _expected_types() -> dict[ExtensionKind, type[Any]]:
    from tlzoo.interfaces import AdaptationMethod, ExportFormat, RegisteredTask, Strategy

    return {
        "tasks": RegisteredTask,
        "adaptation": AdaptationMethod,
        "strategies": Strategy,
        "formats": ExportFormat,
    }
