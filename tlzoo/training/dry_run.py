"""A dry run of a plugin's task and head on a few samples before training."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any

import numpy as np
import torch

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import HookError, TlzooError
from tlzoo.io.entry_points import REPORT_HINT, describe_plugin
from tlzoo.io.stops import is_stop
from tlzoo.models.model import TaskModel, as_tuple, named_outputs
from tlzoo.models.padding import check_padding
from tlzoo.models.seeds import keep_generators
from tlzoo.plugins.attribution import error_line, raised_by_plugin
from tlzoo.plugins.containment import watch
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
    the contract; of tasks and heads of the core none of this. Raises TrainingError where padding reaches answers.
    """
    head_plugin = model.head_plugin
    with watch("The forward pass", *model.plugins):
        check_padding(model, data)
    if not (model.task.plugin or head_plugin):
        return
    with keep_generators(), watch("A trial step", *model.plugins, model.task.plugin):
        trial = _Trial(model.eval(), data.first(FEW))
        if model.task.plugin and (wrong := trial.names_problem()):
            raise contract.task_error(model.task, f"cannot be used: {wrong}")
        if wrong := _attempt(trial.outputs_problem):
            raise _head_error(model, head_plugin, wrong)
        if model.task.plugin and (wrong := _attempt(trial.collate_problem)):
            raise contract.task_error(model.task, f"cannot be used: {wrong}")
        if wrong := _attempt(lambda: trial.loss_problem(data)):
            raise _head_error(model, head_plugin, wrong)
        if model.task.plugin and (wrong := _attempt(trial.results_problem)):
            raise contract.task_error(model.task, f"cannot be used: {wrong}")


def _head_error(model: TaskModel, plugin: str, wrong: str) -> HookError:
    if model.head_name == "linear" or (model.task.plugin and plugin == model.task.plugin):
        return contract.task_error(model.task, f"cannot be used: {wrong}")
    return HookError(
        f"The head {model.head_name} of {describe_plugin(plugin)} cannot be used: {wrong}", hint=REPORT_HINT
    )


def _attempt(problem: Callable[[], str]) -> str:
    """The problem, or the error that was raised outside the plugin's own code."""
    try:
        return problem()
    except TlzooError:
        raise
    except BaseException as cause:
        if is_stop(cause):
            raise
        if (error := raised_by_plugin(cause)) is not None:
            raise error from cause
        if not isinstance(cause, Exception):
            raise
        return f"{error_line(cause)}."


class _Trial:
    """A model and a few samples, which pass through the backbone once."""

    def __init__(self, model: TaskModel, data: TaskDataset) -> None:
        self._model, self._data = model, data
        self._arrays = data.arrays(range(len(data)))

    @cached_property
    def _features(self) -> Any:
        """The head's input."""
        with torch.no_grad():
            return self._model.head_input(self._model.backbone(*map(torch.from_numpy, self._arrays.values())))

    @cached_property
    def _made(self) -> Any:
        """What the head returns."""
        return self._model.head(self._features)

    def names_problem(self) -> str:
        """An output that is called as an array of the model's input: in an exported file both have one name."""
        task = self._model.task
        names = [*(output.name for output in task.outputs), *(derived.name for derived in task.derived)]
        clash = [name for name in names if name in self._arrays]
        return f"An output is called {clash[0]!r}, as an input of the model is." if clash else ""

    def outputs_problem(self) -> str:
        before = [tensor.clone() for tensor in _tensors(self._features)]
        tensors = as_tuple(self._made)
        if not all(map(torch.equal, before, _tensors(self._features))) and _finite(before):
            return "The head changes its input in place."
        if strange := [each for each in tensors if not isinstance(each, torch.Tensor)]:
            return f"The head returns {type(strange[0]).__name__}, not a tensor."
        arrays = [tensor.detach().numpy() for tensor in tensors]
        outputs = self._model.task.outputs
        if wrong := contract.outputs_problem(outputs, arrays, len(self._data)):
            return wrong
        named = zip(outputs, arrays, strict=True)
        if (strange := [output.name for output, array in named if not np.isfinite(array).all()]) and _finite(before):
            return f"Output {strange[0]!r} has NaN or infinity."
        return ""

    def collate_problem(self) -> str:
        return contract.collate_problem(self._data.collated(range(len(self._data))), len(self._data))

    def loss_problem(self, more: TaskDataset) -> str:
        """Where the loss is no number, that of more samples counts: the first may all be without a target."""
        batch = {name: torch.from_numpy(array) for name, array in self._data.collated(range(len(self._data))).items()}
        loss = self._model.loss(self._model.named(self._made), batch)
        if not isinstance(loss, torch.Tensor):
            return f"The loss is {type(loss).__name__}, not a tensor."
        if loss.ndim:
            return f"The loss is of shape {list(loss.shape)}."
        if any(each.requires_grad for each in self._model.head.parameters()) and not loss.requires_grad:
            return "No gradient of the loss reaches the head."
        if bool(torch.isfinite(loss)) or not _finite(_tensors(self._features)):
            return ""
        if len(self._data) < min(MANY, len(more)):
            return _Trial(self._model, more.first(MANY)).loss_problem(more.first(MANY))
        return f"The loss of the first {len(self._data)} samples is {loss.item()}."

    def results_problem(self) -> str:
        task = self._model.task
        kept = OutputCollector(task.outputs, len(self._data))
        named = {name: tensor.detach().numpy() for name, tensor in named_outputs(task, self._made).items()}
        kept.put(range(len(self._data)), named, row_lengths(self._arrays))
        outputs, contexts = self._data.merge_outputs(kept.outputs())
        return contract.results_problem(task, outputs, self._data.sample_targets, contexts)


def _tensors(features: Any) -> list[torch.Tensor]:
    return list(features.values()) if isinstance(features, dict) else [features]


def _finite(tensors: Iterable[torch.Tensor]) -> bool:
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
