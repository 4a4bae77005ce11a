"""The head of classification: a linear layer with cross-entropy."""

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
    like_logits,
    read_class_weights,
    read_label_smoothing,
    weighted_cross_entropy,
    weighted_mean,
    weighted_share,
)


def build_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from features [N, D] to `logits` [N, C], and cross-entropy for `labels` int64 [N].

    `options` may hold `label_smoothing` (0 to below 1) and `class_weights` (C positive floats). Raises TrainingError
    for a backbone of other output, UsageError for an option that cannot be.
    """
    check_output(backbone, task)
    smoothing, weights = read_label_smoothing(options), read_class_weights(options.get("class_weights"), task)

    def loss(outputs: Mapping[str, torch.Tensor], batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        logits, labels, by_class = outputs["logits"], batch["labels"], like_logits(weights, outputs["logits"])
        if SAMPLE_WEIGHTS not in batch:
            return cross_entropy(logits, labels, weight=by_class, label_smoothing=smoothing)
        losses = cross_entropy(logits, labels, weight=by_class, label_smoothing=smoothing, reduction="none")
        return weighted_mean(losses, batch, len(labels) if by_class is None else by_class[labels].sum())

    return Head(nn.Linear(backbone.feature_dim, len(task.labels)), loss, takes_weights=True)


def objective(task: Task, options: Mapping[str, Any]) -> Objective:
    """Multinomial logistic regression."""
    weights = read_class_weights(options.get("class_weights"), task)
    return Objective(
        "labels",
        len(task.labels),
        loss=weighted_cross_entropy(weights),
        share=weighted_share(weights),
        temperature=lambda logits, labels: fit_temperature(multinomial_loss(logits, labels)),
    )
