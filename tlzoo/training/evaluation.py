"""Outputs and metrics of a whole model by eager torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import TrainingError
from tlzoo.features.extract import order_by_length
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs, eager_outputs_and_features
from tlzoo.preprocess import row_lengths
from tlzoo.preprocess.prefetch import prefetch
from tlzoo.progress import progress
from tlzoo.tasks import Task
from tlzoo.tasks.contract import compare
from tlzoo.tasks.rows import OutputCollector, Outputs, Rows, count, finite


def measure(model: TaskModel, data: TaskDataset) -> dict[str, float]:
    """The task's metrics by eager torch."""
    return data.metrics(outputs(model, data))


def outputs(model: TaskModel, data: TaskDataset, batch: int = 32) -> Outputs:
    """The task's outputs by eager torch in eval mode; raises TrainingError where one is not finite."""
    return outputs_and_features(model, data, batch)[0]


def outputs_and_features(model: TaskModel, data: TaskDataset, batch: int = 32) -> tuple[Outputs, np.ndarray | None]:
    """As `outputs`, and from the same pass what the head is given, [N, D]; `None` where that is no vector each."""
    rows, features = OutputCollector(model.task.outputs, len(data)), None
    with progress("Evaluating (torch)", len(data)) as advance:
        for positions, arrays in prefetch(data.arrays, order_by_length(data), batch):
            found, given = eager_outputs_and_features(model, arrays)
            rows.put(positions, found, row_lengths(arrays))
            if given is not None and given.ndim == 2:
                features = np.zeros((len(data), given.shape[1]), given.dtype) if features is None else features
                features[list(positions)] = given
            advance(len(positions))
    check_finite(rows.outputs(), "", "Train again with a smaller `lr`.")
    return rows.outputs(), features


def batch_outputs(model: TaskModel, data: TaskDataset, positions: Sequence[int]) -> dict[str, Rows]:
    """The task's outputs for the inputs at these positions, in one batch, finite or not."""
    rows, arrays = OutputCollector(model.task.outputs, len(positions)), data.arrays(positions)
    rows.put(range(len(positions)), eager_outputs(model, arrays), row_lengths(arrays))
    return rows.outputs()


def rounding_effect(task: Task, rounded: Outputs, full: Outputs) -> dict[str, float | int]:
    """What rounding the network's inputs does to its outputs: the largest change, and how many answers stay."""
    agreed = compare(task, rounded, full, 0.0)
    return {
        "samples": count(full),
        "max_logit_change": max(float(rows.max(initial=0.0)) for rows in agreed.difference.values()),
        "agreement": float(agreed.same.mean()),
    }


def check_finite(rows: Outputs, kept: str, hint: str) -> None:
    """Raise TrainingError where outputs hold what is no number; `kept` says what was saved before."""
    good = finite(rows)
    if strange := int((~good).sum()):
        raise TrainingError(
            f"The model returns NaN or infinite outputs for {strange} of {len(good)} samples.{kept}",
            hint=hint,
            parameter="lr",
        )
