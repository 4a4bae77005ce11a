"""The heads of tasks, found by the task: `head.py` of its folder, or the module that a plugin's task names."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any, cast

import torch

from tlzoo.errors import HookError, PluginError, UsageError
from tlzoo.interfaces import Backbone, Head
from tlzoo.io.entry_points import describe_plugin
from tlzoo.tasks.base import Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.heads import Objective, ScaledLinear


def default_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """The task's own head, with its loss; of the core's tasks a linear layer.

    `options` are what the task's `build_head` takes, such as `label_smoothing` and `class_weights`. Raises
    TrainingError for a backbone whose output is not what the task needs, UsageError for an option that cannot be.
    """
    head: Any = _head_function(task, "build_head")(backbone, task, options)
    if wrong := head_problem(head):
        raise _head_error(task, f"`build_head` of its head module {task.head!r} returns {wrong}.")
    assert isinstance(head, Head)
    return head


def head_problem(head: Any) -> str:
    """Of what `build_head` returns: a Head of a module and a loss that can be called; empty where it is that."""
    if not isinstance(head, Head):
        return f"{type(head).__name__}, not a Head"
    if not isinstance(head.module, torch.nn.Module):
        return f"a Head whose `module` is {type(head.module).__name__}, not a torch.nn.Module"
    return "" if callable(head.loss) else f"a Head whose `loss` is {type(head.loss).__name__}, not a function"


def probe_objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """What a probe of this task minimises; raises UsageError where it has no probe."""
    if "probe" not in task.supports:
        raise UsageError(
            f"{task.name} does not support a probe.", hint="Use `strategy='finetune'`.", parameter="strategy"
        )
    found: Any = _head_function(task, "objective")(task, options)
    if not isinstance(found, Objective):
        raise _head_error(
            task, f"`objective` of its head module {task.head!r} returns {type(found).__name__}, not an Objective."
        )
    return found


def linear_head(
    backbone: Backbone, weight: torch.Tensor, bias: torch.Tensor, task: Task, options: Mapping[str, Any] | None = None
) -> Head:
    """The task's linear head that gives features @ weight [C, D] + bias [C].

    `options` are those of `default_head`; whatever they are, the outputs are the same.
    """
    head = default_head(backbone, task, options or {})
    layer = head.module
    if isinstance(layer, ScaledLinear):
        weight, bias = weight / layer.std, (bias - layer.mean) / layer.std
    if not isinstance(layer, torch.nn.Linear):
        raise _head_error(
            task, f"it supports a probe, but the head of {task.head!r} is {type(layer).__name__}, not torch.nn.Linear."
        )
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return head


def _head_error(task: Task, what: str) -> HookError:
    return task_error(task, f"cannot be used: {what}")


def _head_function(task: Task, name: str) -> Callable[..., Any]:
    """`build_head` or `objective` of the task's head module; raises HookError where it has none."""
    function = getattr(_head_module(task), name, None)
    if not callable(function):
        raise _head_error(task, f"its head module {task.head!r} defines no `{name}`.")
    return cast("Callable[..., Any]", function)


def _head_module(task: Task) -> ModuleType:
    try:
        return importlib.import_module(task.head)
    except (ImportError, ValueError, AttributeError, TypeError) as cause:  # the last three where it is no name
        whose = describe_plugin(task.plugin) if task.plugin else "the core"
        raise PluginError(
            f"The head module {task.head!r} of {task.name} ({whose}) cannot be imported: {cause}.",
            hint="Ask its author to set `head` of the task to a module that defines `build_head`.",
        ) from cause
