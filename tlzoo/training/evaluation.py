"""Outputs and metrics of a whole model by eager torch."""

from __future__ import annotations

from tlzoo.data.dataset import Dataset
from tlzoo.errors import TrainingError
from tlzoo.features.extract import by_length
from tlzoo.models.model import Model
from tlzoo.models.onnx_export import eager
from tlzoo.preprocess import row_lengths
from tlzoo.preprocess.prefetch import ahead
from tlzoo.progress import progress
from tlzoo.tasks import Task
from tlzoo.tasks.rows import Collector, Outputs, count, finite


def measure(model: Model, data: Dataset) -> dict[str, float]:
    """The task's metrics by eager torch."""
    return data.metrics(outputs(model, data))


def outputs(model: Model, data: Dataset, batch: int = 32) -> Outputs:
    """The task's outputs by eager torch in eval mode; raises TrainingError where one is not finite."""
    rows = Collector(model.task.outputs, len(data))
    with progress("Evaluating (torch)", len(data)) as advance:
        for positions, arrays in ahead(data.arrays, by_length(data), batch):
            rows.put(positions, eager(model, arrays), row_lengths(arrays))
            advance(len(positions))
    refuse_not_finite(rows.outputs(), "", "Train again with a smaller `lr`.")
    return rows.outputs()


def rounding_effect(task: Task, rounded: Outputs, full: Outputs) -> dict[str, float | int]:
    """What rounding the network's inputs does to its outputs: the largest change, and how many answers stay."""
    agreed = task.agree(rounded, full, 0.0)
    return {
        "samples": count(full),
        "max_logit_change": max(float(rows.max(initial=0.0)) for rows in agreed.difference.values()),
        "agreement": float(agreed.same.mean()),
    }


def refuse_not_finite(rows: Outputs, kept: str, hint: str) -> None:
    """Raise TrainingError where outputs hold what is no number; `kept` says what was saved before."""
    good = finite(rows)
    if strange := int((~good).sum()):
        raise TrainingError(
            f"The model gives outputs that are not finite for {strange} of {len(good)} samples.{kept}",
            hint=hint,
            parameter="lr",
        )
