"""A dry run of a plugin's task and head on a few samples before training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import HookError, TlzooError
from tlzoo.io.entry_points import describe_plugin
from tlzoo.models.model import TaskModel, as_tuple
from tlzoo.models.onnx_export import module_outputs
from tlzoo.plugins.attribution import error_line, raised_by_plugin
from tlzoo.preprocess import row_lengths
from tlzoo.tasks import contract
from tlzoo.tasks.rows import OutputCollector

FEW = 4
MANY = 64
"""Samples whose loss is computed where that of the first few is no number: all of those may be without a target."""


def dry_run(model: TaskModel, data: TaskDataset) -> None:
    """Run a plugin's task and head once on the first samples; changes nothing and draws no random numbers.

    Raises HookError naming the plugin where outputs are not those declared or not finite, targets are not collated to a
    row for each sample, the loss is no number that the head can learn from, or metrics, scores and predictions break
    the contract. Tasks and heads of the core are skipped.
    """
    head_plugin = {"linear": model.task.plugin, "plugin": model.checkpoint.plugin}.get(
        model.head_name, model.head_name.partition("/")[0]
    )
    if not (model.task.plugin or head_plugin):
        return
    few = data.first(FEW)
    with torch.random.fork_rng(devices=[]):
        model.eval()
        if wrong := _attempt(_outputs_problem, model, few):
            raise _head_error(model, head_plugin, wrong)
        if model.task.plugin and (wrong := _attempt(_collate_problem, model, few)):
            raise contract.task_error(model.task, f"cannot be used: {wrong}")
        if wrong := _attempt(_loss_problem, model, data):
            raise _head_error(model, head_plugin, wrong)
        if model.task.plugin and (wrong := _attempt(_results_problem, model, few)):
            raise contract.task_error(model.task, f"cannot be used: {wrong}")


def _head_error(model: TaskModel, plugin: str, wrong: str) -> HookError:
    if model.head_name == "linear" or (model.task.plugin and plugin == model.task.plugin):
        return contract.task_error(model.task, f"cannot be used: {wrong}")
    return HookError(
        f"The head {model.head_name} of {describe_plugin(plugin)} cannot be used: {wrong}", hint=contract.REPORT_HINT
    )


def _attempt(problem: Callable[[TaskModel, TaskDataset], str], model: TaskModel, data: TaskDataset) -> str:
    """The problem, or the error that was raised outside the plugin's own code."""
    try:
        return problem(model, data)
    except TlzooError:
        raise
    except Exception as cause:
        if (error := raised_by_plugin(cause)) is not None:
            raise error from cause
        return f"{error_line(cause)}."


def _outputs_problem(model: TaskModel, data: TaskDataset) -> str:
    inputs = _tensors(data.arrays(range(len(data))))
    with torch.inference_mode():
        features = model.head_input(model.backbone(*inputs))
        made = as_tuple(model.head(features))
    if strange := [each for each in made if not isinstance(each, torch.Tensor)]:
        return f"The head returns {type(strange[0]).__name__}, not a tensor."
    arrays = [tensor.numpy() for tensor in made]
    if wrong := contract.outputs_problem(model.task.outputs, arrays, len(data)):
        return wrong
    named = zip(model.task.outputs, arrays, strict=True)
    if (strange := [output.name for output, array in named if not np.isfinite(array).all()]) and _finite(features):
        return f"Output {strange[0]!r} has NaN or infinity."
    return ""


def _finite(features: Any) -> bool:
    tensors = features.values() if isinstance(features, dict) else [features]
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)


def _collate_problem(model: TaskModel, data: TaskDataset) -> str:
    return contract.collate_problem(data.collated(range(len(data))), len(data))


def _loss_problem(model: TaskModel, data: TaskDataset) -> str:
    for few in (data.first(FEW), data.first(MANY)):
        positions = range(len(few))
        batch = {name: torch.from_numpy(array) for name, array in few.collated(positions).items()}
        loss = model.loss(model.named(model(*_tensors(few.arrays(positions)))), batch)
        if not isinstance(loss, torch.Tensor):
            return f"The loss is {type(loss).__name__}, not a tensor."
        if loss.ndim:
            return f"The loss is of shape {list(loss.shape)}."
        if any(parameter.requires_grad for parameter in model.head.parameters()) and not loss.requires_grad:
            return "No gradient of the loss reaches the head."
        if bool(torch.isfinite(loss)):
            return ""
    with torch.inference_mode():
        features = model.head_input(model.backbone(*_tensors(few.arrays(positions))))
    return f"The loss of the first {len(few)} samples is {loss.item()}." if _finite(features) else ""


def _tensors(arrays: dict[str, np.ndarray]) -> list[torch.Tensor]:
    return [torch.from_numpy(array) for array in arrays.values()]


def _results_problem(model: TaskModel, data: TaskDataset) -> str:
    task, arrays = model.task, data.arrays(range(len(data)))
    kept = OutputCollector(task.outputs, len(data))
    made = module_outputs(model, arrays)
    named = {output.name: array for output, array in zip(task.outputs, made, strict=True)}
    kept.put(range(len(data)), named, row_lengths(arrays))
    outputs, contexts = data.merge_outputs(kept.outputs())
    return contract.results_problem(task, outputs, data.sample_targets, contexts)
