"""The core's default head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tlzoo.errors import TrainingError
from tlzoo.parts import Backbone, Head
from tlzoo.tasks import Task


def linear_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from features [N, D] to logits [N, C], with cross-entropy; TrainingError for other outputs."""
    if backbone.output != "vector":
        raise TrainingError(
            f"The default head needs a backbone that gives one vector per sample, not {backbone.output!r}.",
            hint="Give the plugin a build_head hook.",
        )
    return Head(nn.Linear(backbone.feature_dim, task.outputs), cross_entropy)


def head_from(weight: torch.Tensor, bias: torch.Tensor) -> Head:
    """A linear head with these weights [C, D] and biases [C]."""
    linear = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(bias)
    return Head(linear, cross_entropy)
