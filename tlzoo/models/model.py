"""The model: backbone and head as one torch module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import NoneType
from typing import Any

import torch
from torch import nn

from tlzoo import plugins
from tlzoo.errors import HookError, RegistryError, UsageError
from tlzoo.interfaces import Backbone, Head, Needs, Weights
from tlzoo.io.entry_points import REPORT_HINT, describe_plugin
from tlzoo.models.heads import default_head, head_problem
from tlzoo.plugins.extensions import split_plugin_name
from tlzoo.registry.schema import Checkpoint
from tlzoo.tasks import Task
from tlzoo.tasks.contract import task_error
from tlzoo.tasks.heads import LINEAR


class TaskModel(nn.Module):
    """`forward(*inputs)` takes the backbone's inputs in their order and returns the task's outputs.

    That is a tensor, or a tuple of several in the order of `task.outputs`; `named` gives them by name. `parts` is the
    backbone as its plugin described it; `parts.module` is `backbone`. `head_name` says who builds the head again: the
    core (`linear`), the checkpoint's plugin (`plugin`) or another, as `plugin/name`.
    """

    def __init__(
        self, checkpoint: Checkpoint, task: Task, parts: Backbone, head: Head, head_name: str = "linear"
    ) -> None:
        super().__init__()
        self.head_name = head_name
        self.checkpoint = checkpoint
        self.task = task
        self.parts = parts
        self.loss = head.loss
        self.takes_weights = head.takes_weights
        self.backbone = parts.module
        self.head = head.module

    @property
    def head_plugin(self) -> str:
        """The plugin that builds the head; empty where the core does."""
        known = {"linear": self.task.plugin, "plugin": self.checkpoint.plugin}
        return known.get(self.head_name, self.head_name.partition("/")[0])

    @property
    def plugins(self) -> tuple[str, ...]:
        """Those whose code runs in `forward`, once each."""
        return tuple(dict.fromkeys(filter(None, (self.checkpoint.plugin, self.head_plugin))))

    def forward(self, *inputs: torch.Tensor) -> Any:
        return self.head(self.head_input(self.backbone(*inputs)))

    def head_input(self, made: Any) -> Any:
        """The head's input from the backbone's output: a tensor, or a mapping by name where there are several."""
        kinds = self.parts.output
        return dict(zip(kinds, made, strict=True)) if isinstance(kinds, tuple) else made

    def named(self, made: Any) -> dict[str, torch.Tensor]:
        """What `forward` returned, by the names of the task's outputs, floats as float32."""
        return {
            name: value.float() if value.is_floating_point() else value
            for name, value in named_outputs(self.task, made).items()
        }

    @property
    def has_linear_head(self) -> bool:
        """Whether the head is exactly a layer that the core builds again from its weights."""
        return type(self.head) in LINEAR

    def headless(self) -> TaskModel:
        """The same backbone without a head; its outputs are features."""
        return TaskModel(self.checkpoint, self.task, self.parts, Head(nn.Identity(), self.loss, self.takes_weights))

    def with_head(self, head: Head) -> TaskModel:
        """The same backbone with another head, one that the core builds."""
        return TaskModel(self.checkpoint, self.task, self.parts, head)


def named_outputs(task: Task, made: Any) -> dict[str, Any]:
    """A model's outputs by name: `made` is one, or a tuple in the order of the task's."""
    values, names = as_tuple(made), [output.name for output in task.outputs]
    if len(values) != len(names):
        raise task_error(task, f"declares {len(names)} outputs; its head returns {len(values)}.")
    return dict(zip(names, values, strict=True))


def as_tuple(made: Any) -> tuple[Any, ...]:
    """A module's output as a tuple, be it one tensor or several."""
    return tuple(made) if isinstance(made, tuple | list) else (made,)


def load_backbone(checkpoint: Checkpoint, weights: Weights | None, output: Needs = "vector") -> Backbone:
    """Ask the checkpoint's plugin for its backbone; `output` is what a task `needs`.

    Raises UsageError where the plugin gives another output than it was asked for, RegistryError where a weight is no
    number.
    """
    backbone = plugins.call(
        "load_backbone", checkpoint.plugin, Backbone, checkpoint=checkpoint, weights=weights, output=output
    )
    if backbone.output != output:
        raise UsageError(
            f"The backbone of {checkpoint.id} returns {backbone.output!r}, but the task needs {output!r}.",
            hint="Choose another checkpoint or task.",
            parameter="task",
        )
    if weights is not None and (
        name := not_finite(backbone.module.named_parameters()) or _unusable_buffer(backbone.module)
    ):
        raise RegistryError(
            f"The weights of {checkpoint.id} hold NaN or infinity in {name}.",
            hint="Choose another checkpoint, or tell those who publish it.",
        )
    return backbone


def not_finite(tensors: Iterable[tuple[str, torch.Tensor]]) -> str:
    """The name of the first tensor that holds NaN or infinity; empty where none does."""
    for name, tensor in tensors:
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            return name
    return ""


def _unusable_buffer(module: nn.Module) -> str:
    """The name of the first buffer that comes with the weights and holds NaN, or infinity where it is a statistic; in
    another, such as a mask, that may be meant.
    """
    kept = module.state_dict().keys()
    for name, tensor in module.named_buffers():
        if name in kept and tensor.is_floating_point():
            wrong = tensor.isinf() | tensor.isnan() if "running_" in name else tensor.isnan()
            if bool(wrong.any()):
                return name
    return ""


def build_model(
    checkpoint: Checkpoint,
    task: Task,
    backbone: Backbone,
    *,
    head: str = "",
    options: Mapping[str, Any] | None = None,
) -> TaskModel:
    """A model with a fresh head: that of the checkpoint's plugin, else the task's own.

    `head` chooses: `linear` is the task's own, which is what a probe leaves, `plugin` the checkpoint's plugin's, and
    `plugin/name` that of another plugin, whose `build_head` gets the name as the option `head`. `options` are those of
    `tlzoo.models.heads.default_head`. Raises UsageError where the plugin named has no such head.
    """
    given = dict(options or {})
    if head == "linear":
        return TaskModel(checkpoint, task, backbone, default_head(backbone, task, given))
    asked: dict[str, Any] = {"backbone": backbone, "task": task, "options": given}
    if "/" in head:
        plugin, name = split_plugin_name("head", head)
        made = _hook_head(plugin, **{**asked, "options": {**given, "head": name}})
        if made is None:
            raise UsageError(
                f"Plugin {plugin!r} has no head {name!r} for {task.name}.",
                hint="Its documentation names those it has; `head='linear'` is the task's own.",
                parameter="head",
            )
        return TaskModel(checkpoint, task, backbone, made, head)
    own = _hook_head(checkpoint.plugin, **asked)
    if own is None:
        return TaskModel(checkpoint, task, backbone, default_head(backbone, task, given))
    return TaskModel(checkpoint, task, backbone, own, "plugin")


def _hook_head(plugin: str, **asked: Any) -> Head | None:
    """The head of a plugin's hook, where it has one for this backbone and task."""
    found = plugins.call("build_head", plugin, (Head, NoneType), default=lambda **given: None, **asked)
    if not isinstance(found, Head):
        return None
    if wrong := head_problem(found):
        raise HookError(f"Hook 'build_head' of {describe_plugin(plugin)} returned {wrong}.", hint=REPORT_HINT)
    return found
