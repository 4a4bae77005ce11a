"""The core's default head: a linear layer, with the loss of its task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from tlzoo.errors import TrainingError, UsageError
from tlzoo.interfaces import Backbone, Head
from tlzoo.tasks import Task
from tlzoo.tasks.regression.task import Regression


class ScaledLinear(nn.Linear):
    """A linear layer that works in standard deviations from the mean and answers in the targets' unit.

    The buffers `mean` and `std` are scalars; with them the layer's gradients do not depend on that unit.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, width: int, outputs: int, mean: float = 0.0, std: float = 1.0) -> None:
        super().__init__(width, outputs)
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Outputs [N, 1] for features [N, D]."""
        return super().forward(features).float() * self.std + self.mean  # half precision cannot hold 1e5 + 1


def linear_head(backbone: Backbone, task: Task, options: Mapping[str, Any]) -> Head:
    """A linear layer from features [N, D] to logits [N, C], with the loss of the task.

    One label: cross-entropy for targets int64 [N]. Several: binary cross-entropy for 0 and 1, float [N, C]. Regression:
    squared error in units of the targets' variance, float [N]. `options` may hold `label_smoothing` (0 to below 1) and
    `class_weights` (C floats; with several labels the weight of a label that is there), for regression `mean` and `std`
    of the training targets, see `target_options`. Raises TrainingError for a backbone of other output, UsageError for
    an option that cannot be.
    """
    if backbone.output != "vector":
        raise TrainingError(
            f"The default head needs a backbone that gives one vector per sample, not {backbone.output!r}.",
            hint="Give the plugin a build_head hook.",
        )
    return _head(_layer(backbone.feature_dim, task, options), task, options)


def head_from(weight: torch.Tensor, bias: torch.Tensor, task: Task, options: Mapping[str, Any] | None = None) -> Head:
    """A linear head that gives features @ weight [C, D] + bias [C], with the loss of the task.

    `options` are those of `linear_head`; whatever they are, the outputs are the same.
    """
    options = options or {}
    layer = _layer(weight.shape[1], task, options)
    if isinstance(layer, ScaledLinear):
        weight, bias = weight / layer.std, (bias - layer.mean) / layer.std
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return _head(layer, task, options)


def target_options(task: Task, targets: np.ndarray) -> dict[str, float]:
    """What a head takes to know of training targets: for regression `mean` and `std`, else nothing.

    Raises DataError where all targets of a regression are the same.
    """
    if not isinstance(task, Regression):
        return {}
    mean, std = task.moments(targets)
    return {"mean": mean, "std": std}


def _layer(width: int, task: Task, options: Mapping[str, Any]) -> nn.Linear:
    if task.kind == "regression":
        return ScaledLinear(width, task.outputs, float(options.get("mean", 0.0)), float(options.get("std", 1.0)))
    return nn.Linear(width, task.outputs)


def _head(layer: nn.Linear, task: Task, options: Mapping[str, Any]) -> Head:
    smoothing = float(options.get("label_smoothing") or 0.0)
    if not 0 <= smoothing < 1:
        raise UsageError(f"Label smoothing cannot be {smoothing:g}.", hint="Give a number from 0 to below 1.")
    weights = class_weights(options.get("class_weights"), task)

    def single(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return cross_entropy(logits, targets, weight=_beside(weights, logits), label_smoothing=smoothing)

    def several(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        smooth = targets * (1 - smoothing) + 0.5 * smoothing
        return binary_cross_entropy_with_logits(logits, smooth, pos_weight=_beside(weights, logits))

    def squared(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        assert isinstance(layer, ScaledLinear)
        # one loss serves heads with a std of 1 as well, whose buffer is filled when a run is loaded
        std = layer.std.to(outputs.device)
        return mse_loss(outputs[:, 0] / std, targets / std)

    return Head(layer, {"single": single, "multilabel": several, "regression": squared}[task.kind])


def class_weights(given: Sequence[float] | None, task: Task) -> torch.Tensor | None:
    """Weights float32 [C] of a task's classes; raises UsageError unless they are C positive numbers, one a class."""
    if given is None:
        return None
    if task.kind == "regression":
        raise UsageError(f"{task.name} has no classes to weight.", hint="Leave class weights out.")
    weights = torch.tensor(list(given), dtype=torch.float32)
    if len(weights) != task.outputs or not bool((torch.isfinite(weights) & (weights > 0)).all()):
        raise UsageError(
            f"Class weights must be {task.outputs} positive numbers.", hint=f"One each for: {', '.join(task.labels)}"
        )
    return weights


def _beside(weights: torch.Tensor | None, logits: torch.Tensor) -> torch.Tensor | None:
    return None if weights is None else weights.to(logits)
