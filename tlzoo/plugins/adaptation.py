"""The methods of domain adaptation by name, as far as that can be told without torch: what is refused at once."""

from __future__ import annotations

from tlzoo.errors import DataError, TlzooError, UsageError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.plugins.extensions import (
    SINGULAR,
    declared_names,
    extension_names,
    only_declared,
    registered_extensions,
    split_plugin_name,
    unknown_extension,
)
from tlzoo.plugins.manager import import_plugin
from tlzoo.tasks.base import Task

METHODS = ("auto", "coral")
"""The core's methods."""
FEWEST = 20
"""Distinct target samples below which CORAL's moments say little."""


def check_method(method: str, plugin: str) -> None:
    """Raise UsageError for a method that neither the core, `plugin`, which is the checkpoint's, nor another one knows.

    It is a PluginError where a plugin declares it alone. What a plugin's hook `adapt_domain` knows only that hook can
    tell.
    """
    if "/" in method:
        named, short = split_plugin_name(SINGULAR["adaptation"], method)
        if short not in registered_extensions("adaptation", named) and not _has_hook(named):
            raise unknown_method_of(named, short)
        return
    if method not in {*METHODS, *declared_names("adaptation")} and not _has_hook(plugin):
        raise unknown_method(method)


def is_coral(method: str, plugin: str) -> bool:
    """Whether a method is certainly CORAL, for a checkpoint of this plugin."""
    return method in METHODS and not _has_hook(plugin)


def check_coral(task: Task, distinct: int, samples: int) -> None:
    """Raise UsageError for a task without a probe, DataError for too few distinct samples among those of the target."""
    if "probe" not in task.supports:
        raise UsageError(
            f"CORAL fits a probe, a linear head on features, which {task.name} does not support.",
            hint=f"Choose a plugin's method: `method='PLUGIN/NAME'`. Methods: {method_names()}.",
            parameter="method",
        )
    if distinct < FEWEST:
        copies = f" ({samples} are given, most of them copies)" if distinct < samples else ""
        raise DataError(
            f"CORAL needs {FEWEST} target samples or more, not {distinct}{copies}: fewer say little of a domain, and "
            "aligned with them a model gets worse.",
            hint="Add target data; labels are not needed.",
        )


def _has_hook(plugin: str) -> bool:
    return "adapt_domain" in import_plugin(plugin).hooks


def unknown_method(method: str) -> UsageError:
    """The error for a method that nobody knows."""
    return unknown_extension("adaptation", method, METHODS)


def unknown_method_of(plugin: str, method: str) -> TlzooError:
    """The error for a method that the plugin named with it does not know, though it may declare it."""
    whose = describe_plugin(plugin)
    return only_declared("adaptation", plugin, method) or UsageError(
        f"{whose[0].upper()}{whose[1:]} has no adaptation method {method!r}.",
        hint=f"Methods: {method_names()}.",
        parameter="method",
    )


def method_names() -> str:
    """The core's methods and those that plugins declare, for people."""
    return extension_names("adaptation", METHODS)
