"""What a plugin's strategy returns, checked against the model that it trained."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.models.model import TaskModel
from tlzoo.tasks.contract import compare
from tlzoo.tasks.rows import Outputs, finite, select
from tlzoo.training.evaluation import batch_outputs
from tlzoo.training.strategies.base import TrainResult

FEW = 8
TOLERANCE = 0.02
"""Of an output's scale: what is left of a sample that was run in bfloat16, or beside others."""


def result_problem(result: TrainResult, test: TaskDataset) -> str:
    """The first thing wrong with it, as the end of a sentence; empty where all is right."""
    kinds: dict[str, type[Any]] = {
        "model": TaskModel, "outputs": Mapping, "history": list, "frozen": dict, "details": dict
    }  # fmt: skip
    for name in (field.name for field in fields(TrainResult) if field.name in kinds):
        if not isinstance(value := getattr(result, name), kinds[name]):
            return f"returned a TrainResult whose `{name}` is {type(value).__name__}, not {kinds[name].__name__}"
    try:
        json.dumps([result.history, result.frozen, result.details])
    except (TypeError, ValueError) as cause:
        return f"returned a history, frozen or details that are not JSON: {cause}"
    if wrong := _outputs_problem(result, result.outputs, test) or (
        result.probe is not None and _outputs_problem(result, result.probe, test)
    ):
        return wrong
    return _difference(result, test)


def _outputs_problem(result: TrainResult, found: Outputs, test: TaskDataset) -> str:
    if not isinstance(found, Mapping):
        return f"returned a TrainResult whose `probe` is {type(found).__name__}, not Mapping"
    names = [output.name for output in result.model.task.outputs]
    if set(found) != set(names):
        return f"returned the outputs {sorted(found)}; the task declares {names}"
    for name in names:
        if (given := len(found[name])) != len(test):
            return f"returned outputs for {given} samples; the test data has {len(test)}"
    return "" if finite(found).all() else "returned outputs with NaN or infinity"


def _difference(result: TrainResult, test: TaskDataset) -> str:
    """Whether the outputs are those of the model, tried on the first samples."""
    task, positions = result.model.task, range(min(FEW, len(test)))
    own = batch_outputs(result.model, test, positions)
    agreement = compare(task, select(result.outputs, positions), own, TOLERANCE)
    for name, difference in agreement.difference.items():
        if not np.max(difference) <= TOLERANCE * agreement.scale[name]:
            return f"returned {name!r} that differ from those of its model by {np.max(difference):.3g}"
    return ""
