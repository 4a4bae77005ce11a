"""The heads of tasks, found by the task: `head.py` of its folder, or the module that a plugin's task names."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import torch

from tlzoo.errors import PluginError, UsageError
from tlzoo.interfaces import Backbone, Head
from tlzoo.io.entry_points import describe_plugin
from tlzoo.tasks.base import Task
from tlzoo.tasks.heads import Objective, ScaledLinear


def default_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """The task's own head, with its loss; of the core's tasks a linear layer.

    `options` are what the task's `build_head` takes, such as `label_smoothing` and `class_weights`. Raises
    TrainingError for a backbone whose output is not what the task needs, UsageError for an option that cannot be.
    """
    head: Head = _head_module(task).build_head(backbone, task, options)
    return head


def probe_objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """What a probe of this task minimises; raises UsageError where it has no probe."""
    if "probe" not in task.supports:
        raise UsageError(
            f"{task.name} does not support a probe.", hint="Use `strategy='finetune'`.", parameter="strategy"
        )
    found: Objective = _head_module(task).objective(task, options)
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
    assert isinstance(layer, torch.nn.Linear)
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return head


def _head_module(task: Task) -> ModuleType:
    try:
        return importlib.import_module(task.head)
    except (ImportError, ValueError, AttributeError, TypeError) as cause:  # the last three where it is no name
        whose = describe_plugin(task.plugin) if task.plugin else "the core"
        raise PluginError(
            f"The head module {task.head!r} of {task.name} ({whose}) cannot be imported: {cause}.",
            hint="Ask its author to set `head` of the task to a module that defines `build_head`.",
        ) from cause
