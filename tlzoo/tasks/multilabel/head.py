"""The head of several labels per sample: a linear layer with binary cross-entropy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from tlzoo.interfaces import Backbone, Head
from tlzoo.tasks.base import Task
from tlzoo.tasks.calibration import fit_temperature, logistic_loss
from tlzoo.tasks.heads import (
    SAMPLE_WEIGHTS,
    Objective,
    check_output,
    like_logits,
    read_class_weights,
    read_label_smoothing,
    weighted_binary_cross_entropy,
    weighted_mean,
)


def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from features [N, D] to `logits` [N, C], and binary cross-entropy for `labels` [N, C] of 0 and 1.

    `options` may hold `label_smoothing` (0 to below 1) and `class_weights` (C positive floats: the weight of a label
    that is there). Raises TrainingError for a backbone of other output, UsageError for an option that cannot be.
    """
    check_output(backbone, task)
    smoothing, weights = read_label_smoothing(options), read_class_weights(options.get("class_weights"), task)

    def loss(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        logits = outputs["logits"]
        smooth, by_label = batch["labels"] * (1 - smoothing) + 0.5 * smoothing, like_logits(weights, logits)
        if SAMPLE_WEIGHTS not in batch:
            return binary_cross_entropy_with_logits(logits, smooth, pos_weight=by_label)
        losses = binary_cross_entropy_with_logits(logits, smooth, pos_weight=by_label, reduction="none")
        return weighted_mean(losses, batch, losses.numel())

    return Head(nn.Linear(backbone.feature_dim, len(task.labels)), loss, takes_weights=True)


def objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """A logistic regression for each label."""
    weights = read_class_weights(options.get("class_weights"), task)
    return Objective(
        "labels",
        len(task.labels),
        loss=weighted_binary_cross_entropy(weights),
        share=lambda labels: torch.full((len(labels),), labels.shape[1], dtype=torch.float64),
        temperature=lambda logits, labels: fit_temperature(logistic_loss(logits, labels)),
    )
