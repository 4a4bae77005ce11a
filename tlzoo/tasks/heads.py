"""What the heads of tasks are made of: linear layers, class weights, and what a probe minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import softplus

from tlzoo.errors import TrainingError, UsageError
from tlzoo.interfaces import Backbone, Needs
from tlzoo.tasks.base import Task

LossAndGradient = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Of logits [n, C] and targets: the losses [n], and their gradients [n, C] with respect to the logits."""
SAMPLE_WEIGHTS = "sample_weights"
"""What a batch calls the weights of its samples, float32 [N], for a head's loss; their mean over the training is 1."""


@dataclass(frozen=True)
class Objective:
    """What a linear head on fixed features minimises, for the array of targets `target` of a collated batch.

    `loss` is `None` for the squared error, which has a closed form; its sum over samples is divided by that of their
    `share` [n], by default 1 each. `outputs` is how many numbers the layer gives, in the task's output `output`.
    `temperature` fits one to logits and targets.
    """

    target: str
    outputs: int
    output: str = "logits"
    loss: LossAndGradient | None = None
    share: Callable[[torch.Tensor], torch.Tensor] = lambda targets: torch.ones(len(targets), dtype=torch.float64)
    temperature: Callable[[np.ndarray, np.ndarray], float] | None = None


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


LINEAR = (nn.Linear, ScaledLinear)
"""The layers that the core builds again from their weights alone."""


def _describe_needs(needs: Needs) -> str:
    return f"a {needs}" if isinstance(needs, str) else " and ".join(needs)


def check_output(backbone: Backbone, task: Task) -> None:
    """Raise TrainingError where a backbone's output is not what the task needs."""
    if backbone.output != task.needs:
        raise TrainingError(
            f"The head of {task.name} needs {_describe_needs(task.needs)} from the backbone, "
            f"which returns {_describe_needs(backbone.output)}.",
            hint="Add a build_head hook to the plugin.",
        )


def read_label_smoothing(options: Mapping[str, Any]) -> float:
    """The option `label_smoothing`, 0 without; raises UsageError unless it is from 0 to below 1."""
    smoothing = float(options.get("label_smoothing") or 0.0)
    if not 0 <= smoothing < 1:
        raise UsageError(
            f"Label smoothing cannot be {smoothing:g}.",
            hint="Give a number from 0 to below 1.",
            parameter="label_smoothing",
        )
    return smoothing


def read_class_weights(given: Sequence[float] | None, task: Task) -> torch.Tensor | None:
    """Weights float32 [C] of a task's classes; raises UsageError unless they are C positive numbers, one a class."""
    if given is None:
        return None
    if "class_weights" not in task.supports:
        raise UsageError(
            f"{task.name} has no classes to weight.", hint="Leave `class_weights` out.", parameter="class_weights"
        )
    weights = torch.tensor(list(given), dtype=torch.float32)
    if len(weights) != len(task.labels) or not bool((torch.isfinite(weights) & (weights > 0)).all()):
        raise UsageError(
            f"Class weights must be {len(task.labels)} positive numbers.",
            hint=f"One each for: {', '.join(task.labels)}.",
            parameter="class_weights",
        )
    return weights


def like_logits(weights: torch.Tensor | None, logits: torch.Tensor) -> torch.Tensor | None:
    """The weights in the type and on the device of the logits."""
    return None if weights is None else weights.to(logits)


def weighted_mean(losses: torch.Tensor, batch: Mapping[str, torch.Tensor], size: torch.Tensor | float) -> torch.Tensor:
    """The sum of losses [N, ...], each sample's times its weight where the batch has weights, divided by `size`."""
    if (weights := batch.get(SAMPLE_WEIGHTS)) is not None:
        losses = losses * weights.to(losses).reshape(-1, *[1] * (losses.ndim - 1))
    return losses.sum() / size


def weighted_cross_entropy(weights: torch.Tensor | None) -> LossAndGradient:
    """Cross-entropy for class numbers int64 [n], each sample times its class's weight."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        log_shares = logits.log_softmax(dim=1)
        losses = -log_shares.gather(1, targets[:, None])
        slope = log_shares.exp_()
        slope[torch.arange(len(targets)), targets] -= 1
        if weights is not None:
            by = weights[targets][:, None].to(logits.dtype)
            losses, slope = losses * by, slope * by
        return losses[:, 0], slope

    return loss


def weighted_share(weights: torch.Tensor | None) -> Callable[[torch.Tensor], torch.Tensor]:
    """Each sample counted by its class's weight."""
    if weights is None:
        return lambda targets: torch.ones(len(targets), dtype=torch.float64)
    return lambda targets: weights[targets].double()


def weighted_binary_cross_entropy(weights: torch.Tensor | None) -> LossAndGradient:
    """Binary cross-entropy for 0 and 1, [n, C], a label's weight counting where it is there."""

    def loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        there = targets.to(logits.dtype)
        wanted = there if weights is None else there * weights.to(logits.dtype)
        losses = wanted * softplus(-logits) + (1 - there) * softplus(logits)
        shares = logits.sigmoid()
        return losses.sum(dim=1, dtype=torch.float64), (1 - there) * shares - wanted * (1 - shares)

    return loss
