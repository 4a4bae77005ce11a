"""The head of regression: a linear layer that works in standard deviations, with the squared error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import mse_loss

from tlzoo.interfaces import Backbone, Head
from tlzoo.tasks.base import Task
from tlzoo.tasks.heads import (
    SAMPLE_WEIGHTS,
    Objective,
    ScaledLinear,
    check_output,
    read_class_weights,
    weighted_mean,
)


def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from features [N, D] to `logits` [N, 1], and the squared error over the targets' variance.

    `options` may hold `mean` and `std` of the training targets. Raises TrainingError for a backbone of other output.
    """
    check_output(backbone, task)
    read_class_weights(options.get("class_weights"), task)
    mean, std = float(options.get("mean", 0.0)), float(options.get("std", 1.0))
    layer = ScaledLinear(backbone.feature_dim, 1, mean, std)

    def loss(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        found = outputs["logits"]
        # one loss serves heads with a std of 1 as well, whose buffer is filled when a run is loaded
        spread = layer.std.to(found.device)
        given, wanted = found[:, 0] / spread, batch["values"] / spread
        if SAMPLE_WEIGHTS not in batch:
            return mse_loss(given, wanted)
        return weighted_mean(mse_loss(given, wanted, reduction="none"), batch, len(wanted))

    return Head(layer, loss, takes_weights=True)


def objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """Ridge regression."""
    read_class_weights(options.get("class_weights"), task)
    return Objective("values", 1)
