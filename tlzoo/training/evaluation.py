"""Logits and metrics of a whole model by eager torch."""

from __future__ import annotations

import numpy as np

from tlzoo.errors import TrainingError
from tlzoo.features.dataset import Dataset
from tlzoo.features.extract import by_length
from tlzoo.models.model import Model
from tlzoo.models.onnx_export import eager
from tlzoo.preprocess.prefetch import ahead
from tlzoo.progress import progress
from tlzoo.tasks import Task


def measure(model: Model, data: Dataset) -> dict[str, float]:
    """The task's metrics by eager torch."""
    assert data.targets is not None
    return model.task.metrics(logits(model, data), data.targets)


def logits(model: Model, data: Dataset, batch: int = 32) -> np.ndarray:
    """Logits float32 [N, C] by eager torch in eval mode; raises TrainingError where one is not finite."""
    rows = np.empty((len(data), model.task.outputs), dtype=np.float32)
    with progress("Evaluating (torch)", len(data)) as advance:
        for positions, arrays in ahead(data.arrays, by_length(data), batch):
            rows[positions] = eager(model, arrays)
            advance(len(positions))
    refuse_not_finite(rows, "", "Train again with a smaller --lr.")
    return rows


def rounding_effect(task: Task, rounded: np.ndarray, full: np.ndarray) -> dict[str, float | int]:
    """What rounding the network's inputs does to its logits [N, C]: the largest change, and how many labels stay."""
    agree = task.agreement(rounded, full, 0.0)
    return {
        "samples": len(full),
        "max_logit_change": float(np.abs(rounded - full).max()),
        "agreement": float(agree.mean()),
    }


def refuse_not_finite(rows: np.ndarray, kept: str, hint: str) -> None:
    """Raise TrainingError where logits [N, C] hold what is no number; `kept` says what was saved before."""
    if strange := int((~np.isfinite(rows).all(axis=1)).sum()):
        raise TrainingError(
            f"The model gives outputs that are not finite for {strange} of {len(rows)} samples.{kept}", hint=hint
        )
