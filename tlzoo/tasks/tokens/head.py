"""The head of token tagging: a linear layer on each token, with cross-entropy over the first pieces of words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.interfaces import Backbone, Head
from tlzoo.tasks.base import Task
from tlzoo.tasks.calibration import fit_temperature, multinomial_loss
from tlzoo.tasks.heads import (
    SAMPLE_WEIGHTS,
    Objective,
    check_output,
    read_label_smoothing,
    weighted_cross_entropy,
    weighted_mean,
)
from tlzoo.tasks.rows import IGNORED


def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from [N, T, D] to `logits` [N, T, C], and cross-entropy for `labels` int64 [N, T].

    `options` may hold `label_smoothing` (0 to below 1). Raises TrainingError for a backbone of other output, UsageError
    for an option that cannot be.
    """
    check_output(backbone, task)
    smoothing = read_label_smoothing(options)

    def loss(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        logits, labels = outputs["logits"].flatten(0, 1), batch["labels"].flatten()
        words = (labels != IGNORED).sum().clamp(min=1)
        if SAMPLE_WEIGHTS not in batch:
            total = cross_entropy(logits, labels, ignore_index=IGNORED, label_smoothing=smoothing, reduction="sum")
            return total / words
        losses = cross_entropy(logits, labels, ignore_index=IGNORED, label_smoothing=smoothing, reduction="none")
        return weighted_mean(losses.reshape(batch["labels"].shape), batch, words)

    return Head(nn.Linear(backbone.feature_dim, len(task.labels)), loss, takes_weights=True)


def objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """Multinomial logistic regression over the words of all texts."""
    return Objective(
        "labels",
        len(task.labels),
        loss=weighted_cross_entropy(None),
        temperature=lambda logits, labels: fit_temperature(multinomial_loss(logits, labels)),
    )
