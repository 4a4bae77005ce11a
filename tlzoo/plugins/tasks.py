"""Tasks by name, the core's and those of plugins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tlzoo.errors import PluginError, TlzooError, UsageError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.plugins.attribution import error_line
from tlzoo.plugins.extensions import declared_extensions, find_extension, unknown_extension, warn_name_conflict
from tlzoo.tasks import CORE, Task, is_core_task, make_task, split_name, supports_modality, trainable_tasks


def task_type(family: str) -> type[Task]:
    """The class of a task's family, `forecasting` or `plugin/forecasting`.

    Raises UsageError for an unknown one, PluginError where its plugin is missing or broken.
    """
    if family in CORE:
        return CORE[family]
    found = find_extension("tasks", family)
    if found is None:
        raise unknown_extension("tasks", family, CORE)
    kind = found.value.task
    short = family.rpartition("/")[2]
    if not (isinstance(kind, type) and issubclass(kind, Task)) or kind.family != short:
        raise found.wrong(f"is not a subclass of Task with the family {short!r}")
    if kind.plugin != found.plugin:
        raise found.wrong(f"belongs to plugin {kind.plugin!r}: set `plugin` in the class")
    return kind


def task_of(name: str, labels: Iterable[str] = (), settings: Mapping[str, Any] | None = None, plugin: str = "") -> Task:
    """The task of a name such as `image-regression`, as runs and exported files keep it with the plugin it is from.

    Raises UsageError for an unknown name or settings that it does not take, PluginError where its plugin is
    missing.
    """
    _, family = split_name(name)
    kind = task_type(f"{plugin}/{family}" if plugin else family)
    try:
        return kind(name, tuple(labels), **(settings or {}))
    except TlzooError:
        raise
    except Exception as cause:
        if not plugin and not isinstance(cause, TypeError | ValueError):
            raise
        whose = f" of {describe_plugin(plugin)}" if plugin else ""
        raise UsageError(
            f"The task {name!r}{whose} does not take the settings {_shown(settings)}: {error_line(cause)}.",
            hint="Install the version that it was trained with, or train it again." if plugin else "Train it again.",
        ) from cause


def _shown(settings: Mapping[str, Any] | None) -> str:
    shown = ", ".join(f"{name}={value!r}" for name, value in (settings or {}).items())
    return shown if len(shown) <= 200 else f"{shown[:200]}..."


def unfitted_task(served: Iterable[str], requested: str | None) -> Task | None:
    """The task to train on a checkpoint that serves tasks of these names: its first, or that of the name `requested`.

    `requested` is a task's whole name, its family, or `plugin/family`; the answer has no labels yet. `None` where the
    checkpoint cannot be trained for it. Raises UsageError for a plugin's task of other inputs, and as `task_type` does.
    """
    served = [name for name in served if "-" in name]
    kinds = list(dict.fromkeys(split_name(name)[0] for name in served))
    if requested is None:
        requested = next((name for name in served if is_core_task(name) or _declared(split_name(name)[1])), "")
    known = trainable_tasks(served)
    unfit = ""
    for kind in kinds:
        family = requested.removeprefix(f"{kind}-")
        if family in CORE:
            warn_name_conflict("tasks", family)
            name = f"{kind}-{family}"
            return make_task(name) if name in known else None
        if "/" in family or _declared(family):
            found = task_type(family)
            if supports_modality(found, kind):
                return found(f"{kind}-{found.family}")
            unfit = f"The task {family!r} is for {', '.join(sorted(found.modalities or ()))}, not for {kind}."
    if unfit:
        raise UsageError(unfit, hint="Choose a checkpoint of that modality.", parameter="task")
    return None


def _declared(family: str) -> bool:
    return any(one.name == family for one in declared_extensions("tasks"))


def distribution_of(plugin: str) -> str:
    """The distribution and version that bring a plugin, for people; empty for the core or where it is not installed."""
    from tlzoo.plugins.discovery import find

    try:
        return str(find(plugin)) if plugin else ""
    except PluginError:
        return ""
